-- Which daemon holds how many places for sessions under a limit. They last as long as
-- their daemon: until it ends, or until others find that its lease has run out.
CREATE TABLE session_place (
    scope     TEXT NOT NULL,
    daemon_id BIGINT NOT NULL,
    held      BIGINT NOT NULL,
    wanted    BIGINT NOT NULL,
    most      BIGINT NOT NULL,
    PRIMARY KEY (scope, daemon_id)
);

-- Which hosts take the mail of recipients' domains, as a JSON list, and when the DNS said
-- so. With asked_at 0 it is to be asked; what it said before stands until then.
CREATE TABLE mail_domain (
    domain   TEXT PRIMARY KEY,
    hosts    TEXT,
    asked_at BIGINT NOT NULL
);
CREATE INDEX mail_domain_asked ON mail_domain (asked_at);
