//! The access token at hand, made anew before it runs out and once when it is refused.
//!
//! Its life is counted by the machine's steady clock, as a socket's timers are: it is
//! the identity server's time that ends it, not the domain's.

use std::fmt;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::server::{Grant, Refusal, Server};
use super::{OAuthError, file};
use crate::config::{OAuth, OAuthFlow};

/// A token is made anew this long before its end, so that none runs out in a handshake.
const MARGIN: Duration = Duration::from_secs(300);

/// The tokens of one login.
pub struct Tokens {
    server: Server,
    held: Mutex<Held>,
}

/// What is kept between two questions.
#[derive(Default)]
struct Held {
    access: Option<SecretString>,
    renew_at: Option<Instant>,
    ends_at: Option<Instant>,
    /// A refresh token that the file would not take; the one in the file may be dead.
    unsaved: Option<SecretString>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("login", &self.server.account.login).finish_non_exhaustive()
    }
}

impl Tokens {
    /// For one login; reads the client's secret once. Nothing is asked yet.
    ///
    /// # Errors
    /// The secret cannot be read or the identity server's URL is none.
    pub fn new(account: &OAuth) -> Result<Self, OAuthError> {
        Ok(Self { server: Server::new(account)?, held: Mutex::default() })
    }

    /// A token that is good for some minutes yet.
    ///
    /// # Errors
    /// No login, none any more, or the identity server gives nothing.
    pub async fn access(&self) -> Result<SecretString, OAuthError> {
        let mut held = self.held.lock().await;
        let now = Instant::now();
        let fresh = held.renew_at.is_some_and(|at| now < at);
        let alive = held.ends_at.is_some_and(|at| now < at);
        match (held.access.clone(), fresh, alive) {
            (Some(access), true, _) => Ok(access),
            // The identity server may be away for some minutes without anybody noticing.
            (Some(access), false, true) => match self.renew(&mut held).await {
                Err(error) if !error.is_permanent() => Ok(access),
                renewed => renewed,
            },
            _ => self.renew(&mut held).await,
        }
    }

    /// Another token than `refused`, which a mail server did not take. Of the sessions that
    /// are refused together the first asks, and the others get what it got.
    ///
    /// # Errors
    /// As [`Tokens::access`].
    pub async fn instead_of(&self, refused: &SecretString) -> Result<SecretString, OAuthError> {
        let mut held = self.held.lock().await;
        match &held.access {
            Some(access) if access.expose_secret() != refused.expose_secret() => Ok(access.clone()),
            _ => self.renew(&mut held).await,
        }
    }

    async fn renew(&self, held: &mut Held) -> Result<SecretString, OAuthError> {
        let grant = match self.server.account.flow {
            OAuthFlow::Application => self.as_itself().await?,
            OAuthFlow::Device | OAuthFlow::Browser => self.by_refresh_token(held).await?,
        };
        let now = Instant::now();
        let margin = MARGIN.min(grant.life / 5);
        held.access = Some(grant.access.clone());
        held.renew_at = now.checked_add(grant.life.saturating_sub(margin));
        held.ends_at = now.checked_add(grant.life);
        Ok(grant.access)
    }

    /// RFC 6749 4.4.
    async fn as_itself(&self) -> Result<Grant, OAuthError> {
        let fields = [("grant_type", "client_credentials"), ("scope", self.server.account.scope.as_str())];
        match self.server.ask_for_token(&fields).await? {
            Ok(object) => self.server.read_grant(&object),
            Err(refusal) => Err(self.server.explain(&refusal)),
        }
    }

    /// RFC 6749 6. The file is read each time: another process may have used it meanwhile.
    async fn by_refresh_token(&self, held: &mut Held) -> Result<Grant, OAuthError> {
        let account = &self.server.account;
        let mut refresh = match held.unsaved.clone() {
            Some(unsaved) => unsaved,
            None => self.kept()?,
        };
        let mut answer = self.refresh(&refresh).await?;
        // Between our reading and our asking another process may have had a new one.
        if let Err(Refusal { word, .. }) = &answer
            && word == "invalid_grant"
        {
            let newer = self.kept()?;
            if newer.expose_secret() != refresh.expose_secret() {
                refresh = newer;
                answer = self.refresh(&refresh).await?;
            }
        }
        let grant = match answer {
            Ok(object) => self.server.read_grant(&object)?,
            Err(refusal) => return Err(self.server.explain(&refusal)),
        };
        let next = grant.refresh.clone().unwrap_or(refresh);
        held.unsaved = None;
        if let Err(error) = file::write(&account.token_file, &next) {
            tracing::error!("{} works until a restart and then needs a new login: {error}", account.login);
            held.unsaved = Some(next);
        }
        Ok(grant)
    }

    fn kept(&self) -> Result<SecretString, OAuthError> {
        let account = &self.server.account;
        let kept = file::read(&account.token_file, &account.login)?;
        kept.ok_or_else(|| OAuthError::NoLogin { login: account.login.clone() })
    }

    async fn refresh(&self, token: &SecretString) -> Result<super::server::Answer, OAuthError> {
        let scope = self.server.account.scope.as_str();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret()), ("scope", scope)];
        self.server.ask_for_token(&fields).await
    }
}
