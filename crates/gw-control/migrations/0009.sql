-- What pull requests wait for, and for how long.

-- A pull request at a gate of an environment.
CREATE TABLE wait (
    position     INTEGER NOT NULL PRIMARY KEY,
    environment  TEXT    NOT NULL,
    pull_request INTEGER NOT NULL CHECK (pull_request > 0),
    -- In the words of the rules: `approval by team security`.
    gate         TEXT    NOT NULL,
    -- The newest commit that waits.
    head         TEXT    NOT NULL,
    since        TEXT    NOT NULL,
    -- None: it still waits.
    until        TEXT
) STRICT;

CREATE UNIQUE INDEX wait_open ON wait (environment, pull_request, gate) WHERE until IS NULL;
CREATE INDEX wait_of ON wait (environment, position);

-- Whom was told that they are waited for: the same head and the same people are not told again.
CREATE TABLE wait_told (
    environment  TEXT    NOT NULL,
    pull_request INTEGER NOT NULL,
    head         TEXT    NOT NULL,
    gates        TEXT    NOT NULL,
    PRIMARY KEY (environment, pull_request, head, gates)
) STRICT;

PRAGMA user_version = 9;
