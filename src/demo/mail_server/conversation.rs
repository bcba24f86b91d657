//! One connection to the mail server: commands in, scripted answers out.
//!
//! Strict where it matters: lines end in CRLF, a message only in CRLF, dot, CRLF,
//! and commands in a group are cut off where pipelining was not offered.

use std::io;
use std::sync::Arc;

use data_encoding::BASE64;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{Answer, Facts, Protection, Received, Shared, Stage};

/// No line is longer; a peer that sends one is cut off.
const MAX_LINE_BYTES: u64 = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub(super) struct Conversation {
    stream: BufReader<Box<dyn Stream>>,
    shared: Arc<Shared>,
    session: u64,
    tls: bool,
    logged_in: bool,
    transaction: Transaction,
}

#[derive(Default)]
struct Transaction {
    open: bool,
    from: String,
    from_parameters: String,
    to: Vec<String>,
    to_parameters: String,
    named_before: usize,
    pipelined: bool,
}

/// The other side was cut off, or is gone.
fn cut_off() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl Conversation {
    /// Talks until one side closes.
    pub(super) async fn hold(tcp: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let session = {
            let mut book = shared.book();
            book.sessions += 1;
            book.sessions
        };
        let (stream, tls): (Box<dyn Stream>, bool) = match shared.options.protection.clone() {
            Protection::Implicit(config) => (Box::new(TlsAcceptor::from(config).accept(tcp).await?), true),
            Protection::None | Protection::Starttls(_) => (Box::new(tcp), false),
        };
        let logged_in = shared.options.login.is_none();
        let transaction = Transaction::default();
        let mut this = Self { stream: BufReader::new(stream), shared, session, tls, logged_in, transaction };
        if !this.scripted(Stage::Greeting, "220 mail.fyrljus.example ESMTP").await? {
            return Ok(());
        }
        loop {
            let line = this.read_command().await?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let verb = verb.to_ascii_uppercase();
            this.shared.book().commands.push(verb.clone());
            match verb.as_str() {
                "EHLO" => this.offer().await?,
                "STARTTLS" => this = this.starttls().await?,
                "AUTH" => this.log_in(rest).await?,
                "MAIL" => this.mail(rest).await?,
                "RCPT" => this.recipient(rest).await?,
                "DATA" => this.data().await?,
                "RSET" => {
                    this.transaction = Transaction::default();
                    this.say("250 2.0.0 Ok").await?;
                }
                "NOOP" => this.say("250 2.0.0 Ok").await?,
                "QUIT" => return this.say("221 2.0.0 Bye").await,
                _ => this.say("500 5.5.1 unknown command").await?,
            }
        }
    }

    async fn offer(&mut self) -> io::Result<()> {
        let options = &self.shared.options;
        let mut lines =
            vec!["mail.fyrljus.example".to_owned(), "8BITMIME".to_owned(), "ENHANCEDSTATUSCODES".to_owned()];
        lines.extend(options.pipelining.then(|| "PIPELINING".to_owned()));
        lines.extend(options.dsn.then(|| "DSN".to_owned()));
        lines.extend(options.smtputf8.then(|| "SMTPUTF8".to_owned()));
        lines.extend(options.max_size_bytes.map(|bytes| format!("SIZE {bytes}")));
        let starttls = matches!(options.protection, Protection::Starttls(_)) && !self.tls;
        if starttls {
            lines.push("STARTTLS".to_owned());
        } else if options.login.is_some() {
            lines.push(format!("AUTH {}", options.mechanisms));
        }
        let text: String = lines.iter().map(|line| format!("250-{line}\n")).collect();
        self.say(&format!("{text}250 HELP")).await
    }

    async fn starttls(mut self) -> io::Result<Self> {
        let Protection::Starttls(config) = self.shared.options.protection.clone() else {
            self.say("502 5.5.1 not offered").await?;
            return Ok(self);
        };
        if self.tls || !self.stream.buffer().is_empty() {
            return Err(cut_off());
        }
        self.say("220 2.0.0 go ahead").await?;
        let stream = TlsAcceptor::from(config).accept(self.stream.into_inner()).await?;
        Ok(Self { stream: BufReader::new(Box::new(stream)), tls: true, transaction: Transaction::default(), ..self })
    }

    async fn log_in(&mut self, rest: &str) -> io::Result<()> {
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => decode(initial).and_then(|text| {
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                Some((parts.next()?, parts.next()?))
            }),
            "LOGIN" => {
                self.say("334 VXNlcm5hbWU6").await?;
                let name = decode(&self.read_command().await?);
                self.say("334 UGFzc3dvcmQ6").await?;
                name.zip(decode(&self.read_command().await?))
            }
            "XOAUTH2" | "OAUTHBEARER" => self.take_token(initial).await?,
            _ => return self.say("504 5.5.4 unknown mechanism").await,
        };
        self.logged_in = given.is_some() && given == self.shared.options.login;
        let answer = if self.logged_in { "235 2.7.0 welcome" } else { "535 5.7.8 wrong name or password" };
        self.say(answer).await
    }

    /// A token that is not the one wanted is told why before it is refused (RFC 7628 3.2.3).
    async fn take_token(&mut self, initial: &str) -> io::Result<Option<(String, String)>> {
        let shown = if initial.is_empty() {
            self.say("334 ").await?;
            self.read_command().await?
        } else {
            initial.to_owned()
        };
        let given = decode(&shown).and_then(|text| bearer(&text));
        if given.is_none() || given != self.shared.options.login {
            self.say(&format!("334 {}", BASE64.encode(br#"{"status":"401"}"#))).await?;
            self.read_command().await?;
        }
        Ok(given)
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        let Some((from, parameters)) = path(rest, "FROM:") else {
            return self.say("501 5.5.4 FROM:<address> expected").await;
        };
        if !self.logged_in {
            return self.say("530 5.7.0 log in first").await;
        }
        if self.transaction.open {
            return self.say("503 5.5.1 a transaction is open").await;
        }
        let pipelined = !self.stream.buffer().is_empty();
        self.transaction =
            Transaction { from, from_parameters: parameters, open: true, pipelined, ..Transaction::default() };
        if !self.scripted(Stage::Mail, "250 2.1.0 Ok").await? {
            self.transaction = Transaction::default();
        }
        Ok(())
    }

    async fn recipient(&mut self, rest: &str) -> io::Result<()> {
        let Some((to, parameters)) = path(rest, "TO:") else {
            return self.say("501 5.5.4 TO:<address> expected").await;
        };
        if !self.transaction.open {
            return self.say("503 5.5.1 MAIL first").await;
        }
        self.transaction.named_before = {
            let mut book = self.shared.book();
            let named = book.named.entry(to.clone()).or_default();
            *named += 1;
            *named - 1
        };
        self.transaction.to.push(to);
        self.transaction.to_parameters = parameters;
        if !self.scripted(Stage::Recipient, "250 2.1.5 Ok").await? {
            self.transaction.to.pop();
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.transaction.to.is_empty() {
            return self.say("554 5.5.1 no valid recipients").await;
        }
        if !self.scripted(Stage::Data, "354 end with a dot on a line by itself").await? {
            return Ok(());
        }
        let message = self.read_message().await?;
        let answer = self.ask(Stage::Dot, &message);
        let transaction = std::mem::take(&mut self.transaction);
        if !matches!(answer, Answer::Accept | Answer::KeepAndDrop) {
            return self.carry_out(answer, "").await.map(drop);
        }
        let (session, tls) = (self.session, self.tls);
        let kept = self.shared.keep(|queue_id| transaction.finish(queue_id, session, tls, message));
        let accepted = format!("250 2.0.0 Ok: queued as {}", kept.queue_id);
        self.carry_out(answer, &accepted).await.map(drop)
    }

    async fn read_message(&mut self) -> io::Result<Vec<u8>> {
        let mut message = Vec::new();
        let mut asked = false;
        loop {
            let line = self.read_line().await?;
            // After a bare LF a dot is part of the message: that is the smuggling class.
            let after_crlf = message.is_empty() || message.ends_with(b"\r\n");
            if after_crlf && line == b".\r\n" {
                return Ok(message);
            }
            let stuffed = after_crlf && line.starts_with(b".");
            message.extend_from_slice(&line[usize::from(stuffed)..]);
            if !asked {
                asked = true;
                let answer = self.ask(Stage::Body, &message);
                if matches!(answer, Answer::Drop | Answer::Stall) {
                    self.carry_out(answer, "").await?;
                }
            }
        }
    }

    fn ask(&self, stage: Stage, message: &[u8]) -> Answer {
        let Transaction { from, to, named_before, .. } = &self.transaction;
        let to = to.last().map_or("", String::as_str);
        self.shared.ask(&Facts { stage, session: self.session, from, to, named_before: *named_before, message })
    }

    /// Asks the script and does as it says; true if that was to accept.
    async fn scripted(&mut self, stage: Stage, accepted: &str) -> io::Result<bool> {
        let answer = self.ask(stage, b"");
        self.carry_out(answer, accepted).await
    }

    async fn carry_out(&mut self, answer: Answer, accepted: &str) -> io::Result<bool> {
        match answer {
            Answer::Accept => {
                self.say(accepted).await?;
                Ok(true)
            }
            Answer::Reply(reply) => {
                self.say(&reply).await?;
                if reply.starts_with("421") { Err(cut_off()) } else { Ok(false) }
            }
            Answer::Stall => {
                tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await?;
                Err(cut_off())
            }
            Answer::Drop | Answer::KeepAndDrop => Err(cut_off()),
        }
    }

    async fn say(&mut self, reply: &str) -> io::Result<()> {
        let text = format!("{}\r\n", reply.replace('\n', "\r\n"));
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }

    async fn read_command(&mut self) -> io::Result<String> {
        let line = self.read_line().await?;
        if !self.shared.options.pipelining && !self.stream.buffer().is_empty() {
            return Err(cut_off());
        }
        let line = line.strip_suffix(b"\r\n").ok_or_else(cut_off)?;
        String::from_utf8(line.to_vec()).map_err(|_| cut_off())
    }

    async fn read_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.stream).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
        if line.ends_with(b"\n") { Ok(line) } else { Err(cut_off()) }
    }
}

impl Transaction {
    fn finish(self, queue_id: String, session: u64, tls: bool, message: Vec<u8>) -> Received {
        let Self { from, from_parameters, to, to_parameters, pipelined, .. } = self;
        Received { queue_id, session, from, from_parameters, to, to_parameters, pipelined, tls, message }
    }
}

/// `FROM:<a@b.example> SIZE=1` as address and parameters.
fn path(rest: &str, keyword: &str) -> Option<(String, String)> {
    let head = rest.get(..keyword.len()).filter(|head| head.eq_ignore_ascii_case(keyword))?;
    let (address, parameters) = rest[head.len()..].strip_prefix('<')?.split_once('>')?;
    Some((address.to_owned(), parameters.trim().to_owned()))
}

/// The name and the token of XOAUTH2, `user=...`, or of OAUTHBEARER, `n,a=...,`.
fn bearer(text: &str) -> Option<(String, String)> {
    let (head, fields) = text.split_once('\u{1}')?;
    let name = head.strip_prefix("user=").or_else(|| head.strip_prefix("n,a=")?.strip_suffix(','))?;
    let token = fields.split('\u{1}').find_map(|field| field.strip_prefix("auth=Bearer "))?;
    Some((name.to_owned(), token.to_owned()))
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(BASE64.decode(text.as_bytes()).ok()?).ok()
}
