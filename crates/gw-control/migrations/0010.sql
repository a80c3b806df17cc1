-- Emergencies, and differences that somebody accepted.

-- Until when a change holds that went round the ordinary rules; none: it is an ordinary one.
ALTER TABLE change ADD COLUMN until TEXT;

-- What differed when drift was found, in lines for people.
ALTER TABLE drift ADD COLUMN lines TEXT NOT NULL DEFAULT '[]';

-- A difference that is left as it is for a while.
CREATE TABLE drift_accepted (
    environment TEXT NOT NULL,
    digest      TEXT NOT NULL,
    until       TEXT NOT NULL,
    PRIMARY KEY (environment, digest)
) STRICT;

PRAGMA user_version = 10;
