//! Logs: readable lines on a terminal, fields in the journal.
