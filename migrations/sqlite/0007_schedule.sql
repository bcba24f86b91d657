-- A million letters due in one hour: written, counted and found again without reading them all.

-- What is due stands by five minutes and then by id. By the instant, each new row landed in
-- another page of the index: three quarters of all that a schedule wrote were such pages.
-- The state comes last, so that what waits is counted by the index alone.
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (lane, (due_at / 300000000), id, due_at, state) WHERE state IN ('scheduled', 'retry');

-- SQLite takes a partial index for `state = 'handoff'` where the words stand in an OR, and
-- never where they stand in an IN: every look for what is under way read every delivery.
DROP INDEX delivery_live;
CREATE INDEX delivery_live ON delivery (state)
WHERE state = 'claimed' OR state = 'handoff' OR state = 'submitted' OR state = 'uncertain' OR state = 'held';

-- How many ended how, and how many were matched and left out, is counted without reading them.
CREATE INDEX delivery_final ON delivery (campaign, channel, state)
WHERE state IN ('accepted', 'rejected', 'skipped', 'cancelled');
CREATE INDEX membership_counted ON membership (campaign, run, left_out);
