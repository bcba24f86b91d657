-- Only what the shared SQL text needs to mean the same as on SQLite.
CREATE FUNCTION json_each(list TEXT) RETURNS TABLE (key BIGINT, value JSONB)
    LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 500
    AS 'SELECT ordinality - 1, value FROM jsonb_array_elements(list::jsonb) WITH ORDINALITY';

-- The house's first tables. Instants are microseconds since 1970 UTC, flags are 0 or 1,
-- JSON stands in TEXT. CHECK stands on delivery and attempt states only: other kinds grow.

-- The next free id: an incarnation of the database and a counter, see model::id.
CREATE TABLE id_source (
    one         BIGINT PRIMARY KEY CHECK (one = 1),
    incarnation BIGINT NOT NULL,
    next        BIGINT NOT NULL
);
INSERT INTO id_source (one, incarnation, next) VALUES (1, 1, 1);

-- People who work with the clients.
CREATE TABLE users (
    id        BIGINT PRIMARY KEY,
    name      TEXT NOT NULL,
    email     TEXT NOT NULL UNIQUE,
    phone     TEXT,
    title     TEXT,
    role      TEXT NOT NULL,
    language  TEXT NOT NULL,
    zone      TEXT NOT NULL,
    digest_at TEXT NOT NULL,
    active    BIGINT NOT NULL
);

-- Who was appointed or dismissed by whom; rows are only added.
CREATE TABLE appointment (
    id        BIGINT PRIMARY KEY,
    user_id   BIGINT NOT NULL REFERENCES users (id),
    act       TEXT NOT NULL,
    actor     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    successor BIGINT REFERENCES users (id),
    at        BIGINT NOT NULL
);

-- One import of clients; its rows are invisible until it is published.
CREATE TABLE batch (
    id           BIGINT PRIMARY KEY,
    file         TEXT NOT NULL,
    actor        TEXT NOT NULL,
    started_at   BIGINT NOT NULL,
    published_at BIGINT,
    created      BIGINT NOT NULL,
    updated      BIGINT NOT NULL,
    unchanged    BIGINT NOT NULL,
    refused      BIGINT NOT NULL
);

CREATE TABLE staged_row (
    batch_id BIGINT NOT NULL REFERENCES batch (id),
    line     BIGINT NOT NULL,
    client   TEXT NOT NULL,
    PRIMARY KEY (batch_id, line)
);

CREATE TABLE account (
    id          BIGINT PRIMARY KEY,
    name        TEXT NOT NULL,
    folded      TEXT NOT NULL,
    org_number  TEXT,
    country     TEXT,
    city        TEXT,
    tier        TEXT,
    person_type TEXT,
    owner_id    BIGINT REFERENCES users (id),
    batch_id    BIGINT REFERENCES batch (id)
);
CREATE UNIQUE INDEX account_org ON account (country, org_number) WHERE org_number IS NOT NULL;
CREATE INDEX account_folded ON account (folded);
CREATE INDEX account_owner ON account (owner_id);

-- Needs and tags of an account: kind is 'need' or 'tag'.
CREATE TABLE account_mark (
    account_id BIGINT NOT NULL REFERENCES account (id),
    kind       TEXT NOT NULL,
    mark       TEXT NOT NULL,
    PRIMARY KEY (account_id, kind, mark)
);

CREATE TABLE contact (
    id          BIGINT PRIMARY KEY,
    account_id  BIGINT NOT NULL REFERENCES account (id),
    external_id TEXT,
    name        TEXT NOT NULL,
    folded      TEXT NOT NULL,
    given_name  TEXT,
    title       TEXT,
    language    TEXT,
    zone        TEXT NOT NULL,
    zone_source TEXT NOT NULL,
    last_touch  BIGINT,
    batch_id    BIGINT REFERENCES batch (id)
);
CREATE INDEX contact_account ON contact (account_id);
CREATE INDEX contact_external ON contact (external_id) WHERE external_id IS NOT NULL;

-- Where a contact is reached: channel is email, fax or call; state valid or invalid.
CREATE TABLE contact_point (
    id         BIGINT PRIMARY KEY,
    contact_id BIGINT NOT NULL REFERENCES contact (id),
    channel    TEXT NOT NULL,
    address    TEXT NOT NULL,
    folded     TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT,
    UNIQUE (contact_id, channel, folded)
);
CREATE INDEX contact_point_folded ON contact_point (folded);

-- Rows are only added; a withdrawal sets withdrawn_at.
CREATE TABLE consent (
    id           BIGINT PRIMARY KEY,
    contact_id   BIGINT NOT NULL REFERENCES contact (id),
    channel      TEXT NOT NULL,
    basis        TEXT NOT NULL,
    evidence     TEXT NOT NULL,
    actor        TEXT NOT NULL,
    given_at     BIGINT NOT NULL,
    withdrawn_at BIGINT
);
CREATE INDEX consent_contact ON consent (contact_id, channel);

