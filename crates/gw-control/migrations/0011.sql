-- Where the table of access was tried on the running gateway.

CREATE TABLE trial (
    environment   TEXT NOT NULL,
    source_digest TEXT NOT NULL,
    -- The newest: whether the gateway said what the rules say.
    passed        INTEGER NOT NULL,
    at            TEXT NOT NULL,
    PRIMARY KEY (environment, source_digest)
) STRICT;

PRAGMA user_version = 11;
