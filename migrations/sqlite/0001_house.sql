-- The house's first tables. Instants are microseconds since 1970 UTC, flags are 0 or 1,
-- JSON stands in TEXT. CHECK stands on delivery and attempt states only: other kinds grow.

-- The next free id: an incarnation of the database and a counter, see model::id.
CREATE TABLE id_source (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    incarnation INTEGER NOT NULL,
    next        INTEGER NOT NULL
) STRICT;
INSERT INTO id_source (one, incarnation, next) VALUES (1, 1, 1);

-- People who work with the clients.
CREATE TABLE users (
    id        INTEGER PRIMARY KEY,
    name      TEXT NOT NULL,
    email     TEXT NOT NULL UNIQUE,
    phone     TEXT,
    title     TEXT,
    role      TEXT NOT NULL,
    language  TEXT NOT NULL,
    zone      TEXT NOT NULL,
    digest_at TEXT NOT NULL,
    active    INTEGER NOT NULL
) STRICT;

-- Who was appointed or dismissed by whom; rows are only added.
CREATE TABLE appointment (
    id        INTEGER PRIMARY KEY,
    user_id   INTEGER NOT NULL REFERENCES users (id),
    act       TEXT NOT NULL,
    actor     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    successor INTEGER REFERENCES users (id),
    at        INTEGER NOT NULL
) STRICT;

-- One import of clients; its rows are invisible until it is published.
CREATE TABLE batch (
    id           INTEGER PRIMARY KEY,
    file         TEXT NOT NULL,
    actor        TEXT NOT NULL,
    started_at   INTEGER NOT NULL,
    published_at INTEGER,
    created      INTEGER NOT NULL,
    updated      INTEGER NOT NULL,
    unchanged    INTEGER NOT NULL,
    refused      INTEGER NOT NULL
) STRICT;

