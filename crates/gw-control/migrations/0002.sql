-- The ledger: what was decided and done, one entry each, in the order in which it became true.

-- Written in the transaction of what it tells of, and never changed. The files of the ledger are
-- made from here.
CREATE TABLE entry (
    position INTEGER NOT NULL PRIMARY KEY CHECK (position >= 0),
    at       TEXT    NOT NULL,
    bytes    BLOB    NOT NULL
) STRICT;

-- The keys that sign the ledger: each from the entry on that names it.
CREATE TABLE ledger_key (
    position INTEGER NOT NULL PRIMARY KEY REFERENCES entry (position),
    verifier TEXT    NOT NULL
) STRICT;

-- The newest checkpoint that was signed: files that end before it lost their end.
CREATE TABLE sealed (
    only INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    size INTEGER NOT NULL,
    note TEXT    NOT NULL
) STRICT;

-- Who did it, with the proof: until now only ever the user of this machine.
UPDATE change SET actor = json_object('identity', actor, 'proof', 'state');

PRAGMA user_version = 2;
