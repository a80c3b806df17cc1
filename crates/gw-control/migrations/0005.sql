-- Texts about people.

-- What the ledger says of people only as a salted hash. Whoever takes a row away erases a person, and
-- no proof.
CREATE TABLE opened (
    hash TEXT NOT NULL PRIMARY KEY,
    salt TEXT NOT NULL,
    text TEXT NOT NULL UNIQUE
) STRICT;

PRAGMA user_version = 5;