-- scope is contact, address or domain; lifting sets lifted_at, nothing is deleted.
CREATE TABLE suppression (
    id          BIGINT PRIMARY KEY,
    scope       TEXT NOT NULL,
    value       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    response_id BIGINT,
    actor       TEXT NOT NULL,
    at          BIGINT NOT NULL,
    lifted_at   BIGINT
);
CREATE UNIQUE INDEX suppression_live ON suppression (scope, value, reason) WHERE lifted_at IS NULL;

-- What delays without ending: scope is all, campaign, domain or contact.
CREATE TABLE pause (
    id       BIGINT PRIMARY KEY,
    scope    TEXT NOT NULL,
    value    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    actor    TEXT NOT NULL,
    at       BIGINT NOT NULL,
    until    BIGINT,
    ended_at BIGINT,
    ended_by TEXT
);
CREATE INDEX pause_live ON pause (scope, value) WHERE ended_at IS NULL;

-- One applied version of a campaign; it never changes.
CREATE TABLE revision (
    id         BIGINT PRIMARY KEY,
    campaign   TEXT NOT NULL,
    version    BIGINT NOT NULL,
    compiled   TEXT NOT NULL,
    source     TEXT NOT NULL,
    templates  TEXT NOT NULL,
    actor      TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    UNIQUE (campaign, version)
);

-- Template texts by their SHA-256.
CREATE TABLE content (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
);

-- The campaign as it stands: its running revision and, for a cron start, its last run.
CREATE TABLE campaign (
    id          TEXT PRIMARY KEY,
    revision_id BIGINT NOT NULL REFERENCES revision (id),
    next_run_at BIGINT
);

-- Each decision of an enrolment: who matched, who is left out and by which rule.
CREATE TABLE membership (
    campaign    TEXT NOT NULL,
    run         TEXT NOT NULL,
    contact_id  BIGINT NOT NULL REFERENCES contact (id),
    revision_id BIGINT NOT NULL REFERENCES revision (id),
    left_out    TEXT,
    facts       TEXT NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (campaign, run, contact_id)
);
CREATE INDEX membership_contact ON membership (contact_id);

-- One contact's run through a campaign. step is the step it waits for or is in;
-- delivery_id is that step's delivery, once there is one.
CREATE TABLE plan (
    id          BIGINT PRIMARY KEY,
    campaign    TEXT NOT NULL,
    run         TEXT NOT NULL,
    revision_id BIGINT NOT NULL REFERENCES revision (id),
    contact_id  BIGINT NOT NULL REFERENCES contact (id),
    account_id  BIGINT NOT NULL REFERENCES account (id),
    state       TEXT NOT NULL,
    step        TEXT,
    next_at     BIGINT,
    closes_at   BIGINT,
    delivery_id BIGINT,
    stop_reason TEXT,
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT,
    UNIQUE (campaign, run, contact_id)
);
CREATE INDEX plan_due ON plan (next_at) WHERE state = 'active' AND delivery_id IS NULL;
CREATE INDEX plan_waiting ON plan (delivery_id) WHERE state = 'active' AND delivery_id IS NOT NULL;
CREATE INDEX plan_contact ON plan (contact_id);
CREATE INDEX plan_account ON plan (account_id) WHERE state = 'active';

