-- What the ledger says of what decides is compared with what the tables say.

-- The entries that tell of changes, found without reading the others: `{"act":"change.`.
CREATE INDEX entry_of_change ON entry (position)
WHERE substr(bytes, 1, 15) = x'7b22616374223a226368616e67652e';

-- By which the ledger names an approval and tells nobody who gave it. None: of a former version.
ALTER TABLE approval ADD COLUMN salt TEXT;

PRAGMA user_version = 12;
