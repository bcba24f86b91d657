-- Which daemon holds how many places for sessions under a limit. Places are for several
-- daemons on one PostgreSQL; here one daemon runs, and holds all of them in its memory.
CREATE TABLE session_place (
    scope     TEXT NOT NULL,
    daemon_id INTEGER NOT NULL,
    held      INTEGER NOT NULL,
    wanted    INTEGER NOT NULL,
    most      INTEGER NOT NULL,
    PRIMARY KEY (scope, daemon_id)
) STRICT, WITHOUT ROWID;

-- Which hosts take the mail of recipients' domains, as a JSON list, and when the DNS said
-- so. With asked_at 0 it is to be asked; what it said before stands until then.
CREATE TABLE mail_domain (
    domain   TEXT PRIMARY KEY,
    hosts    TEXT,
    asked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mail_domain_asked ON mail_domain (asked_at);
