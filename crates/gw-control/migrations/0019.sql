-- Why the newest comparison came to nothing; none: it did not.

ALTER TABLE compared ADD COLUMN why TEXT;

PRAGMA user_version = 19;
