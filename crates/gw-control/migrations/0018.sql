-- When an environment was compared with its targets last, and whether what was found then stands.

ALTER TABLE drift ADD COLUMN stands INTEGER NOT NULL DEFAULT 1;

CREATE TABLE compared (
    environment TEXT NOT NULL PRIMARY KEY,
    at          TEXT NOT NULL
) STRICT;

PRAGMA user_version = 18;
