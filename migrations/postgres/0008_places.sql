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

-- Which hosts take the mail of a recipient's domain, as a JSON list; NULL while nobody has
-- asked the DNS. A host is no person's.
CREATE TABLE mail_domain (
    domain   TEXT PRIMARY KEY,
    hosts    TEXT,
    asked_at BIGINT NOT NULL
);
