//! Transactions over one connection, and what is known after each failure.
//!
//! ```text
//!            begin: 354            body: any final reply
//!   Ready ----------------> Open --------------------------> Ready
//!     |  refused                   \
//!     +---------> Stained (RSET goes before the next MAIL)
//!   any -- exchange under way, failed, timed out or dropped --> Lost
//! ```
//!
//! The state is `Lost` while an exchange is under way and set right only after its
//! last reply was read. So a future that is dropped halfway leaves a session that
//! nobody can use: the next reply would answer the question before, and a refusal
//! be written to the wrong client's record.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::transport::{Reply, Verdict};

use super::body::{DOT, Message};
use super::envelope::{Envelope, Step};
use super::offers::Offers;
use super::timers::Timers;
use super::wire::{Wire, WireError};

/// A relay that says goodbye slowly is not waited for.
const QUIT_LIMIT: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Stained,
    Open,
    Lost,
}

/// A connection to a relay, greeted and logged in.
///
/// One recipient a transaction, one transaction at a time. A cancelled or failed
/// exchange makes it unusable; see [`Session::is_usable`].
pub struct Session {
    wire: Wire,
    offers: Offers,
    timers: Timers,
    state: State,
    sent: usize,
    certificate: Option<CertificateDer<'static>>,
}

/// What one command's reply means.
enum Answer {
    Taken,
    Refused(Verdict),
    Nonsense(Verdict),
}

impl Session {
    pub(super) fn new(
        wire: Wire,
        offers: Offers,
        timers: Timers,
        certificate: Option<CertificateDer<'static>>,
    ) -> Self {
        Self { wire, offers, timers, state: State::Ready, sent: 0, certificate }
    }

    /// Opens a transaction: MAIL, RCPT and DATA, in one go where the relay offers
    /// PIPELINING. `Ok` means that the 354 was read and the relay waits for the message.
    ///
    /// # Errors
    /// `Retry`, `Rejected` or `NotSent`, never `Uncertain`: no byte of the message has left.
    pub async fn begin(&mut self, envelope: &Envelope<'_>) -> Result<(), Verdict> {
        let commands = envelope.commands(&self.offers)?;
        let stained = match self.state {
            State::Ready => false,
            State::Stained => true,
            State::Open | State::Lost => {
                return Err(Verdict::NotSent("the session cannot be used any more".to_owned()));
            }
        };
        self.state = State::Lost;
        if !self.wire.is_quiet().await {
            return Err(Verdict::NotSent("the relay closed the idle connection".to_owned()));
        }
        let reset = stained.then(|| (Step::Reset, "RSET\r\n".to_owned()));
        let commands: Vec<_> = reset.into_iter().chain(commands).collect();
        if self.offers.pipelining {
            let group: String = commands.iter().map(|(_, line)| line.as_str()).collect();
            let sent = self.wire.send(group.as_bytes(), self.timers.of_step(Step::Mail)).await;
            sent.map_err(|error| lost("MAIL", &error))?;
        }
        self.read_answers(&commands).await
    }

