-- What approvals are for: plans that stood below a pull request, and approvals given to us.

-- From when on a plan could be read, and what it changes. An approval in the Git host is for the
-- last one on its head before it was given.
CREATE TABLE shown (
    position     INTEGER NOT NULL PRIMARY KEY,
    environment  TEXT    NOT NULL,
    pull_request INTEGER NOT NULL CHECK (pull_request > 0),
    head         TEXT    NOT NULL,
    shown_at     TEXT    NOT NULL,
    -- Digests by entry of the effect.
    entries      TEXT    NOT NULL
) STRICT;

CREATE INDEX shown_on ON shown (environment, pull_request, position);

-- Approvals that were given to us, by whom as they proved it then.
CREATE TABLE approval (
    position    INTEGER NOT NULL PRIMARY KEY,
    environment TEXT    NOT NULL,
    given_by    TEXT    NOT NULL,
    given_at    TEXT    NOT NULL,
    commit_sha  TEXT    NOT NULL,
    entries     TEXT    NOT NULL
) STRICT;

CREATE INDEX approval_of ON approval (environment, position);

PRAGMA user_version = 4;
