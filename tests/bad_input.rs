//! Bad input, by the real program: one clear line that says what to do, exit code 1, and
//! nothing lost or half done.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

#[path = "bad_input/databases.rs"]
mod databases;
#[path = "bad_input/files.rs"]
mod files;
#[path = "bad_input/relays.rs"]
mod relays;

use support::daemon::Site;

/// The one line that a refused command prints, without the program's name.
async fn one_line(site: &Site, args: &[&str]) -> String {
    let said = site.refused(args).await;
    assert_eq!(said.len(), 1, "one clear line: {said:?}");
    said[0].strip_prefix("outreachd: ").expect("the program names itself").to_owned()
}
