-- Attachments and pictures of letters by their SHA-256; which of them a revision has,
-- its template `files.json` says. They are the sender's own: nothing personal.
CREATE TABLE file (
    hash  TEXT PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
