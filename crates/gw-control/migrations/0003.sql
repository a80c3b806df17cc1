-- What a server remembers: who writes where, what is to be done, and which events it has heard.

-- The newest token of each lease. Whoever holds an older one writes nothing any more.
CREATE TABLE lease (
    name   TEXT    NOT NULL PRIMARY KEY,
    token  INTEGER NOT NULL CHECK (token > 0),
    holder TEXT    NOT NULL
) STRICT;

-- What is to be done, was done, or failed for good.
CREATE TABLE task (
    id        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Equal keys wait as one.
    key       TEXT    NOT NULL,
    -- Two tasks of one lane are never under way together.
    lane      TEXT    NOT NULL,
    task      TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    -- How often somebody asked for it while it waited.
    hints     INTEGER NOT NULL,
    attempts  INTEGER NOT NULL,
    queued_at TEXT    NOT NULL,
    due_ms    INTEGER NOT NULL,
    ended_at  TEXT,
    outcome   TEXT
) STRICT;
CREATE UNIQUE INDEX task_waiting ON task (key) WHERE state = 'waiting';
CREATE INDEX task_state ON task (state, due_ms);

-- Deliveries of webhooks that were taken, by the HMAC of their bodies.
CREATE TABLE delivery (
    key BLOB NOT NULL PRIMARY KEY,
    at  TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_at ON delivery (at);

-- The commits of branches and tags that have been dealt with.
CREATE TABLE head (
    name   TEXT NOT NULL PRIMARY KEY,
    commit_id TEXT NOT NULL
) STRICT;

-- The commit whose files a change put in force.
ALTER TABLE change ADD COLUMN commit_id TEXT;

-- What was put back in an environment, for whoever puts it back once too often.
CREATE TABLE drift (
    environment TEXT    NOT NULL PRIMARY KEY,
    -- What differed: the same again is not told again.
    digest      TEXT    NOT NULL,
    found_at    TEXT    NOT NULL,
    put_back    INTEGER NOT NULL
) STRICT;

-- Our comment below each pull request, where it has one.
CREATE TABLE comment (
    pull_request INTEGER NOT NULL PRIMARY KEY,
    id           INTEGER NOT NULL
) STRICT;

PRAGMA user_version = 3;