-- Anything we send. See model::delivery for the states.
CREATE TABLE delivery (
    id          BIGINT PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,
    purpose     TEXT NOT NULL,
    channel     TEXT NOT NULL,
    address     TEXT NOT NULL,
    folded      TEXT NOT NULL,
    domain      TEXT NOT NULL,
    contact_id  BIGINT REFERENCES contact (id),
    user_id     BIGINT REFERENCES users (id),
    plan_id     BIGINT REFERENCES plan (id),
    campaign    TEXT,
    step        TEXT,
    variant     TEXT,
    revision_id BIGINT REFERENCES revision (id),
    fallback    TEXT,
    needs_consent BIGINT NOT NULL,
    sender      TEXT NOT NULL,
    lane        TEXT NOT NULL,
    payload     TEXT,
    frozen      TEXT,
    sha256      TEXT,
    state       TEXT NOT NULL CHECK (state IN ('scheduled', 'claimed', 'handoff', 'submitted', 'accepted',
                                               'retry', 'rejected', 'uncertain', 'held', 'skipped', 'cancelled')),
    reason      TEXT,
    due_at      BIGINT NOT NULL,
    not_after   BIGINT,
    tries       BIGINT NOT NULL,
    claimed_by  BIGINT,
    gateway_id  TEXT,
    message_id  TEXT,
    outcome     TEXT,
    outcome_at  BIGINT,
    created_at  BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX delivery_due ON delivery (lane, due_at, id) WHERE state IN ('scheduled', 'retry');
CREATE INDEX delivery_live ON delivery (state) WHERE state IN ('claimed', 'handoff', 'submitted', 'uncertain', 'held');
CREATE INDEX delivery_contact ON delivery (contact_id);
CREATE INDEX delivery_plan ON delivery (plan_id);
CREATE INDEX delivery_message ON delivery (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX delivery_folded ON delivery (folded, created_at);
CREATE INDEX delivery_fallback ON delivery (id) WHERE fallback IS NOT NULL AND outcome = 'bounced';
CREATE INDEX delivery_gateway ON delivery (gateway_id) WHERE gateway_id IS NOT NULL;

-- One try: a row from the moment its body may leave.
CREATE TABLE attempt (
    id          BIGINT PRIMARY KEY,
    delivery_id BIGINT NOT NULL REFERENCES delivery (id),
    number      BIGINT NOT NULL,
    daemon_id   BIGINT NOT NULL,
    relay       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('handoff', 'submitted', 'accepted', 'retry', 'rejected', 'uncertain')),
    code        BIGINT,
    enhanced    TEXT,
    reply       TEXT,
    started_at  BIGINT NOT NULL,
    ended_at    BIGINT
);
CREATE INDEX attempt_delivery ON attempt (delivery_id);

-- What came back, read and tied. source_key makes reading a mailbox again harmless.
CREATE TABLE response (
    id          BIGINT PRIMARY KEY,
    source      TEXT NOT NULL,
    source_key  TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    delivery_id BIGINT REFERENCES delivery (id),
    plan_id     BIGINT REFERENCES plan (id),
    contact_id  BIGINT REFERENCES contact (id),
    recipient   TEXT,
    tie         TEXT,
    confidence  DOUBLE PRECISION NOT NULL,
    enhanced    TEXT,
    reason      TEXT,
    evidence    TEXT NOT NULL,
    new_text    TEXT,
    until       TEXT,
    raw_hash    TEXT,
    review      BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    logged_at   BIGINT NOT NULL
);
CREATE INDEX response_contact ON response (contact_id, received_at);
CREATE INDEX response_logged ON response (logged_at);

CREATE TABLE raw_mail (
    hash  TEXT PRIMARY KEY,
    bytes BYTEA NOT NULL
);

-- How far each mailbox has been read.
CREATE TABLE mailbox_cursor (
    mailbox TEXT PRIMARY KEY,
    cursor  TEXT NOT NULL,
    at      BIGINT NOT NULL
);

-- The timeline of a contact.
CREATE TABLE touchpoint (
    id          BIGINT PRIMARY KEY,
    contact_id  BIGINT NOT NULL REFERENCES contact (id),
    at          BIGINT NOT NULL,
    direction   TEXT NOT NULL,
    channel     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    summary     TEXT NOT NULL,
    delivery_id BIGINT,
    response_id BIGINT
);
CREATE INDEX touchpoint_contact ON touchpoint (contact_id, at);

-- What a person has to do.
CREATE TABLE task (
    id          BIGINT PRIMARY KEY,
    kind        TEXT NOT NULL,
    user_id     BIGINT REFERENCES users (id),
    contact_id  BIGINT REFERENCES contact (id),
    plan_id     BIGINT REFERENCES plan (id),
    response_id BIGINT REFERENCES response (id),
    note        TEXT NOT NULL,
    due_on      TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    done_at     BIGINT
);
CREATE INDEX task_open ON task (user_id, due_on) WHERE done_at IS NULL;
CREATE INDEX task_contact ON task (contact_id);

-- Every change of a row: what it was and what it became, as JSON.
CREATE TABLE change_log (
    id           BIGINT PRIMARY KEY,
    entity       TEXT NOT NULL,
    entity_id    TEXT NOT NULL,
    at           BIGINT NOT NULL,
    actor        TEXT NOT NULL,
    on_behalf_of BIGINT,
    mandate      TEXT,
    source       TEXT NOT NULL,
    batch_id     BIGINT,
    diff         TEXT NOT NULL
);
CREATE INDEX change_log_entity ON change_log (entity, entity_id);

-- Running daemons: the fence of their claims.
CREATE TABLE daemon (
    id         BIGINT PRIMARY KEY,
    started_at BIGINT NOT NULL,
    beat_at    BIGINT NOT NULL,
    ended_at   BIGINT
);
