//! The ledger: results and handoffs of all sessions, in as few commits as they allow.
//!
//! Whoever waits here is answered after its commit, never before. While one commit
//! is under way the next ones gather, so that one fsync serves as many mails as
//! there are sessions. If a result cannot be written it is kept and tried again,
//! and no new handoff is let through meanwhile. Once it is told to stop it does so
//! for a while only; what it then gives up, the next start finds as uncertain.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::act::Act;
use crate::model::id::{AttemptId, DaemonId};
use crate::store::{Finish, Handoff, Store, StoreError};

/// Requests that one commit takes at most.
const MOST: usize = 256;

/// The pause before a result that could not be written is tried again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// How long a stop waits for results that cannot be written. A full disk stays full, and
/// the service manager would end us sooner or later, without a word about what is lost.
const PATIENCE_AT_STOP: Duration = Duration::from_secs(20);

/// Why a body may not leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoHandoff {
    /// A rule forbids it; its name.
    Rule(String),
    /// The store could not write it.
    Store,
}

enum Request {
    Begin(Handoff, oneshot::Sender<Result<AttemptId, NoHandoff>>),
    Finish(Box<Finish>, oneshot::Sender<()>),
}

/// A result that was entered.
pub(super) struct Receipt(Option<oneshot::Receiver<()>>);

impl Receipt {
    /// Returns when the result is written, or given up at a stop.
    pub(super) async fn written(self) {
        if let Some(answer) = self.0 {
            // The writer answers or is gone with the process; then the restart finds a handoff.
            answer.await.unwrap_or(());
        }
    }
}

pub(super) struct Ledger {
    requests: mpsc::Sender<Request>,
    healthy: Arc<AtomicBool>,
    writer: JoinHandle<()>,
}

impl Ledger {
    pub(super) fn start(store: Store, clock: Clock, daemon: DaemonId, stop: CancellationToken) -> Self {
        let (requests, inbox) = mpsc::channel(MOST);
        let healthy = Arc::new(AtomicBool::new(true));
        let writer = Writer { store, clock, daemon, stop, healthy: Arc::clone(&healthy) };
        Self { requests, healthy, writer: tokio::spawn(writer.run(inbox)) }
    }

    /// Every result so far is written.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    /// Commits that a body is about to leave. Without its attempt none may.
    pub(super) async fn begin(&self, handoff: Handoff) -> Result<AttemptId, NoHandoff> {
        let (reply, answer) = oneshot::channel();
        if self.requests.send(Request::Begin(handoff, reply)).await.is_err() {
            return Err(NoHandoff::Store);
        }
        answer.await.unwrap_or(Err(NoHandoff::Store))
    }

    /// Enters a result. What is entered later is written with it or after it, so a session
    /// may begin its next letter at once: that handoff is never committed before this result.
    pub(super) async fn enter(&self, finish: Finish) -> Receipt {
        let (reply, answer) = oneshot::channel();
        let entered = self.requests.send(Request::Finish(Box::new(finish), reply)).await;
        Receipt(entered.ok().map(|()| answer))
    }

    /// Commits a result. Returns when it is written, or given up at a stop.
    pub(super) async fn finish(&self, finish: Finish) {
        self.enter(finish).await.written().await;
    }

    /// Takes nothing more and waits until all is written.
    pub(super) async fn close(self) {
        drop(self.requests);
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the ledger ended badly; a restart finds what it left as uncertain");
        }
    }
}

struct Writer {
    store: Store,
    clock: Clock,
    daemon: DaemonId,
    stop: CancellationToken,
    healthy: Arc<AtomicBool>,
}

impl Writer {
    async fn run(self, mut inbox: mpsc::Receiver<Request>) {
        let mut gathered = Vec::with_capacity(MOST);
        while inbox.recv_many(&mut gathered, MOST).await > 0 {
            listen(&mut inbox, &mut gathered).await;
            self.commit(&mut gathered).await;
        }
    }

    /// Writes all that is gathered, in one commit, and answers everyone.
    async fn commit(&self, gathered: &mut Vec<Request>) {
        let (mut handoffs, mut begun, mut results, mut finished) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for request in gathered.drain(..) {
            match request {
                Request::Begin(handoff, reply) => {
                    begun.push((handoff.delivery, reply));
                    handoffs.push(handoff);
                }
                Request::Finish(finish, reply) => {
                    results.push(*finish);
                    finished.push(reply);
                }
            }
        }
        let act = Act::stage("deliver", self.clock.now());
        match self.store.exchange(&act, self.daemon, &results, &handoffs).await {
            Ok(answer) => {
                for (delivery, reply) in begun {
                    let rule = || answer.refused.iter().find(|refused| refused.delivery == delivery);
                    let verdict = answer.begun.get(&delivery).copied();
                    let verdict = verdict.ok_or_else(|| {
                        rule().map_or(NoHandoff::Store, |refused| NoHandoff::Rule(refused.rule.clone()))
                    });
                    tell(reply, verdict);
                }
            }
            Err(error) => {
                for (_, reply) in begun {
                    tell(reply, Err(NoHandoff::Store));
                }
                self.insist(&results, error).await;
            }
        }
        for reply in finished {
            tell(reply, ());
        }
    }

    /// Tries results again until they are written: each is a mail that left. Without any,
    /// only a handoff failed, and its session says so by ending.
    async fn insist(&self, results: &[Finish], mut error: StoreError) {
        if results.is_empty() {
            tracing::error!("no handoff can be written, so nothing leaves: {error}");
            return;
        }
        let count = results.len();
        tracing::error!("{count} results are kept and tried again, and nothing leaves until they are written: {error}");
        self.healthy.store(false, Ordering::Release);
        let mut pause = FIRST_PAUSE;
        let mut patience = std::pin::pin!(async {
            self.stop.cancelled().await;
            tokio::time::sleep(PATIENCE_AT_STOP).await;
        });
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = &mut patience => return give_up(results, &error),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            let act = Act::stage("deliver", self.clock.now());
            match self.store.exchange(&act, self.daemon, results, &[]).await {
                Ok(_) => break,
                // The same again is no news.
                Err(again) if again.to_string() == error.to_string() => {}
                Err(other) => {
                    tracing::error!("{count} results still cannot be written: {other}");
                    error = other;
                }
            }
        }
        self.healthy.store(true, Ordering::Release);
        tracing::info!("{count} results that had waited are written");
    }
}

/// Lets all who have something to enter by now enter it. A commit costs nearly the same for one
/// letter and for many, and on a quick disk there would be one for each.
async fn listen(inbox: &mut mpsc::Receiver<Request>, gathered: &mut Vec<Request>) {
    loop {
        let before = gathered.len();
        tokio::task::yield_now().await;
        while gathered.len() < MOST
            && let Ok(request) = inbox.try_recv()
        {
            gathered.push(request);
        }
        if gathered.len() == before || gathered.len() >= MOST {
            return;
        }
    }
}

/// Says what is known and stands nowhere else, for whoever must decide about it.
fn give_up(results: &[Finish], error: &StoreError) {
    for Finish { delivery, state, code, .. } in results {
        let code = code.map(|code| format!(", {code}")).unwrap_or_default();
        tracing::error!(
            delivery.id = delivery.0,
            "delivery {delivery}: its result ({state:?}{code}) could not be written, the next start finds it uncertain: {error}"
        );
    }
}

/// Answers; an asker that has gone was cancelled, and its handoff is found at the restart.
fn tell<T>(reply: oneshot::Sender<T>, value: T) {
    drop(reply.send(value));
}
