-- When the secrets that the settings of a server name were used last.

CREATE TABLE credential (
    name        TEXT NOT NULL PRIMARY KEY,
    -- What is new cannot have been unused for long.
    known_since TEXT NOT NULL,
    last_used   TEXT
) STRICT;

PRAGMA user_version = 13;
