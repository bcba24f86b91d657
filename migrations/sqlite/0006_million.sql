-- A million contacts: what is asked for often is found without looking at all the rest.

-- Campaign by campaign, so that a million plans of a paused one are not looked through; by
-- the hour and then by id, so that those of neighbours stand in the same pages.
DROP INDEX plan_due;
CREATE INDEX plan_due ON plan (campaign, (next_at / 3600000000), id, next_at) WHERE state = 'active' AND delivery_id IS NULL;

-- A plan waits for this delivery; schedule finds those that have ended since by the index.
ALTER TABLE delivery ADD COLUMN awaited INTEGER NOT NULL DEFAULT 0;
UPDATE delivery SET awaited = 1
WHERE id IN (SELECT delivery_id FROM plan WHERE state = 'active' AND delivery_id IS NOT NULL);
CREATE INDEX delivery_awaited ON delivery (id) WHERE awaited = 1 AND state IN ('accepted', 'rejected', 'skipped', 'cancelled');

-- A contact by its id elsewhere, or by its whole name.
CREATE INDEX contact_external_folded ON contact (LOWER(external_id)) WHERE external_id IS NOT NULL;
CREATE INDEX contact_folded ON contact (folded);

-- The last digest of a user; most deliveries are a client's.
CREATE INDEX delivery_user ON delivery (user_id, due_at) WHERE user_id IS NOT NULL;

-- How many plans stand where is counted without reading them. The campaign comes last: first,
-- it would draw to this index what asks for a campaign's active plans by their hour.
CREATE INDEX plan_counted ON plan (run, revision_id, state, stop_reason, campaign);
