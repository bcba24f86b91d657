//! A person's consent, asked for once by `outreachd login`: by a code that is entered on
//! any device (RFC 8628). The other way, by a browser here, is in `browser`.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::server::Server;
use super::{Browser, OAuthError, file};
use crate::config::OAuth;
use crate::model::text::tame;

/// Seconds between two questions where the server does not say (RFC 8628 3.2).
const USUAL_INTERVAL_S: u64 = 5;
/// Seconds that a question waits longer after `slow_down` (RFC 8628 3.5).
const SLOWER_S: u64 = 5;

/// One login that a person is about to consent to.
#[derive(Debug)]
pub struct Consent {
    server: Server,
}

/// A code that a person enters at a page.
#[derive(Debug)]
pub struct DeviceCode {
    /// The page.
    pub page: String,
    /// The code.
    pub user_code: String,
    /// How long the code is good for.
    pub good_for: Duration,
    device_code: SecretString,
    interval: Duration,
}

impl Consent {
    /// For one login.
    ///
    /// # Errors
    /// The client's secret cannot be read, or the identity server's URL is none.
    pub fn new(account: &OAuth) -> Result<Self, OAuthError> {
        Ok(Self { server: Server::new(account)? })
    }

    /// Asks for a code.
    ///
    /// # Errors
    /// The identity server gives none.
    pub async fn ask_for_code(&self) -> Result<DeviceCode, OAuthError> {
        let account = &self.server.account;
        let missing = || OAuthError::NoPage { login: account.login.clone(), missing: "device_url" };
        let page = account.device_url.as_deref().ok_or_else(missing)?;
        let object = match self.server.ask(page, &[("scope", account.scope.as_str())]).await? {
            Ok(object) => object,
            Err(refusal) => return Err(self.server.explain(&refusal)),
        };
        let number = |key, usual| object.get(key).and_then(serde_json::Value::as_u64).unwrap_or(usual);
        // The page is shown in a terminal, and a terminal obeys what it is shown.
        let shown = |key| self.server.read_text(&object, key).map(|text| tame(&text));
        Ok(DeviceCode {
            page: shown("verification_uri")?,
            user_code: shown("user_code")?,
            good_for: Duration::from_secs(number("expires_in", 900)),
            device_code: self.server.read_text(&object, "device_code")?.into(),
            interval: Duration::from_secs(number("interval", USUAL_INTERVAL_S)),
        })
    }

    /// Asks until the person has entered the code, and keeps the refresh token.
    ///
    /// # Errors
    /// The person refused or was too late, or the token cannot be kept.
    pub async fn wait_for_code(&self, code: &DeviceCode) -> Result<(), OAuthError> {
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", code.device_code.expose_secret()),
        ];
        let (begun, mut interval) = (Instant::now(), code.interval);
        while begun.elapsed() < code.good_for {
            tokio::time::sleep(interval).await;
            match self.server.ask_for_token(&fields).await {
                Ok(Ok(object)) => return self.keep(&object),
                Ok(Err(refusal)) => match refusal.word.as_str() {
                    "authorization_pending" => {}
                    "slow_down" => interval += Duration::from_secs(SLOWER_S),
                    _ => return Err(self.server.explain(&refusal)),
                },
                // RFC 8628 3.5: a time-out asks for more patience, not for giving up.
                Err(OAuthError::Http { .. }) => interval += Duration::from_secs(SLOWER_S),
                Err(error) => return Err(error),
            }
        }
        Err(OAuthError::TooLate { login: self.server.account.login.clone() })
    }

    /// Begins to listen for a browser on this machine, at `port` (0: any).
    ///
    /// # Errors
    /// No port can be had, or the login has no page for a browser.
    pub async fn open_browser(&self, port: u16) -> Result<Browser, OAuthError> {
        Browser::begin(&self.server.account, port).await
    }

    /// Waits until the browser has come back, and keeps the refresh token.
    ///
    /// # Errors
    /// The person refused or was too late, or the token cannot be kept.
    pub async fn wait_for_browser(&self, browser: Browser) -> Result<(), OAuthError> {
        let (code, redirect, verifier) = browser.wait().await?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", redirect.as_str()),
            ("code_verifier", verifier.expose_secret()),
        ];
        match self.server.ask_for_token(&fields).await? {
            Ok(object) => self.keep(&object),
            Err(refusal) => Err(self.server.explain(&refusal)),
        }
    }

    fn keep(&self, object: &serde_json::Value) -> Result<(), OAuthError> {
        let grant = self.server.read_grant(object)?;
        let refresh = grant.refresh.ok_or_else(|| self.server.without("a refresh token"))?;
        file::write(&self.server.account.token_file, &refresh)
    }
}
