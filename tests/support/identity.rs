//! An identity server that gives out numbered tokens: by a refresh token that changes with
//! each use, by a device code, by a browser's code with PKCE, and to a program by itself.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use data_encoding::BASE64URL_NOPAD;
use outreachd::config::{OAuth, OAuthFlow, OAuthProvider};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

type Form = HashMap<String, String>;

/// What the server knows.
#[derive(Default)]
pub struct Book {
    /// The questions that came, as their forms.
    pub asked: Vec<Form>,
    /// Tokens given out.
    pub given: u32,
    /// Seconds that the next tokens are good for.
    pub life_s: u64,
    /// How often a device code is still answered by "not yet".
    pub pending: u32,
    /// The word by which everything is refused.
    pub refusal: Option<(u16, &'static str)>,
    refresh: String,
    challenge: String,
    redirect: String,
}

/// The running server.
pub struct Identity {
    /// Where it is.
    pub url: Url,
    book: Arc<Mutex<Book>>,
}

impl Identity {
    /// Knows the refresh token `refresh-0`; its tokens are good for an hour.
    pub async fn start() -> Self {
        let first = Book { life_s: 3600, refresh: "refresh-0".into(), ..Book::default() };
        let book = Arc::new(Mutex::new(first));
        let app = Router::new().route("/token", post(token)).route("/device", post(device));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let app = app.with_state(Arc::clone(&book));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, book }
    }

    pub fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }

    /// A login at this server whose token file is in `folder`.
    pub fn account(&self, flow: OAuthFlow, folder: &Path) -> OAuth {
        let page = |name: &str| self.url.join(name).unwrap().to_string();
        OAuth {
            login: "relay/main".into(),
            provider: OAuthProvider::Other,
            flow,
            client_id: "fyrljus".into(),
            client_secret: None,
            secret_expires: None,
            scope: "mail".into(),
            token_url: page("token"),
            device_url: Some(page("device")),
            authorize_url: Some(page("authorize")),
            token_file: folder.join("oauth-relay-main.json"),
        }
    }

    /// Consents as a person in a browser: where the browser is then sent.
    pub fn consent(&self, address: &str) -> Url {
        let asked: Form = Url::parse(address).unwrap().query_pairs().into_owned().collect();
        assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
        let mut book = self.book();
        book.challenge.clone_from(&asked["code_challenge"]);
        book.redirect.clone_from(&asked["redirect_uri"]);
        let mut back = Url::parse(&asked["redirect_uri"]).unwrap();
        back.query_pairs_mut().append_pair("code", "browser-code").append_pair("state", &asked["state"]);
        back
    }
}

/// Writes the refresh token that the server knows at first.
pub fn keep_refresh_token(account: &OAuth, token: &str) {
    std::fs::write(&account.token_file, format!("{{\"version\":1,\"refresh_token\":\"{token}\"}}")).unwrap();
}

type Said = (StatusCode, Json<Value>);

fn no(word: &str) -> Said {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": word, "error_description": "AADSTS1: of anna@granvik.example" })))
}

fn read(body: &str) -> Form {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

async fn device(State(book): State<Arc<Mutex<Book>>>, body: String) -> Said {
    book.lock().unwrap().asked.push(read(&body));
    let code = json!({
        "device_code": "device-1", "user_code": "LJUS-2027", "interval": 0, "expires_in": 900,
        "verification_uri": "https://login.fyrljus.example/device\u{1b}[2J",
    });
    (StatusCode::OK, Json(code))
}

async fn token(State(book): State<Arc<Mutex<Book>>>, body: String) -> Said {
    let (form, mut book) = (read(&body), book.lock().unwrap());
    book.asked.push(form.clone());
    if let Some((status, word)) = book.refusal {
        return (StatusCode::from_u16(status).unwrap(), no(word).1);
    }
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match field("grant_type") {
        "refresh_token" if field("refresh_token") != book.refresh => return no("invalid_grant"),
        "urn:ietf:params:oauth:grant-type:device_code" if book.pending > 0 => {
            book.pending -= 1;
            return no("authorization_pending");
        }
        "authorization_code" => {
            let proof = BASE64URL_NOPAD.encode(&Sha256::digest(field("code_verifier").as_bytes()));
            if proof != book.challenge || field("redirect_uri") != book.redirect || field("code") != "browser-code" {
                return no("invalid_grant");
            }
        }
        "client_credentials" if field("client_secret") != "hemligt" => return no("invalid_client"),
        _ => {}
    }
    book.given += 1;
    book.refresh = format!("refresh-{}", book.given);
    let mut grant = json!({
        "access_token": format!("access-{}", book.given), "token_type": "Bearer", "expires_in": book.life_s,
    });
    if field("grant_type") != "client_credentials" {
        grant["refresh_token"] = book.refresh.clone().into();
    }
    (StatusCode::OK, Json(grant))
}
