-- Reviews and what is told have places of their own.

ALTER TABLE task ADD COLUMN kind TEXT NOT NULL DEFAULT 'act';
UPDATE task SET kind = 'review' WHERE speaks;
ALTER TABLE task DROP COLUMN speaks;

PRAGMA user_version = 17;
