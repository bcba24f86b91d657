//! From what comes back to the client's record: parse, classify, correlate, apply.
//!
//! [`Respond`] reads one mailbox. Each mail goes through [`read`] (bytes to
//! findings), [`tie`] (which delivery caused it) and [`apply`] (what it changes);
//! the response, all its consequences and the mailbox's cursor are one transaction
//! of the store. It sends nothing and changes nothing in the mailbox; `digest`
//! tells the managers.

mod answer;
pub mod apply;
pub mod facts;
mod intake;
pub mod opt_out;
pub mod read;
pub mod tie;
mod words;

use jiff::{Timestamp, ToSpan};

use crate::config::{self, Config};
use crate::inbox::{Inbox, InboxError, RawMail};
use crate::model::act::{Act, Source as ActSource};
use crate::model::token::TokenKeys;
use crate::model::turn::Turn;
use crate::store::{LoggedResponse, Store, StoreError};

use intake::Intake;

/// Mails that are taken in one turn.
const BATCH: usize = 50;
/// Seconds after the first failure; they double up to [`LONGEST_WAIT_S`].
const FIRST_WAIT_S: i64 = 15;
/// The longest pause between two tries, in seconds.
const LONGEST_WAIT_S: i64 = 15 * 60;
/// Tries at logging one mail before it is kept unread.
const TRIES: u32 = 3;

/// Why a turn failed; the mailbox is read again later, from where it was.
#[derive(Debug, thiserror::Error)]
pub enum RespondError {
    /// The mailbox cannot be read.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// The store could not do it.
    #[error("cannot log responses of mailbox `{mailbox}`: {source}")]
    Store {
        /// The mailbox.
        mailbox: String,
        /// Why.
        source: StoreError,
    },
}

/// Where a mailbox's mails come from.
pub enum Source {
    /// A section of the configuration: opened at the first turn and after an error.
    Configured(Box<config::Mailbox>),
    /// A mailbox that is open already, in memory or in a test. It asks for no turn
    /// of its own: whoever puts mail in gives the signal.
    Open(Inbox),
}

/// One mailbox that is read.
pub struct Respond {
    mailbox: String,
    /// What to open again after an error.
    section: Option<Box<config::Mailbox>>,
    inbox: Option<Inbox>,
    failures: u32,
    retry_at: Option<Timestamp>,
    /// Why the last try failed, if it did.
    trouble: Option<String>,
    /// The mail that failed last, and how often.
    stuck: Option<(String, u32)>,
}

impl Respond {
    /// A reader of the mailbox `mailbox_id`, which names its cursor in the store.
    pub fn new(mailbox_id: &str, source: Source) -> Self {
        let (section, inbox) = match source {
            Source::Configured(section) => (Some(section), None),
            Source::Open(inbox) => (None, Some(inbox)),
        };
        Self { mailbox: mailbox_id.to_owned(), section, inbox, failures: 0, retry_at: None, trouble: None, stuck: None }
    }

    /// Takes in the next mails. After an error the following turns do nothing until
    /// the pause that `next_at` names is over.
    ///
    /// # Errors
    /// The mailbox or the store cannot be reached; what was logged stays, the rest
    /// comes again.
    pub async fn turn(
        &mut self,
        store: &Store,
        config: &Config,
        keys: &TokenKeys,
        now: Timestamp,
    ) -> Result<Turn, RespondError> {
        if self.retry_at.is_some_and(|at| now < at) {
            return Ok(Turn { done: 0, next_at: self.retry_at });
        }
        let mailbox = self.mailbox.clone();
        let intake = Intake { store, config, keys, mailbox: &mailbox, now };
        let taken = self.take_batch(&intake).await;
        match &taken {
            Ok(_) => (self.failures, self.retry_at, self.trouble) = (0, None, None),
            Err(error) => self.back_off(error, now),
        }
        let poll_s = self.section.as_ref().map(|section| i64::try_from(section.poll_s).unwrap_or(i64::MAX));
        let next_at = poll_s.map(|seconds| now.checked_add(seconds.min(86_400).seconds()).unwrap_or(now));
        taken.map(|done| Turn { done, next_at })
    }

    /// Why the last try failed; nothing if it did not.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Fetches and logs one batch; says how many mails it was.
    async fn take_batch(&mut self, intake: &Intake<'_>) -> Result<usize, RespondError> {
        let mails = self.fetch(intake.store).await?;
        for mail in &mails {
            self.log(intake, mail).await.map_err(|source| self.store_error(source))?;
        }
        Ok(mails.len())
    }

    async fn fetch(&mut self, store: &Store) -> Result<Vec<RawMail>, RespondError> {
        let cursor = store.mailbox_cursor(&self.mailbox).await.map_err(|source| self.store_error(source))?;
        let inbox = match (&mut self.inbox, &self.section) {
            (Some(inbox), _) => inbox,
            (empty, Some(section)) => empty.insert(Inbox::open(section).await?),
            (None, None) => return Ok(vec![]),
        };
        Ok(inbox.fetch(cursor.as_deref(), BATCH).await?)
    }

    /// Logs one mail and moves the cursor behind it. A mail that fails again and
    /// again, while the store takes others, is kept as it is.
    async fn log(&mut self, intake: &Intake<'_>, mail: &RawMail) -> Result<(), StoreError> {
        let failed = match self.log_read(intake, mail).await {
            Ok(()) => {
                self.stuck = None;
                return Ok(());
            }
            Err(error) => error,
        };
        let tries = 1 + self.stuck.as_ref().filter(|(key, _)| *key == mail.key).map_or(0, |(_, tries)| *tries);
        self.stuck = Some((mail.key.clone(), tries));
        if tries < TRIES {
            return Err(failed);
        }
        tracing::error!(mailbox = %self.mailbox, key = %mail.key, error = %failed, "a mail cannot be logged and is kept for review");
        let kept = intake.keep(mail, "it could not be logged").await?;
        self.write(intake, mail, &[kept]).await?;
        self.stuck = None;
        Ok(())
    }

    async fn log_read(&self, intake: &Intake<'_>, mail: &RawMail) -> Result<(), StoreError> {
        let responses = intake.take(mail).await?;
        self.write(intake, mail, &responses).await
    }

    async fn write(&self, intake: &Intake<'_>, mail: &RawMail, responses: &[LoggedResponse]) -> Result<(), StoreError> {
        let act = Act::stage("respond", intake.now).via(ActSource::Mail);
        let news = intake.store.log_responses(&act, Some((&self.mailbox, &mail.cursor)), responses).await?;
        for response in responses.iter().zip(news).filter_map(|(response, new)| new.then_some(response)) {
            let (kind, tie) = (response.kind.name(), response.tie.as_deref().unwrap_or("nothing"));
            tracing::info!(mailbox = %self.mailbox, response.id = %response.id, kind, tie, review = response.review, "response logged");
        }
        Ok(())
    }

    fn store_error(&self, source: StoreError) -> RespondError {
        RespondError::Store { mailbox: self.mailbox.clone(), source }
    }

    /// Waits before the next try, each time twice as long; a broken connection is opened anew.
    fn back_off(&mut self, error: &RespondError, now: Timestamp) {
        if matches!(error, RespondError::Inbox(_)) && self.section.is_some() {
            self.inbox = None;
        }
        let wait = FIRST_WAIT_S.saturating_mul(1 << self.failures.min(10)).min(LONGEST_WAIT_S);
        self.failures += 1;
        self.trouble = Some(error.to_string());
        self.retry_at = now.checked_add(wait.seconds()).ok();
    }
}
