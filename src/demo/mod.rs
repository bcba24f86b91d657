//! An invented company on this machine only: mail server, fax gateway and clients that answer.

pub mod fax_gateway;
pub mod mail_server;
