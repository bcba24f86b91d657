//! Whose hosts take the mail of recipients' domains: asks the DNS beside everything else.
//!
//! Who chooses a lane notes the domains that nobody knows of yet ([`crate::config::Heard`]).
//! Here they are looked up, some at a time, and kept in the database for days; what waits
//! for such a domain moves to the lane of its provider. Nothing waits for an answer: until
//! there is one, and where there is none, a domain stands for itself.
//!
//! Only a `[[provider]]` with `mx` or `preset` makes anybody ask.

use futures_util::stream::{self, StreamExt};
use jiff::{Timestamp, ToSpan};

use crate::config::{Config, Heard};
use crate::dns::Names;
use crate::model::id::DaemonId;
use crate::model::lane::OTHER;
use crate::model::turn::Turn;
use crate::store::{Hold, MailDomain, Store, StoreError};

/// How long an answer of the DNS holds, in hours.
const HOLDS_HOURS: i64 = 3 * 24;

/// When what nobody wants any more is dropped, in hours.
const KEPT_HOURS: i64 = 30 * 24;

/// Domains that are looked up in one turn.
const MOST: i64 = 100;

/// Questions at a time.
const AT_A_TIME: usize = 8;

/// The pause after a turn that found nothing, and after the DNS did not answer.
const PAUSE_SECONDS: i64 = 60;

/// How far back to look for what other daemons have heard.
const OVERLAP_MINUTES: i64 = 10;

/// The lease of the one daemon that asks.
const LEASE: &str = "mx";

/// The stage.
#[derive(Debug)]
pub struct Exchangers {
    names: Names,
    /// Since when what was heard elsewhere has been read; none before the first turn.
    read_until: Option<Timestamp>,
    /// The last domain that was asked for: one without an answer stands before no other.
    after: String,
    /// The day, since 1970, on which old answers were dropped.
    tidied: Option<i64>,
}

impl Exchangers {
    /// The stage, with the resolver of the configuration.
    pub fn new(config: &Config) -> Self {
        Self { names: Names::of(config.daemon.resolver), read_until: None, after: String::new(), tidied: None }
    }

    /// One turn: notes what is wanted, reads what others have heard, and asks for some.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn turn(
        &mut self,
        store: &Store,
        config: &Config,
        daemon: DaemonId,
        now: Timestamp,
    ) -> Result<Turn, StoreError> {
        if !config.pace.providers.has_hosts() {
            return Ok(Turn { done: 0, next_at: None });
        }
        let fresh_from = before(now, HOLDS_HOURS * 60);
        let wanted = config.pace.heard.take_wanted(fresh_from);
        if !wanted.is_empty() {
            store.want_mail_domains(&wanted, fresh_from).await?;
        }
        let read_from = self.read_until.map_or(fresh_from, |until| before(until, OVERLAP_MINUTES));
        let mut heard = store.mail_domains(read_from).await?;
        let mut asked = 0;
        if store.hold_lease(LEASE, daemon, now).await? != Hold::Elsewhere {
            let today = now.as_second() / (24 * 3600);
            if self.tidied.replace(today) != Some(today) {
                store.forget_mail_domains(before(now, KEPT_HOURS * 60)).await?;
            }
            let wanted = store.wanted_mail_domains(&self.after, MOST).await?;
            let is_full = i64::try_from(wanted.len()).is_ok_and(|count| count >= MOST);
            self.after = wanted.last().filter(|_| is_full).cloned().unwrap_or_default();
            let answers = self.ask(wanted, now).await;
            asked = answers.len();
            if !answers.is_empty() {
                store.keep_mail_domains(&answers).await?;
            }
            heard.extend(answers);
        }
        self.read_until = Some(now);
        let news = learn(&config.pace.heard, config, &heard);
        if !news.is_empty() {
            let moved = store.move_to_providers(&news).await?;
            tracing::info!(
                domains = news.len(),
                moved,
                "{} domains are known by their MX, {moved} letters move",
                news.len()
            );
        }
        Ok(Turn { done: asked, next_at: now.checked_add(PAUSE_SECONDS.seconds()).ok() })
    }

    /// What the DNS says of `domains`, as far as it answers.
    async fn ask(&self, domains: Vec<String>, asked_at: Timestamp) -> Vec<MailDomain> {
        let questions = domains.into_iter().map(|domain| async move {
            let hosts = self.names.first_mx(&domain).await.ok()?;
            Some(MailDomain { domain, hosts, asked_at })
        });
        stream::iter(questions).buffer_unordered(AT_A_TIME).filter_map(std::future::ready).collect().await
    }
}

/// Learns what was heard; the domains whose provider is news, and that provider.
fn learn(heard: &Heard, config: &Config, found: &[MailDomain]) -> Vec<(String, String)> {
    let providers = &config.pace.providers;
    let news = found.iter().filter_map(|one| {
        let id = heard.learn(providers, &one.domain, &one.hosts, one.asked_at)?;
        // What the configuration names goes by that.
        (providers.of(&one.domain) == OTHER).then(|| (one.domain.clone(), id))
    });
    news.collect()
}

fn before(now: Timestamp, minutes: i64) -> Timestamp {
    now.checked_sub(minutes.minutes()).unwrap_or(now)
}
