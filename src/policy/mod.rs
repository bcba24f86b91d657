//! Rules that decide, without touching anything: windows, holidays, law, caps,
//! lateness, retries.
//!
//! Every function is pure; time and chance are parameters. What a rule decides
//! goes back to the stage that asked, which writes it down with the rule's name.

pub mod authority;
pub mod bounce;
pub mod calendar;
pub mod choice;
pub mod cron;
pub mod digest;
pub mod enrolment;
pub mod fax_retry;
pub mod guard;
pub mod holiday;
pub mod holidays;
pub mod late;
pub mod law;
pub mod local;
pub mod places;
pub mod providers;
pub mod resolve;
pub mod retry;
pub mod suppress;
pub mod throttle;
pub mod wait;
pub mod window;
pub mod zone;
