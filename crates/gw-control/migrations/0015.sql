-- What only speaks has places of its own.

ALTER TABLE task ADD COLUMN speaks INTEGER NOT NULL DEFAULT 0;

PRAGMA user_version = 15;
