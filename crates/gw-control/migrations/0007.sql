-- The second place that remembers how large the ledger is.

CREATE TABLE witness (
    only        INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    -- So many entries are remembered there.
    size        INTEGER NOT NULL,
    -- How long others may wait for it.
    patience_ms INTEGER NOT NULL,
    -- Why it remembers another ledger than this one.
    trouble     TEXT
) STRICT;

PRAGMA user_version = 7;
