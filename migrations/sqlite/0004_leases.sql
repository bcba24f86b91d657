-- Leases are for several daemons on one PostgreSQL. Here one daemon runs, under a lock of
-- the operating system: what stands here stays empty.

ALTER TABLE daemon ADD COLUMN lease_until INTEGER;

CREATE TABLE named_lease (
    name      TEXT PRIMARY KEY,
    daemon_id INTEGER NOT NULL,
    taken_at  INTEGER NOT NULL
) STRICT;
