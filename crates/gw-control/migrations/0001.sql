-- The state of one workspace on this machine.

-- One numbered apply or rollback of an environment.
CREATE TABLE change (
    environment   TEXT    NOT NULL,
    number        INTEGER NOT NULL CHECK (number > 0),
    action        TEXT    NOT NULL,
    actor         TEXT    NOT NULL,
    reason        TEXT,
    -- The change whose state a rollback restores.
    restores      INTEGER,
    source_digest TEXT    NOT NULL,
    effect_digest TEXT    NOT NULL,
    plan_id       TEXT    NOT NULL,
    began_at      TEXT    NOT NULL,
    ended_at      TEXT,
    outcome       TEXT    NOT NULL,
    detail        TEXT,
    PRIMARY KEY (environment, number)
) STRICT;

-- The documents of a change. They stand apart: whoever lists changes does not read past megabytes.
CREATE TABLE document (
    environment TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    -- What was decided, and what is done because of it: enough to go on after the process is gone.
    plan        TEXT    NOT NULL,
    script      TEXT    NOT NULL,
    -- What must hold since: also the rules that judge the next change.
    desired     TEXT    NOT NULL,
    PRIMARY KEY (environment, number),
    FOREIGN KEY (environment, number) REFERENCES change (environment, number)
) STRICT;

-- At most one change of an environment is under way.
CREATE UNIQUE INDEX change_under_way ON change (environment) WHERE outcome = 'underWay';

-- The journal: every step is written here before it is done, and again after.
CREATE TABLE step (
    environment TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    target      TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    detail      TEXT,
    began_at    TEXT    NOT NULL,
    ended_at    TEXT,
    PRIMARY KEY (environment, number, position),
    FOREIGN KEY (environment, number) REFERENCES change (environment, number)
) STRICT;

-- What was last written to a target, object by object.
CREATE TABLE written (
    environment TEXT    NOT NULL,
    target      TEXT    NOT NULL,
    object      TEXT    NOT NULL,
    document    TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    PRIMARY KEY (environment, target, object)
) STRICT;

-- A state that was rolled back is not applied again until a newer one was.
CREATE TABLE hold (
    environment   TEXT    NOT NULL,
    effect_digest TEXT    NOT NULL,
    number        INTEGER NOT NULL,
    reason        TEXT,
    held_at       TEXT    NOT NULL,
    PRIMARY KEY (environment, effect_digest)
) STRICT;

-- Plans that were shown, so that exactly what was read can be applied.
CREATE TABLE plan (
    id          TEXT NOT NULL PRIMARY KEY,
    environment TEXT NOT NULL,
    made_at     TEXT NOT NULL,
    document    TEXT NOT NULL
) STRICT;

PRAGMA user_version = 1;
