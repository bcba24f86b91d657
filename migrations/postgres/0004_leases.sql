-- Several daemons on one database.

-- The one clock by which they judge one another.
CREATE FUNCTION database_micros() RETURNS BIGINT LANGUAGE sql VOLATILE
    AS 'SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)';

-- Until when a daemon is believed to live, by that clock, unless it says so again.
ALTER TABLE daemon ADD COLUMN lease_until BIGINT;
UPDATE daemon SET lease_until = database_micros() + 15 * 60 * 1000000 WHERE ended_at IS NULL;

-- What one daemon does at a time. A lease ends with its daemon.
CREATE TABLE named_lease (
    name      TEXT PRIMARY KEY,
    daemon_id BIGINT NOT NULL,
    taken_at  BIGINT NOT NULL
);

-- Daemons hear of rows that others wrote. Not of each result: a notification serialises
-- commits, so that daemons tell one another of those themselves, once a second.
CREATE FUNCTION tell_daemons() RETURNS TRIGGER LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_notify(''outreachd'', ''''); RETURN NULL; END';
CREATE TRIGGER tell_daemons AFTER INSERT OR UPDATE ON plan FOR EACH STATEMENT EXECUTE FUNCTION tell_daemons();
CREATE TRIGGER tell_daemons AFTER INSERT OR UPDATE ON pause FOR EACH STATEMENT EXECUTE FUNCTION tell_daemons();
CREATE TRIGGER tell_daemons AFTER INSERT OR UPDATE ON campaign FOR EACH STATEMENT EXECUTE FUNCTION tell_daemons();
CREATE TRIGGER tell_daemons AFTER INSERT OR UPDATE ON users FOR EACH STATEMENT EXECUTE FUNCTION tell_daemons();
CREATE TRIGGER tell_daemons AFTER INSERT ON delivery FOR EACH STATEMENT EXECUTE FUNCTION tell_daemons();
CREATE TRIGGER tell_daemons_again AFTER UPDATE OF state ON delivery FOR EACH ROW
    WHEN (NEW.state IN ('scheduled', 'retry') AND OLD.state IN ('uncertain', 'held', 'rejected')) EXECUTE FUNCTION tell_daemons();
CREATE TRIGGER tell_daemons AFTER UPDATE OF ended_at ON daemon FOR EACH ROW
    WHEN (NEW.ended_at IS NOT NULL) EXECUTE FUNCTION tell_daemons();
