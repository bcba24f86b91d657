//! A login by a browser that can reach this machine: the person is sent to the provider
//! and comes back to a port of 127.0.0.1 (RFC 8252 7.3), with a proof that it is the
//! same program that sent them (PKCE, RFC 7636).
//!
//! It answers one question of its own, and nothing else that knocks.

use std::net::Ipv4Addr;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use url::Url;

use super::OAuthError;
use crate::config::{OAuth, OAuthProvider};
use crate::http::parse_url;

/// How long a person has to sign in.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long one connection may take to say what it wants.
const KNOCK: Duration = Duration::from_secs(10);
/// Bytes of a request that are read.
const MOST_BYTES: usize = 16 * 1024;

/// A port that waits for the browser.
#[derive(Debug)]
pub struct Browser {
    /// What the person opens.
    pub address: String,
    /// The port the browser comes back to.
    pub port: u16,
    login: String,
    listener: TcpListener,
    redirect: String,
    state: String,
    verifier: SecretString,
}

impl Browser {
    pub(super) async fn begin(account: &OAuth, port: u16) -> Result<Self, OAuthError> {
        let login = account.login.clone();
        let page = account.authorize_url.as_deref();
        let page = page.ok_or_else(|| OAuthError::NoPage { login: login.clone(), missing: "authorize_url" })?;
        let page = parse_url(page).map_err(|source| OAuthError::Http { login: login.clone(), source })?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(OAuthError::Machine)?;
        let port = listener.local_addr().map_err(OAuthError::Machine)?.port();
        let redirect = match account.provider {
            // Microsoft lets the port differ from what was registered for this name alone.
            OAuthProvider::Microsoft => format!("http://localhost:{port}"),
            OAuthProvider::Google | OAuthProvider::Other => format!("http://127.0.0.1:{port}"),
        };
        let (state, verifier) = (random()?, random()?);
        let address = address(account, page, &redirect, &state, &verifier);
        Ok(Self { address, port, login, listener, redirect, state, verifier: verifier.into() })
    }

    /// The code, the address it was sent to and what proves that we asked.
    pub(super) async fn wait(self) -> Result<(SecretString, String, SecretString), OAuthError> {
        let Self { listener, redirect, state, verifier, login, .. } = self;
        let waiting = async {
            loop {
                let (tcp, _) = listener.accept().await.map_err(OAuthError::Machine)?;
                if let Ok(Some(came_back)) = timeout(KNOCK, answer(tcp, &state)).await {
                    return came_back;
                }
            }
        };
        let code = timeout(PATIENCE, waiting).await.unwrap_or(Err(OAuthError::TooLate { login }))?;
        Ok((code, redirect, verifier))
    }
}

/// The page with its question (RFC 6749 4.1.1, RFC 7636 4.3).
fn address(account: &OAuth, mut page: Url, redirect: &str, state: &str, verifier: &str) -> String {
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier.as_bytes()));
    let mut question = page.query_pairs_mut();
    question
        .append_pair("response_type", "code")
        .append_pair("client_id", &account.client_id)
        .append_pair("redirect_uri", redirect)
        .append_pair("scope", &account.scope)
        .append_pair("state", state)
        .append_pair("code_challenge", &challenge)
        .append_pair("code_challenge_method", "S256");
    if account.provider == OAuthProvider::Google {
        // Without these Google gives a refresh token the first time only.
        question.append_pair("access_type", "offline").append_pair("prompt", "consent");
    }
    drop(question);
    page.into()
}

/// 32 random bytes in 43 characters, which fits both purposes (RFC 7636 4.1).
fn random() -> Result<String, OAuthError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| OAuthError::Machine(std::io::Error::other(error.to_string())))?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// What a connection brought, if it is the browser with our own `state`.
async fn answer(mut tcp: TcpStream, state: &str) -> Option<Result<SecretString, OAuthError>> {
    let came_back = came_back(&read_head(&mut tcp).await?, state);
    let (status, words) = match &came_back {
        Some(Ok(_)) => ("200 OK", "Done. You can close this page."),
        Some(Err(_)) => ("200 OK", "The login was refused; nothing has changed. You can close this page."),
        None => ("404 Not Found", "Nothing is here."),
    };
    let page = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{words}\n",
        words.len() + 1
    );
    // A browser that has gone already knows enough.
    drop(tcp.write_all(page.as_bytes()).await);
    drop(tcp.shutdown().await);
    came_back
}

async fn read_head(tcp: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > MOST_BYTES || tcp.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    String::from_utf8(head).ok()
}

/// The code in a request's first line, or the person's no. Without our `state` it is
/// neither: another page may have sent the browser here (RFC 6749 10.12).
fn came_back(head: &str, state: &str) -> Option<Result<SecretString, OAuthError>> {
    let target = head.strip_prefix("GET ")?.split(' ').next()?;
    let url = Url::parse("http://127.0.0.1/").ok()?.join(target).ok()?;
    let find = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    if !bool::from(subtle::ConstantTimeEq::ct_eq(find("state")?.as_bytes(), state.as_bytes())) {
        return None;
    }
    match find("code") {
        Some(code) => Some(Ok(code.into())),
        None => find("error").map(|_| Err(OAuthError::Denied)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn code(head: &str) -> Option<Option<String>> {
        came_back(head, "s-1").map(|came| came.ok().map(|code| code.expose_secret().to_owned()))
    }

    #[test]
    fn takes_a_code_only_with_its_own_state() {
        assert_eq!(code("GET /?code=a%2Bb&state=s-1 HTTP/1.1\r\n\r\n"), Some(Some("a+b".into())));
        assert_eq!(code("GET /?error=access_denied&state=s-1 HTTP/1.1\r\n\r\n"), Some(None));
        for other in
            ["GET /?code=a&state=s-2 HTTP/1.1", "GET /?code=a HTTP/1.1", "GET /favicon.ico HTTP/1.1", "POST / x", ""]
        {
            assert_eq!(code(other), None, "{other}");
        }
    }

    #[test]
    fn proves_itself_as_rfc_7636_shows_it() {
        // The example of appendix B.
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(b"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
