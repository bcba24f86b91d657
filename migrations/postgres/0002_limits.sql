-- What has gone under a limit: one row a relay, sender, campaign, provider or recipient
-- domain that has one. See policy::throttle for the meaning of the columns.
CREATE TABLE limit_state (
    scope   TEXT PRIMARY KEY,
    full_at BIGINT NOT NULL,
    day     TEXT,
    today   BIGINT NOT NULL,
    days    BIGINT NOT NULL
);

-- Lanes say more than the relay now. Whose provider a domain is, only the program knows,
-- so what waits already goes to the provider that is none.
UPDATE delivery SET lane = lane || '/' || sender || '/' || COALESCE(campaign, '@' || purpose) || '/other'
WHERE lane LIKE 'email/%' AND lane NOT LIKE 'email/%/%'
  AND state IN ('scheduled', 'claimed', 'handoff', 'submitted', 'retry', 'uncertain', 'held');
UPDATE delivery SET lane = 'fax/' || sender || '/' || COALESCE(campaign, '@' || purpose)
WHERE lane = 'fax' AND state IN ('scheduled', 'claimed', 'handoff', 'submitted', 'retry', 'uncertain', 'held');
