-- Guard-rails, and what else is known of a letter whose answer was lost.

-- What the guard found of a campaign: a rate of its letters over a limit. sender is set
-- where all of one sender's campaigns together are over it; threshold is in hundred thousandths.
CREATE TABLE guard_finding (
    id        BIGINT PRIMARY KEY,
    campaign  TEXT NOT NULL,
    sender    TEXT,
    verdict   TEXT NOT NULL,
    rate      TEXT NOT NULL,
    count     BIGINT NOT NULL,
    letters   BIGINT NOT NULL,
    threshold BIGINT NOT NULL,
    at        BIGINT NOT NULL
);
CREATE INDEX guard_finding_campaign ON guard_finding (campaign, at);

-- The guard counts each campaign's letters of the last days; it looks at the bad ones first,
-- for mostly there are none.
CREATE INDEX delivery_ended ON delivery (campaign, finished_at, sender)
    WHERE purpose = 'campaign' AND channel = 'email' AND state IN ('accepted', 'rejected');
CREATE INDEX delivery_bad ON delivery (campaign, finished_at)
    WHERE purpose = 'campaign' AND channel = 'email' AND (outcome IN ('bounced', 'complained') OR state = 'rejected');
CREATE INDEX pause_ended ON pause (scope, value, ended_at) WHERE ended_at IS NOT NULL;

-- Where a letter under way was seen behind the relay's door; gone once its delivery has ended.
CREATE TABLE evidence (
    delivery_id BIGINT NOT NULL REFERENCES delivery (id),
    source      TEXT NOT NULL,
    words       TEXT NOT NULL,
    seen_at     BIGINT NOT NULL,
    PRIMARY KEY (delivery_id, source)
);
