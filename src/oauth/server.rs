//! Questions to the identity server: a form goes out, a JSON object comes back.
//!
//! Its refusals are read by their `error` word (RFC 6749 5.2, RFC 8628 3.5); what it
//! says beside that may name a person and stays unread, but for a number to look up.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use super::OAuthError;
use crate::config::OAuth;
use crate::http::{HttpClient, HttpError, Limits, parse_url};

/// Seconds that an access token is good for where the server does not say.
const USUAL_LIFE_S: u64 = 3600;

/// The identity server of one login.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) account: OAuth,
    secret: Option<SecretString>,
    client: HttpClient,
}

/// What it granted.
pub(super) struct Grant {
    pub(super) access: SecretString,
    pub(super) life: Duration,
    pub(super) refresh: Option<SecretString>,
}

/// An answer of a status: the object, or the word of its refusal.
pub(super) type Answer = Result<Value, Refusal>;

/// Why it gave nothing.
pub(super) struct Refusal {
    /// The word that a program can tell apart.
    pub(super) word: String,
    status: u16,
    /// Microsoft's number of the case, which its pages explain.
    number: Option<String>,
}

impl Server {
    /// Reads the secret, once.
    pub(super) fn new(account: &OAuth) -> Result<Self, OAuthError> {
        let http = |source| OAuthError::Http { login: account.login.clone(), source };
        let secret = account.client_secret.as_ref().map(crate::config::SecretRef::reveal).transpose();
        let secret = secret.map_err(|source| OAuthError::Secret(source, account.login.clone()))?;
        let base = parse_url(&account.token_url).map_err(http)?;
        // A redirect would carry the secret elsewhere.
        let limits = Limits { redirects: 0, body_bytes: 64 * 1024, ..Limits::default() };
        let client = HttpClient::new(&base, limits).map_err(http)?;
        Ok(Self { account: account.clone(), secret, client })
    }

    /// Asks the page where tokens are given out, as this program.
    pub(super) async fn ask_for_token(&self, fields: &[(&str, &str)]) -> Result<Answer, OAuthError> {
        let secret = self.secret.as_ref().map(|secret| ("client_secret", secret.expose_secret()));
        let fields: Vec<_> = fields.iter().copied().chain(secret).collect();
        self.ask(&self.account.token_url, &fields).await
    }

    /// Asks any of its pages.
    pub(super) async fn ask(&self, page: &str, fields: &[(&str, &str)]) -> Result<Answer, OAuthError> {
        let http = |source: HttpError| OAuthError::Http { login: self.account.login.clone(), source };
        let mut request = Request::new(Method::POST, parse_url(page).map_err(http)?);
        *request.body_mut() = Some(self.form(fields).into());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let answer = self.client.send(request).await.map_err(http)?;
        let object: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == 200 { Ok(Ok(object)) } else { Ok(Err(Refusal::read(answer.status, &object))) }
    }

    fn form(&self, fields: &[(&str, &str)]) -> String {
        Serializer::new(String::new()).append_pair("client_id", &self.account.client_id).extend_pairs(fields).finish()
    }

    /// The tokens of an answer.
    pub(super) fn read_grant(&self, object: &Value) -> Result<Grant, OAuthError> {
        let text = |key| object.get(key).and_then(Value::as_str).filter(|text| is_token(text)).map(SecretString::from);
        let access = text("access_token").ok_or_else(|| self.without("an access token"))?;
        let life = object.get("expires_in").and_then(Value::as_u64).unwrap_or(USUAL_LIFE_S);
        Ok(Grant { access, life: Duration::from_secs(life), refresh: text("refresh_token") })
    }

    /// A text of an answer that must have it.
    pub(super) fn read_text(&self, object: &Value, key: &'static str) -> Result<String, OAuthError> {
        object.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| self.without(key))
    }

    pub(super) fn without(&self, missing: &'static str) -> OAuthError {
        OAuthError::Unreadable { login: self.account.login.clone(), missing }
    }

    /// A refusal in our words.
    pub(super) fn explain(&self, refusal: &Refusal) -> OAuthError {
        let login = self.account.login.clone();
        if refusal.status >= 500 || refusal.status == 429 {
            return OAuthError::Trouble { login, status: refusal.status };
        }
        let code = refusal.to_string();
        match refusal.word.as_str() {
            "invalid_grant" | "interaction_required" | "consent_required" => OAuthError::Ended { login, code },
            "invalid_client" | "unauthorized_client" => OAuthError::Client { login, code },
            "access_denied" | "authorization_declined" => OAuthError::Denied,
            "expired_token" | "code_expired" => OAuthError::TooLate { login },
            _ => OAuthError::Refused { login, code },
        }
    }
}

/// RFC 6749 A.12 and A.17, and nothing that could leave the line it is sent in.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

impl Refusal {
    fn read(status: u16, object: &Value) -> Self {
        let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let word: String = text("error").chars().filter(plain).take(40).collect();
        let number = text("error_description").split(|c: char| !c.is_ascii_alphanumeric());
        let number =
            number.take(40).find(|word| word.starts_with("AADSTS")).map(|word| word.chars().take(20).collect());
        Self { word, status, number }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.word.as_str(), &self.number) {
            ("", _) => write!(f, "status {}", self.status),
            (word, Some(number)) => write!(f, "{word}, {number}"),
            (word, None) => f.write_str(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_word_of_a_refusal_and_none_of_its_prose() {
        let object = serde_json::json!({
            "error": "invalid_client",
            "error_description": "AADSTS7000222: The provided client secret keys for app of anna@granvik.example are expired."
        });
        assert_eq!(Refusal::read(401, &object).to_string(), "invalid_client, AADSTS7000222");
        assert_eq!(Refusal::read(502, &Value::Null).to_string(), "status 502");
        let hostile = serde_json::json!({ "error": "x\u{1b}[2J\r\nfatal" });
        assert_eq!(Refusal::read(400, &hostile).to_string(), "x2Jfatal");
    }

    #[test]
    fn takes_no_token_that_would_leave_its_line() {
        assert!(is_token("ya29.a0-_~/+=") && !is_token("a\r\nMAIL") && !is_token("a\u{1}b") && !is_token(""));
    }
}
