//! A small mail server on 127.0.0.1 that keeps what it gets and answers by a script.
//!
//! The demo and the tests send to it; it sends nothing on. A script sees each
//! stage of each transaction and says what happens: accepted, refused, stalled
//! or cut off at the worst moment. It must not be reachable from elsewhere.

mod conversation;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use conversation::Conversation;

/// Where in a session the script is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before the 220.
    Greeting,
    /// MAIL FROM came.
    Mail,
    /// RCPT TO came.
    Recipient,
    /// DATA came: before the 354.
    Data,
    /// The first line of the message came.
    Body,
    /// The final dot came: before the 250.
    Dot,
}

/// What is known when the script is asked.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Where in the session.
    pub stage: Stage,
    /// The session's number, from 1.
    pub session: u64,
    /// The return path, empty before MAIL.
    pub from: &'a str,
    /// The (last) recipient, empty before RCPT.
    pub to: &'a str,
    /// How often this recipient was named before, for greylisting.
    pub named_before: usize,
    /// The message as far as it came.
    pub message: &'a [u8],
}

/// What the server does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The usual: 250, 354, or 250 with a queue id.
    Accept,
    /// This reply, such as `550 5.1.1 no such user`, with `\n` between its lines. It
    /// says no: the command has no effect. A 421, and any at the greeting, closes too.
    Reply(String),
    /// Nothing, until the other side gives up.
    Stall,
    /// The connection is closed without a word.
    Drop,
    /// At the dot: the message is kept, then the connection closed before the 250.
    KeepAndDrop,
}

impl Answer {
    /// Try again later, as a greylist says it.
    pub fn greylisted() -> Self {
        Self::Reply("451 4.7.1 greylisted, try again later".to_owned())
    }

    /// The address does not exist.
    pub fn no_such_user() -> Self {
        Self::Reply("550 5.1.1 no such user here".to_owned())
    }

    /// Refused by policy.
    pub fn policy() -> Self {
        Self::Reply("554 5.7.1 refused by policy".to_owned())
    }
}

/// How the server protects its connections.
#[derive(Clone, Default)]
pub enum Protection {
    /// Not at all.
    #[default]
    None,
    /// It offers STARTTLS, and logins only after it.
    Starttls(Arc<ServerConfig>),
    /// TLS from the first byte.
    Implicit(Arc<ServerConfig>),
}

/// What the server offers.
#[derive(Clone)]
pub struct Options {
    /// How connections are protected.
    pub protection: Protection,
    /// Whether commands may come in groups; where not, a group is cut off.
    pub pipelining: bool,
    /// Whether DSN parameters are taken.
    pub dsn: bool,
    /// Whether addresses beyond ASCII are taken.
    pub smtputf8: bool,
    /// The size it advertises.
    pub max_size_bytes: Option<usize>,
    /// Name and password (or bearer token) it demands before MAIL.
    pub login: Option<(String, String)>,
    /// The ways to log in that it advertises.
    pub mechanisms: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            protection: Protection::None,
            pipelining: true,
            dsn: true,
            smtputf8: false,
            max_size_bytes: None,
            login: None,
            mechanisms: "PLAIN LOGIN",
        }
    }
}

/// A message that came whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The id that the 250 named (or would have named).
    pub queue_id: String,
    /// The session it came in, from 1.
    pub session: u64,
    /// The return path.
    pub from: String,
    /// The parameters behind it.
    pub from_parameters: String,
    /// The recipients.
    pub to: Vec<String>,
    /// The parameters behind the last one.
    pub to_parameters: String,
    /// Whether MAIL, RCPT and DATA came in one group.
    pub pipelined: bool,
    /// Whether it came under TLS.
    pub tls: bool,
    /// The message, unstuffed.
    pub message: Vec<u8>,
}

type Script = dyn Fn(&Facts<'_>) -> Answer + Send + Sync;

/// What all conversations of a server share.
struct Shared {
    script: Box<Script>,
    options: Options,
    book: Mutex<Book>,
    arrived: watch::Sender<usize>,
}

#[derive(Default)]
struct Book {
    received: Vec<Arc<Received>>,
    commands: Vec<String>,
    named: HashMap<String, usize>,
    sessions: u64,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // A script that panicked in its own conversation has not touched the book.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, facts: &Facts<'_>) -> Answer {
        (self.script)(facts)
    }

    fn keep(&self, received: impl FnOnce(String) -> Received) -> Arc<Received> {
        let mut book = self.book();
        let received = Arc::new(received(format!("F{:06X}", book.received.len() + 1)));
        book.received.push(received.clone());
        let count = book.received.len();
        drop(book);
        // Two conversations may come here in either order: the count never goes back.
        self.arrived.send_if_modified(|arrived| std::mem::replace(arrived, count.max(*arrived)) < count);
        received
    }
}

/// The running server. Dropping it closes its door and every connection.
pub struct MailServer {
    addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    close: DropGuard,
}

impl MailServer {
    /// Listens on a free port of 127.0.0.1 and answers by `script`.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(
        script: impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static,
        options: Options,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script: Box::new(script),
            options,
            book: Mutex::default(),
            arrived: watch::Sender::new(0),
        });
        let (tasks, close) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(listen(listener, shared.clone(), tasks.clone(), close.clone()));
        tasks.close();
        Ok(Self { addr, shared, tasks, close: close.drop_guard() })
    }

    /// A server that accepts everything.
    ///
    /// # Errors
    /// As [`MailServer::start`].
    pub async fn accepting() -> io::Result<Self> {
        Self::start(|_| Answer::Accept, Options::default()).await
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything that came, in order of arrival.
    pub fn received(&self) -> Vec<Arc<Received>> {
        self.received_from(0)
    }

    /// What came after the first `index` messages.
    pub fn received_from(&self, index: usize) -> Vec<Arc<Received>> {
        self.shared.book().received.get(index..).unwrap_or_default().to_vec()
    }

    /// The commands that came, without parameters, in order of arrival.
    pub fn commands(&self) -> Vec<String> {
        self.shared.book().commands.clone()
    }

    /// How many messages came, as a signal to wait on.
    pub fn arrivals(&self) -> watch::Receiver<usize> {
        self.shared.arrived.subscribe()
    }

    /// Waits until `count` messages came, and gives everything that did.
    pub async fn wait_for(&self, count: usize) -> Vec<Arc<Received>> {
        let mut arrivals = self.arrivals();
        // The sender lives as long as `self`, so this only ends by the count.
        let _count = arrivals.wait_for(|arrived| *arrived >= count).await;
        self.received()
    }

    /// Closes the door and every connection, and waits until all are gone.
    pub async fn shutdown(self) {
        drop(self.close);
        self.tasks.wait().await;
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>, tasks: TaskTracker, close: CancellationToken) {
    while let Some(accepted) = close.run_until_cancelled(listener.accept()).await {
        let Ok((tcp, _)) = accepted else {
            // Out of file descriptors, most likely: let conversations end.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        let (shared, close) = (shared.clone(), close.clone());
        tasks.spawn(async move {
            // A connection that breaks is the other side's affair.
            let _ended = close.run_until_cancelled(Conversation::hold(tcp, shared)).await;
        });
    }
}
