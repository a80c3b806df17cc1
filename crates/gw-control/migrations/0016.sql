-- Going back that waits for approvals.

CREATE TABLE going_back (
    environment TEXT NOT NULL,
    -- The change whose state is asked for, and the one that is to be left.
    restores    INTEGER NOT NULL,
    leaves      INTEGER NOT NULL,
    plan        TEXT NOT NULL,
    gates       TEXT NOT NULL,
    -- Who of `people`; none: nobody.
    asked_by    TEXT,
    since       TEXT NOT NULL,
    PRIMARY KEY (environment, restores)
) STRICT;

PRAGMA user_version = 16;