CREATE TABLE staged_row (
    batch_id INTEGER NOT NULL REFERENCES batch (id),
    line     INTEGER NOT NULL,
    client   TEXT NOT NULL,
    PRIMARY KEY (batch_id, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    folded      TEXT NOT NULL,
    org_number  TEXT,
    country     TEXT,
    city        TEXT,
    tier        TEXT,
    person_type TEXT,
    owner_id    INTEGER REFERENCES users (id),
    batch_id    INTEGER REFERENCES batch (id)
) STRICT;
CREATE UNIQUE INDEX account_org ON account (country, org_number) WHERE org_number IS NOT NULL;
CREATE INDEX account_folded ON account (folded);
CREATE INDEX account_owner ON account (owner_id);

-- Needs and tags of an account: kind is 'need' or 'tag'.
CREATE TABLE account_mark (
    account_id INTEGER NOT NULL REFERENCES account (id),
    kind       TEXT NOT NULL,
    mark       TEXT NOT NULL,
    PRIMARY KEY (account_id, kind, mark)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (
    id          INTEGER PRIMARY KEY,
    account_id  INTEGER NOT NULL REFERENCES account (id),
    external_id TEXT,
    name        TEXT NOT NULL,
    folded      TEXT NOT NULL,
    given_name  TEXT,
    title       TEXT,
    language    TEXT,
    zone        TEXT NOT NULL,
    zone_source TEXT NOT NULL,
    last_touch  INTEGER,
    batch_id    INTEGER REFERENCES batch (id)
) STRICT;
CREATE INDEX contact_account ON contact (account_id);
CREATE INDEX contact_external ON contact (external_id) WHERE external_id IS NOT NULL;

-- Where a contact is reached: channel is email, fax or call; state valid or invalid.
CREATE TABLE contact_point (
    id         INTEGER PRIMARY KEY,
    contact_id INTEGER NOT NULL REFERENCES contact (id),
    channel    TEXT NOT NULL,
    address    TEXT NOT NULL,
    folded     TEXT NOT NULL,
    state      TEXT NOT NULL,
    reason     TEXT,
    UNIQUE (contact_id, channel, folded)
) STRICT;
CREATE INDEX contact_point_folded ON contact_point (folded);

-- Rows are only added; a withdrawal sets withdrawn_at.
CREATE TABLE consent (
    id           INTEGER PRIMARY KEY,
    contact_id   INTEGER NOT NULL REFERENCES contact (id),
    channel      TEXT NOT NULL,
    basis        TEXT NOT NULL,
    evidence     TEXT NOT NULL,
    actor        TEXT NOT NULL,
    given_at     INTEGER NOT NULL,
    withdrawn_at INTEGER
) STRICT;
CREATE INDEX consent_contact ON consent (contact_id, channel);

-- scope is contact, address or domain; lifting sets lifted_at, nothing is deleted.
CREATE TABLE suppression (
    id          INTEGER PRIMARY KEY,
    scope       TEXT NOT NULL,
    value       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    response_id INTEGER,
    actor       TEXT NOT NULL,
    at          INTEGER NOT NULL,
    lifted_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX suppression_live ON suppression (scope, value, reason) WHERE lifted_at IS NULL;

-- What delays without ending: scope is all, campaign, domain or contact.
CREATE TABLE pause (
    id       INTEGER PRIMARY KEY,
    scope    TEXT NOT NULL,
    value    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    actor    TEXT NOT NULL,
    at       INTEGER NOT NULL,
    until    INTEGER,
    ended_at INTEGER,
    ended_by TEXT
) STRICT;
CREATE INDEX pause_live ON pause (scope, value) WHERE ended_at IS NULL;

-- One applied version of a campaign; it never changes.
CREATE TABLE revision (
    id         INTEGER PRIMARY KEY,
    campaign   TEXT NOT NULL,
    version    INTEGER NOT NULL,
    compiled   TEXT NOT NULL,
    source     TEXT NOT NULL,
    templates  TEXT NOT NULL,
    actor      TEXT NOT NULL,
    applied_at INTEGER NOT NULL,
    UNIQUE (campaign, version)
) STRICT;

-- Template texts by their SHA-256.
CREATE TABLE content (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The campaign as it stands: its running revision and, for a cron start, its last run.
CREATE TABLE campaign (
    id          TEXT PRIMARY KEY,
    revision_id INTEGER NOT NULL REFERENCES revision (id),
    next_run_at INTEGER
) STRICT, WITHOUT ROWID;

-- Each decision of an enrolment: who matched, who is left out and by which rule.
CREATE TABLE membership (
    campaign    TEXT NOT NULL,
    run         TEXT NOT NULL,
    contact_id  INTEGER NOT NULL REFERENCES contact (id),
    revision_id INTEGER NOT NULL REFERENCES revision (id),
    left_out    TEXT,
    facts       TEXT NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (campaign, run, contact_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX membership_contact ON membership (contact_id);

-- One contact's run through a campaign. step is the step it waits for or is in;
-- delivery_id is that step's delivery, once there is one.
CREATE TABLE plan (
    id          INTEGER PRIMARY KEY,
    campaign    TEXT NOT NULL,
    run         TEXT NOT NULL,
    revision_id INTEGER NOT NULL REFERENCES revision (id),
    contact_id  INTEGER NOT NULL REFERENCES contact (id),
    account_id  INTEGER NOT NULL REFERENCES account (id),
    state       TEXT NOT NULL,
    step        TEXT,
    next_at     INTEGER,
    closes_at   INTEGER,
    delivery_id INTEGER,
    stop_reason TEXT,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER,
    UNIQUE (campaign, run, contact_id)
) STRICT;
CREATE INDEX plan_due ON plan (next_at) WHERE state = 'active' AND delivery_id IS NULL;
CREATE INDEX plan_waiting ON plan (delivery_id) WHERE state = 'active' AND delivery_id IS NOT NULL;
CREATE INDEX plan_contact ON plan (contact_id);
CREATE INDEX plan_account ON plan (account_id) WHERE state = 'active';

-- Anything we send. See model::delivery for the states.
CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,
    purpose     TEXT NOT NULL,
    channel     TEXT NOT NULL,
    address     TEXT NOT NULL,
    folded      TEXT NOT NULL,
    domain      TEXT NOT NULL,
    contact_id  INTEGER REFERENCES contact (id),
    user_id     INTEGER REFERENCES users (id),
    plan_id     INTEGER REFERENCES plan (id),
    campaign    TEXT,
    step        TEXT,
    variant     TEXT,
    revision_id INTEGER REFERENCES revision (id),
    fallback    TEXT,
    needs_consent INTEGER NOT NULL,
    sender      TEXT NOT NULL,
    lane        TEXT NOT NULL,
    payload     TEXT,
    frozen      TEXT,
    sha256      TEXT,
    state       TEXT NOT NULL CHECK (state IN ('scheduled', 'claimed', 'handoff', 'submitted', 'accepted',
                                               'retry', 'rejected', 'uncertain', 'held', 'skipped', 'cancelled')),
    reason      TEXT,
    due_at      INTEGER NOT NULL,
    not_after   INTEGER,
    tries       INTEGER NOT NULL,
    claimed_by  INTEGER,
    gateway_id  TEXT,
    message_id  TEXT,
    outcome     TEXT,
    outcome_at  INTEGER,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;
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
    id          INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL REFERENCES delivery (id),
    number      INTEGER NOT NULL,
    daemon_id   INTEGER NOT NULL,
    relay       TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('handoff', 'submitted', 'accepted', 'retry', 'rejected', 'uncertain')),
    code        INTEGER,
    enhanced    TEXT,
    reply       TEXT,
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER
) STRICT;
CREATE INDEX attempt_delivery ON attempt (delivery_id);

-- What came back, read and tied. source_key makes reading a mailbox again harmless.
CREATE TABLE response (
    id          INTEGER PRIMARY KEY,
    source      TEXT NOT NULL,
    source_key  TEXT NOT NULL UNIQUE,
    kind        TEXT NOT NULL,
    delivery_id INTEGER REFERENCES delivery (id),
    plan_id     INTEGER REFERENCES plan (id),
    contact_id  INTEGER REFERENCES contact (id),
    recipient   TEXT,
    tie         TEXT,
    confidence  REAL NOT NULL,
    enhanced    TEXT,
    reason      TEXT,
    evidence    TEXT NOT NULL,
    new_text    TEXT,
    until       TEXT,
    raw_hash    TEXT,
    review      INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    logged_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX response_contact ON response (contact_id, received_at);
CREATE INDEX response_logged ON response (logged_at);

CREATE TABLE raw_mail (
    hash  TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- How far each mailbox has been read.
CREATE TABLE mailbox_cursor (
    mailbox TEXT PRIMARY KEY,
    cursor  TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The timeline of a contact.
CREATE TABLE touchpoint (
    id          INTEGER PRIMARY KEY,
    contact_id  INTEGER NOT NULL REFERENCES contact (id),
    at          INTEGER NOT NULL,
    direction   TEXT NOT NULL,
    channel     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    summary     TEXT NOT NULL,
    delivery_id INTEGER,
    response_id INTEGER
) STRICT;
CREATE INDEX touchpoint_contact ON touchpoint (contact_id, at);

-- What a person has to do.
CREATE TABLE task (
    id          INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL,
    user_id     INTEGER REFERENCES users (id),
    contact_id  INTEGER REFERENCES contact (id),
    plan_id     INTEGER REFERENCES plan (id),
    response_id INTEGER REFERENCES response (id),
    note        TEXT NOT NULL,
    due_on      TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    done_at     INTEGER
) STRICT;
CREATE INDEX task_open ON task (user_id, due_on) WHERE done_at IS NULL;
CREATE INDEX task_contact ON task (contact_id);

-- Every change of a row: what it was and what it became, as JSON.
CREATE TABLE change_log (
    id           INTEGER PRIMARY KEY,
    entity       TEXT NOT NULL,
    entity_id    TEXT NOT NULL,
    at           INTEGER NOT NULL,
    actor        TEXT NOT NULL,
    on_behalf_of INTEGER,
    mandate      TEXT,
    source       TEXT NOT NULL,
    batch_id     INTEGER,
    diff         TEXT NOT NULL
) STRICT;
CREATE INDEX change_log_entity ON change_log (entity, entity_id);

-- Running daemons: the fence of their claims.
CREATE TABLE daemon (
    id         INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    beat_at    INTEGER NOT NULL,
    ended_at   INTEGER
) STRICT;
