-- Approvals of going back.

-- The change whose state comes back by what was approved; none: what the commit brings.
ALTER TABLE approval ADD COLUMN restores INTEGER;

PRAGMA user_version = 14;
