-- Who was let in: short tokens of ours, and proofs that were used.

-- A token is kept as its hash only, and no longer than it is good.
CREATE TABLE token (
    hash       BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    -- By which people and the ledger know it.
    id         TEXT NOT NULL UNIQUE,
    caller     TEXT NOT NULL,
    actor      TEXT NOT NULL,
    scope      TEXT NOT NULL,
    -- Unix seconds.
    expires_at INTEGER NOT NULL
) STRICT;

-- What gives one token that writes: the step of a pipeline, a token of a machine, a signed request.
CREATE TABLE proof_used (
    key   BLOB    NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    -- Unix seconds; until then it is remembered.
    until INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 6;