    /// Reads each command's reply, and sends it first where they were not sent together.
    /// The first refusal is the verdict; the replies behind it are read to stay in step.
    async fn read_answers(&mut self, commands: &[(Step, String)]) -> Result<(), Verdict> {
        let mut refusal = None;
        for (step, line) in commands {
            let read = if self.offers.pipelining {
                self.wire.read_reply(self.timers.of_step(*step)).await
            } else {
                self.wire.ask(line, self.timers.of_step(*step)).await
            };
            let answer = match read {
                Ok(reply) => judge(*step, reply),
                Err(error) => Answer::Nonsense(lost(step.name(), &error)),
            };
            match answer {
                // RFC 2920 3.1: a 354 without a recipient. Ending that needs a dot, and
                // a dot is what must not leave here; the connection is given up instead.
                Answer::Taken if *step == Step::Data && refusal.is_some() => break,
                Answer::Taken if *step == Step::Data => self.state = State::Open,
                Answer::Taken => {}
                Answer::Nonsense(verdict) => return Err(refusal.unwrap_or(verdict)),
                Answer::Refused(verdict) => {
                    refusal.get_or_insert(verdict);
                    if *step == Step::Data || !self.offers.pipelining {
                        self.state = State::Stained;
                        break;
                    }
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    /// Sends the message and the final dot, and waits for the answer.
    ///
    /// The dot goes out by itself, after everything before it was flushed and the
    /// relay was seen to be still there. So every failure up to the dot's own flush
    /// is `NotSent`, because a message without its end must be discarded (RFC 5321
    /// 4.1.1.10), and only a lost answer is `Uncertain`. A caller that drops this
    /// future must take the message for uncertain.
    pub async fn body(&mut self, message: &Message<'_>) -> Verdict {
        if self.state != State::Open {
            return Verdict::NotSent("no transaction is open".to_owned());
        }
        self.state = State::Lost;
        if let Err(verdict) = self.send_to_the_dot(message.stuffed()).await {
            return verdict;
        }
        match self.wire.read_reply(self.timers.dot).await {
            Ok(reply) => self.conclude(reply),
            Err(error) => Verdict::Uncertain(format!("the message left and no answer came: {error}")),
        }
    }

    async fn send_to_the_dot(&mut self, stuffed: &[u8]) -> Result<(), Verdict> {
        let lost = |error: WireError| Verdict::NotSent(format!("lost before the end of the message: {error}"));
        self.wire.send(stuffed, self.timers.block).await.map_err(lost)?;
        if !self.wire.is_quiet().await {
            return Err(Verdict::NotSent("the relay broke off before the end of the message".to_owned()));
        }
        self.wire.send(DOT, self.timers.block).await.map_err(lost)
    }

    fn conclude(&mut self, reply: Reply) -> Verdict {
        if reply.code != 421 {
            self.state = State::Ready;
        }
        match reply.code / 100 {
            2 => {
                self.sent += 1;
                Verdict::Accepted(reply)
            }
            4 => Verdict::Retry(reply),
            5 => Verdict::Rejected(reply),
            _ => {
                self.state = State::Lost;
                Verdict::Uncertain(format!("the message left and the answer makes no sense ({reply})"))
            }
        }
    }

    /// Closes without the dot, after a 354 whose handoff was refused. The relay
    /// must forget the transaction.
    pub fn abandon(self) {
        drop(self);
    }

    /// Whether [`Session::begin`] may be called (again).
    pub fn is_usable(&self) -> bool {
        matches!(self.state, State::Ready | State::Stained)
    }

    /// Messages accepted so far; the caller closes at the relay's `messages_per_session`.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// What the relay offered after the last EHLO.
    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    /// The relay's own certificate, in DER, where the connection is under TLS; it was verified.
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// Says goodbye, and closes.
    pub async fn quit(mut self) {
        if self.is_usable() {
            // Nothing depends on the answer, but a relay that reads QUIT logs no lost connection.
            let _goodbye = self.wire.ask("QUIT\r\n", self.timers.command.min(QUIT_LIMIT)).await;
        }
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Reset => "RSET",
            Self::Mail => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
        }
    }
}

/// What a reply to a command before the message means.
fn judge(step: Step, mut reply: Reply) -> Answer {
    if step == Step::Mail {
        reply.enhanced = reply.enhanced.filter(|enhanced| !enhanced.contains(".1."));
    }
    let expected = if step == Step::Data { reply.code == 354 } else { reply.is_success() };
    match reply.code {
        _ if expected => Answer::Taken,
        // RFC 5321 3.8: it closes, and the replies behind this one never come.
        421 => Answer::Nonsense(Verdict::Retry(reply)),
        400..=499 if step != Step::Reset => Answer::Refused(Verdict::Retry(reply)),
        500..=599 if step != Step::Reset => Answer::Refused(Verdict::Rejected(reply)),
        _ => Answer::Nonsense(Verdict::NotSent(format!("the relay answered {} with {reply}", step.name()))),
    }
}

fn lost(step: &str, error: &WireError) -> Verdict {
    Verdict::NotSent(format!("lost at {step}: {error}"))
}
