//! AUTH PLAIN, LOGIN, XOAUTH2 and OAUTHBEARER (RFC 4954, 4616, 7628).
//!
//! It is only ever called on a connection that is under TLS or stays on this
//! machine; `connect` sees to that before the first command.

use std::time::Duration;

use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};

use crate::config::Relay;
use crate::oauth::Tokens;
use crate::transport::Reply;

use super::error::{ConnectError, SetupError};
use super::offers::Offers;
use super::wire::Wire;

const STEP: &str = "AUTH";

/// RFC 5321 4.5.3.1.4: AUTH with its first response is a command line like any other.
const MAX_COMMAND_BYTES: usize = 512;

/// A name and what proves it.
pub(super) struct Login {
    username: String,
    proof: Proof,
}

enum Proof {
    Password(SecretString),
    Tokens(Box<Tokens>),
}

/// The connection on which one login is tried.
pub(super) struct Desk<'a> {
    pub(super) wire: &'a mut Wire,
    pub(super) offers: &'a Offers,
    pub(super) limit: Duration,
    /// `host:port`, for messages.
    pub(super) at: &'a str,
}

impl Login {
    /// The relay's login, if it has one; reads the secret.
    pub(super) fn of(relay: &Relay) -> Result<Option<Self>, SetupError> {
        let half = |missing| SetupError::HalfLogin { relay: relay.id.clone(), missing };
        let username = match (&relay.username, relay.password.is_some() || relay.oauth.is_some()) {
            (None, false) => return Ok(None),
            (Some(_), false) => return Err(half("password")),
            (None, true) => return Err(half("username")),
            (Some(username), true) => username.clone(),
        };
        let proof = match (&relay.oauth, &relay.password) {
            (Some(oauth), _) => {
                let unfit = |source| SetupError::Tokens { relay: relay.id.clone(), source };
                Proof::Tokens(Box::new(Tokens::new(oauth).map_err(unfit)?))
            }
            (None, Some(password)) => Proof::Password(
                password.reveal().map_err(|source| SetupError::Secret { relay: relay.id.clone(), source })?,
            ),
            (None, None) => return Ok(None),
        };
        let unfit = |text: &str| text.is_empty() || text.chars().any(|c| matches!(c, '\0' | '\u{1}'));
        let password_unfit = matches!(&proof, Proof::Password(password) if unfit(password.expose_secret()));
        if unfit(&username) || password_unfit {
            return Err(SetupError::Login(relay.id.clone()));
        }
        Ok(Some(Self { username, proof }))
    }

    /// Logs in.
    pub(super) async fn perform(&self, mut desk: Desk<'_>) -> Result<(), ConnectError> {
        match &self.proof {
            Proof::Password(password) => self.by_password(password, &mut desk).await,
            Proof::Tokens(tokens) => self.by_token(tokens, &mut desk).await,
        }
    }

    async fn by_password(&self, password: &SecretString, desk: &mut Desk<'_>) -> Result<(), ConnectError> {
        let exchange: Vec<SecretString> = if desk.offers.has_auth("PLAIN") {
            let response = format!("\0{}\0{}", self.username, password.expose_secret());
            vec![format!("AUTH PLAIN {}\r\n", BASE64.encode(response.as_bytes())).into()]
        } else if desk.offers.has_auth("LOGIN") {
            vec!["AUTH LOGIN\r\n".to_owned().into(), coded(&self.username), coded(password.expose_secret())]
        } else {
            return Err(desk.no_way("PLAIN or LOGIN"));
        };
        let last = exchange.len() - 1;
        for (index, line) in exchange.iter().enumerate() {
            let reply = desk.ask(line).await?;
            let expected = if index == last { 235 } else { 334 };
            if reply.code != expected {
                return Err(refused(reply, desk.at));
            }
        }
        Ok(())
    }

    /// A token may have been withdrawn before its time: the first 535 asks for another one.
    async fn by_token(&self, tokens: &Tokens, desk: &mut Desk<'_>) -> Result<(), ConnectError> {
        let failed = |source| ConnectError::Token { at: desk.at.to_owned(), source };
        let mut token = tokens.access().await.map_err(failed)?;
        let mut reply = self.present(&token, desk).await?;
        if reply.code == 535 {
            let failed = |source| ConnectError::Token { at: desk.at.to_owned(), source };
            token = tokens.instead_of(&token).await.map_err(failed)?;
            reply = self.present(&token, desk).await?;
        }
        match reply.code {
            235 => Ok(()),
            534 | 535 => Err(ConnectError::TokenRefused { at: desk.at.to_owned(), reply }),
            _ => Err(refused(reply, desk.at)),
        }
    }

    /// Shows a token; gives the last reply.
    async fn present(&self, token: &SecretString, desk: &mut Desk<'_>) -> Result<Reply, ConnectError> {
        let (name, token) = (&self.username, token.expose_secret());
        // On a refusal the server first says why, in a challenge, and waits for an answer
        // before it gives its 535 (RFC 7628 3.2.3).
        let (mechanism, response, resigned) = if desk.offers.has_auth("XOAUTH2") {
            ("XOAUTH2", format!("user={name}\u{1}auth=Bearer {token}\u{1}\u{1}"), "\r\n")
        } else if desk.offers.has_auth("OAUTHBEARER") {
            let name = name.replace('=', "=3D").replace(',', "=2C");
            ("OAUTHBEARER", format!("n,a={name},\u{1}auth=Bearer {token}\u{1}\u{1}"), "AQ==\r\n")
        } else {
            return Err(desk.no_way("XOAUTH2 or OAUTHBEARER"));
        };
        let response = coded(&response);
        let command: SecretString = format!("AUTH {mechanism} {}", response.expose_secret()).into();
        let mut reply = if command.expose_secret().len() <= MAX_COMMAND_BYTES {
            desk.ask(&command).await?
        } else {
            let bare = desk.ask(&format!("AUTH {mechanism}\r\n").into()).await?;
            if bare.code != 334 {
                return Ok(bare);
            }
            desk.ask(&response).await?
        };
        if reply.code == 334 {
            reply = desk.ask(&resigned.to_owned().into()).await?;
        }
        Ok(reply)
    }
}

impl Desk<'_> {
    async fn ask(&mut self, line: &SecretString) -> Result<Reply, ConnectError> {
        let reply = self.wire.ask(line.expose_secret(), self.limit).await;
        reply.map_err(|source| ConnectError::Lost { at: self.at.to_owned(), step: STEP, source })
    }

    fn no_way(&self, ways: &'static str) -> ConnectError {
        let offered = if self.offers.auth.is_empty() { "none".to_owned() } else { self.offers.auth.join(", ") };
        ConnectError::NoLogin { at: self.at.to_owned(), ways, offered }
    }
}

fn coded(text: &str) -> SecretString {
    format!("{}\r\n", BASE64.encode(text.as_bytes())).into()
}

/// 535 and 534 speak of the name and password; anything else of the relay.
fn refused(reply: Reply, at: &str) -> ConnectError {
    let at = at.to_owned();
    match reply.code {
        534 | 535 => ConnectError::Login { at, reply },
        _ => ConnectError::Refused { at, step: STEP, reply },
    }
}
