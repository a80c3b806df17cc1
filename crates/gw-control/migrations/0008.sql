-- Which entries of the ledger tell of a decision: whoever asks for one does not read through them all.

CREATE TABLE decided (
    decision TEXT    NOT NULL,
    position INTEGER NOT NULL REFERENCES entry (position),
    PRIMARY KEY (decision, position)
) STRICT, WITHOUT ROWID;

INSERT INTO decided (decision, position)
SELECT json_extract(CAST(bytes AS TEXT), '$.decision'), position FROM entry
WHERE json_extract(CAST(bytes AS TEXT), '$.decision') IS NOT NULL;

PRAGMA user_version = 8;
