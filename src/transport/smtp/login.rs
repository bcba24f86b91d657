//! AUTH PLAIN and LOGIN (RFC 4954, 4616).
//!
//! It is only ever called on a connection that is under TLS or stays on this
//! machine; `connect` sees to that before the first command.

use std::time::Duration;

use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};

use crate::config::Relay;
use crate::transport::Reply;

use super::error::{ConnectError, SetupError};
use super::offers::Offers;
use super::wire::Wire;

const STEP: &str = "AUTH";

/// A name and its password.
pub(super) struct Login {
    username: String,
    password: SecretString,
}

impl Login {
    /// The relay's login, if it has one; reads the secret.
    pub(super) fn of(relay: &Relay) -> Result<Option<Self>, SetupError> {
        let half = |missing| SetupError::HalfLogin { relay: relay.id.clone(), missing };
        let (username, password) = match (&relay.username, &relay.password) {
            (None, None) => return Ok(None),
            (Some(_), None) => return Err(half("password")),
            (None, Some(_)) => return Err(half("username")),
            (Some(username), Some(password)) => (username.clone(), password),
        };
        let password = password.reveal().map_err(|source| SetupError::Secret { relay: relay.id.clone(), source })?;
        let unfit = |text: &str| text.is_empty() || text.contains('\0');
        if unfit(&username) || unfit(password.expose_secret()) {
            return Err(SetupError::Login(relay.id.clone()));
        }
        Ok(Some(Self { username, password }))
    }

    /// Logs in.
    pub(super) async fn perform(
        &self,
        wire: &mut Wire,
        offers: &Offers,
        limit: Duration,
        at: &str,
    ) -> Result<(), ConnectError> {
        let exchange = if offers.has_auth("PLAIN") {
            vec![self.plain()]
        } else if offers.has_auth("LOGIN") {
            vec!["AUTH LOGIN\r\n".to_owned().into(), coded(&self.username), coded(self.password.expose_secret())]
        } else {
            let offered = if offers.auth.is_empty() { "none".to_owned() } else { offers.auth.join(", ") };
            return Err(ConnectError::NoLogin { at: at.to_owned(), offered });
        };
        let last = exchange.len() - 1;
        for (index, line) in exchange.iter().enumerate() {
            let reply = wire.ask(line.expose_secret(), limit).await;
            let reply = reply.map_err(|source| ConnectError::Lost { at: at.to_owned(), step: STEP, source })?;
            let expected = if index == last { 235 } else { 334 };
            if reply.code != expected {
                return Err(refused(reply, at));
            }
        }
        Ok(())
    }

    fn plain(&self) -> SecretString {
        let response = format!("\0{}\0{}", self.username, self.password.expose_secret());
        format!("AUTH PLAIN {}\r\n", BASE64.encode(response.as_bytes())).into()
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
