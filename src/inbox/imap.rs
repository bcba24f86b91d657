//! A mailbox on an IMAP server (RFC 3501), opened with EXAMINE and read with
//! BODY.PEEK, so that no flag changes and a person's unread mail stays unread.
//!
//! The cursor is `uidvalidity:uid`. Where the server has a new UIDVALIDITY, it
//! begins again at the first message, under new keys: whoever stores them also
//! knows messages by their Message-ID and bytes.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use async_imap::error::Error;
use async_imap::types::Fetch;
use async_imap::{Authenticator, Client, Session};
use futures_util::TryStreamExt;
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::config::{Mailbox, SecretRef, Tls};
use crate::oauth::Tokens;

use super::wire::{Wire, connect, encrypt};
use super::{InboxError, MOST_BYTES, RawMail, headers_only};

/// Seconds to wait for the answer to a command.
const COMMAND_S: u64 = 60;
/// Seconds to wait for a message.
const BODY_S: u64 = 300;
/// Bytes that the answer to a command may have.
const ANSWER_BYTES: u64 = 16 << 20;
/// Bytes of headers that are read of a message too large.
const HEADER_BYTES: u64 = 1 << 20;
/// Bytes after which a fetch ends early.
const BATCH_BYTES: usize = 64 << 20;

/// An IMAP mailbox; the session is kept between fetches and opened again after an error.
pub struct ImapInbox {
    mailbox: Mailbox,
    host: String,
    proof: Proof,
    session: Option<Session<Wire>>,
}

/// What proves who we are.
enum Proof {
    Password(SecretRef),
    Tokens(Box<Tokens>),
}

impl ImapInbox {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Says what in the section or at the server is to be mended.
    pub async fn open(mailbox: &Mailbox) -> Result<Self, InboxError> {
        let host = mailbox.host.clone().ok_or_else(|| InboxError::Kind(mailbox.id.clone()))?;
        let token_error = |source| InboxError::Token { id: mailbox.id.clone(), source };
        let proof = match (&mailbox.oauth, &mailbox.password) {
            (Some(oauth), _) => Proof::Tokens(Box::new(Tokens::new(oauth).map_err(token_error)?)),
            (None, Some(password)) => Proof::Password(password.clone()),
            (None, None) => return Err(InboxError::NoLogin(mailbox.id.clone())),
        };
        let mut inbox = Self { mailbox: mailbox.clone(), host, proof, session: None };
        inbox.session = Some(inbox.log_in().await?);
        Ok(inbox)
    }

