-- Contacts who chose on a letter's page to get letters less often: at most one in so many
-- days, in every campaign. A row for each who did; by which letter's page, and when.
CREATE TABLE letter_gap (
    contact_id  BIGINT PRIMARY KEY REFERENCES contact (id),
    days        BIGINT NOT NULL,
    delivery_id BIGINT NOT NULL REFERENCES delivery (id),
    at          BIGINT NOT NULL
);
CREATE INDEX letter_gap_at ON letter_gap (at);
