-- Contacts who chose on a letter's page to get letters less often: at most one in so many
-- days, in every campaign. A row for each who did; by which letter's page, and when.
CREATE TABLE letter_gap (
    contact_id  INTEGER PRIMARY KEY REFERENCES contact (id),
    days        INTEGER NOT NULL,
    delivery_id INTEGER NOT NULL REFERENCES delivery (id),
    at          INTEGER NOT NULL
) STRICT;
CREATE INDEX letter_gap_at ON letter_gap (at);