    pub(super) async fn fetch(&mut self, cursor: Option<&str>, limit: usize) -> Result<Vec<RawMail>, InboxError> {
        // Taken out, so that an error or a dropped future leaves no session whose
        // next answer belongs to an earlier command.
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.log_in().await?,
        };
        let mails = self.fetch_behind(&mut session, cursor, limit).await?;
        self.session = Some(session);
        Ok(mails)
    }

    async fn log_in(&self) -> Result<Session<Wire>, InboxError> {
        let mailbox = &self.mailbox;
        let Some(username) = &mailbox.username else { return Err(InboxError::NoLogin(mailbox.id.clone())) };
        match &self.proof {
            Proof::Password(password) => self.by_password(username, password).await,
            Proof::Tokens(tokens) => self.by_token(username, tokens).await,
        }
    }

    async fn by_password(&self, username: &str, password: &SecretRef) -> Result<Session<Wire>, InboxError> {
        let unread = |source| InboxError::Secret { id: self.mailbox.id.clone(), source };
        let password = password.reveal().map_err(unread)?;
        let client = self.greeted().await?;
        let logging_in = timeout(Duration::from_secs(COMMAND_S), client.login(username, password.expose_secret()));
        match logging_in.await {
            Ok(Ok(session)) => Ok(session),
            Ok(Err((Error::No(reason) | Error::Bad(reason), _))) => {
                Err(InboxError::Login { id: self.mailbox.id.clone(), host: self.host.clone(), reason: said(&reason) })
            }
            Ok(Err((error, _))) => Err(self.failed("LOGIN", error)),
            Err(_) => Err(self.timed_out("LOGIN", COMMAND_S)),
        }
    }

    /// A token may have been withdrawn before its time: the first refusal asks for another one.
    async fn by_token(&self, username: &str, tokens: &Tokens) -> Result<Session<Wire>, InboxError> {
        let failed = |source| InboxError::Token { id: self.mailbox.id.clone(), source };
        let mut token = tokens.access().await.map_err(failed)?;
        let mut last = false;
        loop {
            let client = self.greeted().await?;
            let shown = Bearer::of(username, &token);
            let logging_in = timeout(Duration::from_secs(COMMAND_S), client.authenticate("XOAUTH2", shown));
            match logging_in.await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err((Error::No(_), _))) if !last => {
                    token = tokens.instead_of(&token).await.map_err(failed)?;
                    last = true;
                }
                Ok(Err((Error::No(reason) | Error::Bad(reason), _))) => {
                    let (id, host) = (self.mailbox.id.clone(), self.host.clone());
                    return Err(InboxError::TokenRefused { id, host, reason: said(&reason) });
                }
                Ok(Err((error, _))) => return Err(self.failed("AUTHENTICATE", error)),
                Err(_) => return Err(self.timed_out("AUTHENTICATE", COMMAND_S)),
            }
        }
    }

    /// A connection, protected as the section says, whose greeting is read.
    async fn greeted(&self) -> Result<Client<Wire>, InboxError> {
        let tcp = Box::new(connect(&self.mailbox, &self.host).await?);
        match self.mailbox.tls {
            Tls::Implicit => {
                let stream = encrypt(&self.mailbox, &self.host, tcp).await?;
                self.greet(Client::new(Wire::new(stream))).await
            }
            Tls::Starttls => {
                let mut client = self.greet(Client::new(Wire::new(tcp))).await?;
                let starting = client.run_command_and_check_ok("STARTTLS", None);
                self.within("STARTTLS", COMMAND_S, starting).await?;
                // What the server said in clear behind its answer dies with the
                // client's buffer, so nothing can be slipped in before TLS.
                let stream = encrypt(&self.mailbox, &self.host, client.into_inner().into_inner()).await?;
                Ok(Client::new(Wire::new(stream)))
            }
            Tls::None => self.greet(Client::new(Wire::new(tcp))).await,
        }
    }

    async fn greet(&self, mut client: Client<Wire>) -> Result<Client<Wire>, InboxError> {
        let greeting = async { client.read_response().await.map_err(Error::from) };
        match self.within("greeting", COMMAND_S, greeting).await? {
            Some(_) => Ok(client),
            None => Err(self.failed("greeting", "the server closed the connection; check port and tls")),
        }
    }

    async fn fetch_behind(
        &self,
        session: &mut Session<Wire>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RawMail>, InboxError> {
        let opened = self.examine(session, &self.mailbox.folder).await?;
        let validity = opened.uid_validity.unwrap_or(0);
        let last = cursor.and_then(parse_cursor).filter(|(known, _)| *known == validity).map_or(0, |(_, uid)| uid);
        let Some(first) = last.checked_add(1).filter(|_| opened.exists > 0) else { return Ok(Vec::new()) };
        let search = session.uid_search(format!("UID {first}:*"));
        let found = self.within("UID SEARCH", COMMAND_S, search).await?;
        // "n:*" also finds the last message when n is beyond it (RFC 3501 6.4.8).
        let mut uids: Vec<u32> = found.into_iter().filter(|uid| *uid > last).collect();
        uids.sort_unstable();
        uids.truncate(limit);
        let (mut mails, mut bytes) = (Vec::new(), 0);
        for uid in uids {
            // Expunged by somebody else since the search: there is nothing to fetch.
            let Some(content) = self.message(session, uid).await? else { continue };
            bytes += content.len();
            let (key, cursor) = (format!("imap:{validity}:{uid}"), format!("{validity}:{uid}"));
            mails.push(RawMail { key, bytes: content, cursor });
            if bytes > BATCH_BYTES {
                break;
            }
        }
        Ok(mails)
    }

    /// Which of these mails lie in `folder`, by their places in `sought`. That one is not
    /// there says nothing: not every server keeps a copy, nor at once.
    ///
    /// # Errors
    /// The mailbox cannot be read now; the next call tries afresh.
    pub async fn find_sent(&mut self, folder: &str, sought: &[Sought]) -> Result<Vec<usize>, InboxError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.log_in().await?,
        };
        self.examine(&mut session, folder).await?;
        let mut found = Vec::new();
        for (at, one) in sought.iter().enumerate() {
            let Some(query) = one.query() else { continue };
            session.get_mut().allow(ANSWER_BYTES);
            if !self.within("UID SEARCH", BODY_S, session.uid_search(query)).await?.is_empty() {
                found.push(at);
            }
        }
        self.session = Some(session);
        Ok(found)
    }

    async fn examine(
        &self,
        session: &mut Session<Wire>,
        folder: &str,
    ) -> Result<async_imap::types::Mailbox, InboxError> {
        session.get_mut().allow(ANSWER_BYTES);
        match timeout(Duration::from_secs(COMMAND_S), session.examine(folder)).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(Error::No(reason))) => {
                let (id, folder) = (self.mailbox.id.clone(), folder.to_owned());
                Err(InboxError::Folder { id, folder, reason: said(&reason) })
            }
            Ok(Err(error)) => Err(self.failed("EXAMINE", error)),
            Err(_) => Err(self.timed_out("EXAMINE", COMMAND_S)),
        }
    }

    /// One message, or its headers alone where it is too large.
    async fn message(&self, session: &mut Session<Wire>, uid: u32) -> Result<Option<Vec<u8>>, InboxError> {
        session.get_mut().allow(ANSWER_BYTES);
        let sized = self.fetch_one(session, uid, "(UID RFC822.SIZE)").await?;
        let Some(size) = sized.map(|fetch| fetch.size.unwrap_or(0)) else { return Ok(None) };
        if size as usize > MOST_BYTES {
            session.get_mut().allow(HEADER_BYTES);
            let head = self.fetch_one(session, uid, "(UID BODY.PEEK[HEADER])").await?;
            return Ok(head.and_then(|fetch| fetch.header().map(|head| headers_only(head, size.into()))));
        }
        // The server's own count may be off where it changes line ends.
        session.get_mut().allow(MOST_BYTES as u64 * 2);
        let whole = self.fetch_one(session, uid, "(UID BODY.PEEK[])").await?;
        Ok(whole.and_then(|fetch| fetch.body().map(<[u8]>::to_vec)))
    }

    async fn fetch_one(&self, session: &mut Session<Wire>, uid: u32, query: &str) -> Result<Option<Fetch>, InboxError> {
        let fetching = async {
            let answers: Vec<Fetch> = session.uid_fetch(uid.to_string(), query).await?.try_collect().await?;
            Ok(answers.into_iter().find(|fetch| fetch.uid == Some(uid)))
        };
        self.within("UID FETCH", BODY_S, fetching).await
    }

    async fn within<T>(
        &self,
        command: &'static str,
        seconds: u64,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, InboxError> {
        match timeout(Duration::from_secs(seconds), work).await {
            Ok(done) => done.map_err(|error| self.failed(command, error)),
            Err(_) => Err(self.timed_out(command, seconds)),
        }
    }

    fn failed(&self, command: &'static str, reason: impl Display) -> InboxError {
        // A parser's complaint quotes what it could not parse: perhaps a letter.
        let reason: String = reason.to_string().chars().take(120).collect();
        InboxError::Command { id: self.mailbox.id.clone(), command, reason }
    }

    fn timed_out(&self, command: &'static str, seconds: u64) -> InboxError {
        InboxError::TimeOut { id: self.mailbox.id.clone(), command, seconds }
    }
}

