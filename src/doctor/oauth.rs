//! Each login by OAuth: whether somebody has logged in, when the login falls asleep for
//! want of use, and when the program's own secret runs out. It asks nobody: that the
//! token is taken is seen where the relay and the mailbox are looked at.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

use super::{Check, Finding};
use crate::config::{Config, OAuth, OAuthFlow, OAuthProvider};
use crate::oauth::last_used;

/// The checks of every login in the configuration.
pub(super) fn examine(config: &Config, now: Timestamp) -> Vec<Check> {
    let relays = config.relays.iter().filter_map(|relay| relay.oauth.as_ref());
    let logins = relays.chain(config.mailboxes.iter().filter_map(|mailbox| mailbox.oauth.as_ref()));
    logins.flat_map(|login| examine_one(login, now)).collect()
}

fn examine_one(login: &OAuth, now: Timestamp) -> Vec<Check> {
    let mut checks = Vec::new();
    if login.flow != OAuthFlow::Application {
        let token = judge_token(login, last_used(&login.token_file), now);
        checks.push(token.of(format!("login {}", login.login)));
    }
    if login.client_secret.is_some() {
        checks.push(judge_secret(login.secret_expires, now).of(format!("secret of {}", login.login)));
    }
    checks
}

/// Days without use after which a provider forgets a refresh token.
/// Microsoft: "Refresh tokens in the Microsoft identity platform"; Google: "Using OAuth 2.0".
fn forgets_after_days(provider: OAuthProvider) -> Option<i64> {
    match provider {
        OAuthProvider::Microsoft => Some(90),
        OAuthProvider::Google => Some(180),
        OAuthProvider::Other => None,
    }
}

fn judge_token(login: &OAuth, used_at: Option<Timestamp>, now: Timestamp) -> Finding {
    let again = format!("run `outreachd login {}`", login.login);
    let Some(used_at) = used_at else { return Finding::failed("nobody has logged in yet", again) };
    let Some(days) = forgets_after_days(login.provider) else { return Finding::ok("somebody has logged in") };
    let left = days - days_between(used_at, now);
    let line = format!("last used {} ago", counted(days_between(used_at, now)));
    match left {
        ..=0 => Finding::failed(format!("{line}, and the provider forgets after {days}"), again),
        1..=30 => Finding::warning(
            format!("{line}; the provider forgets it in {}", counted(left)),
            format!("start the daemon, which uses it each hour, or {again}"),
        ),
        _ => Finding::ok(line),
    }
}

fn judge_secret(expires: Option<Date>, now: Timestamp) -> Finding {
    let Some(expires) = expires else {
        return Finding {
            advice: Some("write its last day down as `secret_expires` in `oauth`".to_owned()),
            ..Finding::skipped("nobody says when it runs out")
        };
    };
    let today = TimeZone::UTC.to_datetime(now).date();
    let left = i64::from(today.until((Unit::Day, expires)).map_or(0, |span| span.get_days()));
    let renew = "have a new one made at the provider, and put it where `client_secret` says";
    match left {
        ..=-1 => Finding::failed(format!("it ran out on {expires}"), renew),
        0..=1 => Finding::warning(format!("it runs out on {expires}"), format!("{renew}, today: then nothing is sent")),
        2..=7 => Finding::warning(format!("good for {}", counted(left)), format!("{renew}, this week")),
        8..=30 => Finding::warning(format!("good for {}", counted(left)), renew),
        _ => Finding::ok(format!("good for {}", counted(left))),
    }
}

fn days_between(earlier: Timestamp, later: Timestamp) -> i64 {
    later.duration_since(earlier).as_hours() / 24
}

fn counted(days: i64) -> String {
    if days == 1 { "1 day".to_owned() } else { format!("{days} days") }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use jiff::ToSpan;

    fn login(provider: OAuthProvider) -> OAuth {
        OAuth {
            login: "relay/main".into(),
            provider,
            flow: OAuthFlow::Device,
            client_id: "fyrljus".into(),
            client_secret: None,
            secret_expires: None,
            scope: "send".into(),
            token_url: "https://login.fyrljus.example/token".into(),
            device_url: None,
            authorize_url: None,
            token_file: "/nowhere".into(),
        }
    }

    fn now() -> Timestamp {
        "2027-03-01T09:00:00Z".parse().unwrap()
    }

    #[test]
    fn warns_thirty_and_seven_days_and_one_before_a_secret_runs_out() {
        let state = |left: i64| judge_secret(Some(jiff::civil::date(2027, 3, 1) + left.days()), now());
        assert_eq!(state(31), Finding::ok("good for 31 days"));
        assert_eq!((state(30).state, state(8).state), (State::Warning, State::Warning));
        assert!(state(7).advice.unwrap().ends_with("this week"));
        assert!(state(1).advice.unwrap().contains("today"));
        assert_eq!(state(-1).line, "it ran out on 2027-02-28");
        assert_eq!((state(-1).state, judge_secret(None, now()).state), (State::Failed, State::Skipped));
    }

    #[test]
    fn warns_before_a_provider_forgets_an_idle_login() {
        let used = |days: i64| Some(now() - (days * 24).hours());
        let microsoft = login(OAuthProvider::Microsoft);
        assert_eq!(judge_token(&microsoft, None, now()).advice.unwrap(), "run `outreachd login relay/main`");
        assert_eq!(judge_token(&microsoft, used(1), now()), Finding::ok("last used 1 day ago"));
        assert_eq!(judge_token(&microsoft, used(60), now()).state, State::Warning);
        assert_eq!(judge_token(&microsoft, used(90), now()).state, State::Failed);
        assert_eq!(judge_token(&login(OAuthProvider::Google), used(100), now()).state, State::Ok);
        assert_eq!(judge_token(&login(OAuthProvider::Other), used(999), now()).state, State::Ok);
    }
}
