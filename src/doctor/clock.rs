//! This machine's clock against another's: the database server's, else a web server's.
//!
//! Letters carry our Date, callbacks are believed for five minutes, and windows
//! open by this clock. The heartbeat itself is not called: it would say that all is well.

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use url::Url;

use crate::config::Config;
use crate::store::{Migration, Store};
use crate::transport::http::{HttpClient, parse_url};

use super::{Check, Finding, limits};

/// What a time server keeps a clock well within.
const FINE: SignedDuration = SignedDuration::from_secs(30);
/// From here on callbacks and logins by time are refused.
const BAD: SignedDuration = SignedDuration::from_mins(5);

/// Asks whoever of the configuration has a clock.
pub(super) async fn examine(config: &Config, now: Timestamp) -> Check {
    let theirs = match database_clock(config).await {
        Some(at) => Some((at, "the database's")),
        None => web_clock(config).await.map(|at| (at, "the web's")),
    };
    match theirs {
        Some((at, whose)) => judge(now, at, whose),
        None => Finding::skipped("nobody to compare it with: no database server, fax gateway or heartbeat answers"),
    }
    .of("clock")
}

async fn database_clock(config: &Config) -> Option<Timestamp> {
    let url = config.database.reveal_url().ok()?;
    if !url.expose_secret().starts_with("postgres") {
        return None;
    }
    let store = Store::open(url.expose_secret(), Migration::Refuse).await.ok()?;
    store.server_time().await.ok().flatten()
}

async fn web_clock(config: &Config) -> Option<Timestamp> {
    let gateway = config.fax.as_ref().map(|fax| fax.base_url.as_str());
    for text in gateway.into_iter().chain(config.daemon.heartbeat_url.as_deref()) {
        let Ok(url) = parse_url(text) else { continue };
        if let Some(at) = date_of(&origin(&url)).await {
            return Some(at);
        }
    }
    None
}

/// The root of a server: asking for it tells nobody anything, whatever it answers.
fn origin(url: &Url) -> Url {
    let mut origin = url.clone();
    origin.set_path("/");
    origin.set_query(None);
    origin.set_fragment(None);
    origin
}

async fn date_of(url: &Url) -> Option<Timestamp> {
    let answer = HttpClient::new(url, limits()).ok()?.get(url.clone()).await.ok()?;
    read_date(&answer.date?)
}

/// Reads the date of RFC 9110 5.6.7.
fn read_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|at| at.timestamp())
}

fn judge(ours: Timestamp, theirs: Timestamp, whose: &str) -> Finding {
    let ahead = ours.duration_since(theirs);
    let apart = ahead.abs();
    let side = if ahead.is_negative() { "behind" } else { "ahead of" };
    let line = format!("{} s {side} {whose} clock", apart.as_secs());
    let advice = "let a time service set it: `timedatectl set-ntp true`";
    match apart {
        apart if apart <= FINE => Finding::ok(line),
        apart if apart <= BAD => Finding::warning(line, advice),
        _ => Finding::failed(line, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn reads_the_date_of_a_web_server() {
        let at = read_date("Mon, 01 Mar 2027 07:30:00 GMT");
        assert_eq!(at, Some("2027-03-01T07:30:00Z".parse().unwrap()));
        assert_eq!(read_date("soon"), None);
    }

    #[test]
    fn judges_by_how_far_apart_the_clocks_are() {
        let theirs: Timestamp = "2027-03-01T07:30:00Z".parse().unwrap();
        let at = |seconds| judge(theirs + SignedDuration::from_secs(seconds), theirs, "the web's");
        assert_eq!(at(-30), Finding::ok("30 s behind the web's clock"));
        assert_eq!(at(31).state, State::Warning);
        assert_eq!(at(-301).state, State::Failed);
    }

    #[test]
    fn asks_the_heartbeats_server_without_beating() {
        let url = parse_url("https://watch.fyrljus.example/ping/abc?x=1").unwrap();
        assert_eq!(origin(&url).as_str(), "https://watch.fyrljus.example/");
    }
}