/// A token on its way to the server.
struct Bearer(Option<SecretString>);

impl Bearer {
    fn of(username: &str, token: &SecretString) -> Self {
        Self(Some(format!("user={username}\u{1}auth=Bearer {}\u{1}\u{1}", token.expose_secret()).into()))
    }
}

impl Authenticator for Bearer {
    type Response = String;

    /// The second challenge says why the token is refused, and wants nothing but an answer.
    fn process(&mut self, _challenge: &[u8]) -> String {
        self.0.take().map(|shown| shown.expose_secret().to_owned()).unwrap_or_default()
    }
}

/// A mail that may lie among the sent ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// Its Message-ID, which some servers replace.
    pub message_id: String,
    /// The token in its X-Outreachd-Delivery, which they leave alone.
    pub token: String,
    /// It left on this day or later.
    pub since: Date,
}

impl Sought {
    /// The search for it (RFC 3501 6.4.4); none where an id would end its string.
    fn query(&self) -> Option<String> {
        let fits = |text: &String| text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        let (id, token, since) = (&self.message_id, &self.token, self.since.strftime("%-d-%b-%Y"));
        [id, token]
            .into_iter()
            .all(fits)
            .then(|| format!("SENTSINCE {since} OR HEADER Message-ID \"{id}\" HEADER X-Outreachd-Delivery \"{token}\""))
    }
}

/// The server's own words from async-imap's `code: None, info: Some("...")`, for people to
/// read and for the log: without addresses, and not long.
fn said(reason: &str) -> String {
    let words = reason.split_once("info: Some(\"").and_then(|(_, rest)| rest.strip_suffix("\")"));
    let words = words.unwrap_or(reason).split_whitespace();
    let masked: Vec<_> = words.map(|word| if word.contains('@') { "***" } else { word }).collect();
    masked.join(" ").trim_end_matches('.').chars().take(120).collect()
}

fn parse_cursor(cursor: &str) -> Option<(u32, u32)> {
    let (validity, uid) = cursor.split_once(':')?;
    Some((validity.parse().ok()?, uid.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_by_both_ids_and_lets_none_break_out_of_its_string() {
        let sought = Sought {
            message_id: "abc@fyrljus.example".into(),
            token: "abc".into(),
            since: jiff::civil::date(2027, 3, 1),
        };
        assert_eq!(
            sought.query().as_deref(),
            Some(
                r#"SENTSINCE 1-Mar-2027 OR HEADER Message-ID "abc@fyrljus.example" HEADER X-Outreachd-Delivery "abc""#
            )
        );
        for hostile in ["a\" OR ALL", "a\\", "a\r\nb", "å"] {
            assert_eq!(Sought { message_id: hostile.into(), ..sought.clone() }.query(), None);
        }
    }

    #[test]
    fn tells_a_servers_words_without_wrapping_and_addresses() {
        let refused = r#"code: None, info: Some("[AUTHENTICATIONFAILED] Authentication failed.")"#;
        assert_eq!(said(refused), "[AUTHENTICATIONFAILED] Authentication failed");
        assert_eq!(said(r#"code: None, info: Some("no <anna@granvik.example> here")"#), "no *** here");
        assert_eq!(said("code: None, info: None"), "code: None, info: None");
    }
}
