//! What is wrong with relay, mailbox, gateway, names, clock, disk and database, and what to do.
