//! `oauth = { ... }` of a relay or a mailbox: whose identity server, and where the
//! token is kept. What providers call their pages is data here; `oauth` asks them.

use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::SecretRef;
use super::sections::Site;
use super::servers::read_secret;
use super::shape::{is_loopback, url};
use super::table::Table;
use super::value::Value;

/// A login by OAuth 2.0 instead of a password.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// Its name for `outreachd login`: `relay/ID` or `mailbox/ID`.
    pub login: String,
    /// Whose identity server.
    pub provider: OAuthProvider,
    /// How the token is come by.
    pub flow: OAuthFlow,
    /// The id under which this program is registered at the provider.
    pub client_id: String,
    /// The secret that goes with it, where the provider gave one.
    pub client_secret: Option<SecretRef>,
    /// The last day on which the secret is good; `doctor` warns before it.
    pub secret_expires: Option<Date>,
    /// What is asked for, words with blanks between them.
    pub scope: String,
    /// Where tokens are given out.
    pub token_url: String,
    /// Where a code for another device is given out (RFC 8628).
    pub device_url: Option<String>,
    /// Where a browser is sent to (RFC 6749 4.1).
    pub authorize_url: Option<String>,
    /// The file that keeps the refresh token, beside the key file.
    pub token_file: PathBuf,
}

/// Whose identity server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuthProvider {
    /// Microsoft Entra ID.
    Microsoft,
    /// Google.
    Google,
    /// One that is described by its own URLs.
    Other,
}

/// How the token is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OAuthFlow {
    /// A person enters a code on any device (RFC 8628).
    Device,
    /// A person signs in by a browser that can reach this machine (RFC 8252).
    Browser,
    /// The program signs in as itself by its secret; nobody is asked (RFC 6749 4.4).
    Application,
}

/// What the login is for, which decides what is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Relay,
    Mailbox,
}

const KEYS: [&str; 10] = [
    "provider",
    "tenant",
    "flow",
    "client_id",
    "client_secret",
    "secret_expires",
    "scope",
    "token_url",
    "device_url",
    "authorize_url",
];
const PROVIDERS: [(&str, OAuthProvider); 3] =
    [("microsoft", OAuthProvider::Microsoft), ("google", OAuthProvider::Google), ("other", OAuthProvider::Other)];
const FLOWS: [(&str, OAuthFlow); 3] =
    [("device", OAuthFlow::Device), ("browser", OAuthFlow::Browser), ("application", OAuthFlow::Application)];

/// A provider's pages and words.
struct Pages {
    token: Option<String>,
    device: Option<String>,
    authorize: Option<String>,
    scope: Option<String>,
    flow: OAuthFlow,
}

/// Reads the table; `id` is its relay's or mailbox's, `key_file` the file beside which tokens are kept.
pub(super) fn read_oauth(
    value: Value<'_>,
    site: &Site,
    key_file: &Path,
    purpose: Purpose,
    id: Option<&str>,
) -> Option<OAuth> {
    let mut table = value.table("oauth", &KEYS)?;
    let provider = table.need("provider").and_then(|value| value.word(&PROVIDERS));
    let tenant = table.take("tenant").and_then(tenant);
    let flow = table.take("flow").map(|value| (value.span(), value.word(&FLOWS)));
    let client_id = table.need("client_id").and_then(Value::text);
    let secret = table.take("client_secret").map(|value| read_secret(value, site));
    let secret_expires = table.take("secret_expires").and_then(Value::date);
    let (provider, client_id) = (provider?, client_id?);
    let usual = Pages::of(provider, purpose, flow.as_ref().and_then(|(_, flow)| *flow), tenant.as_deref());
    let pages = read_pages(&mut table, provider, usual);
    let flow_span = flow.as_ref().map(|(span, _)| span.clone()).unwrap_or(table.span());
    let flow = flow.map_or(Some(pages.flow), |(_, flow)| flow)?;
    let secret = match secret {
        Some(secret) => Some(secret?),
        None => None,
    };
    if let Some(message) = unfit(provider, flow, tenant.is_some(), secret.is_some()) {
        table.reader().report(&flow_span, message);
        return None;
    }
    if flow == OAuthFlow::Browser && pages.authorize.is_none() {
        table.miss("authorize_url");
    }
    let id = id?;
    let kind = if purpose == Purpose::Relay { "relay" } else { "mailbox" };
    Some(OAuth {
        login: format!("{kind}/{id}"),
        provider,
        flow,
        client_id,
        client_secret: secret,
        secret_expires,
        scope: pages.scope?,
        token_url: pages.token?,
        device_url: pages.device,
        authorize_url: pages.authorize,
        token_file: key_file.with_file_name(format!("oauth-{kind}-{id}.json")),
    })
}

/// The pages that the table names, and the usual ones where it names none.
fn read_pages(table: &mut Table<'_>, provider: OAuthProvider, usual: Pages) -> Pages {
    let mut page = |key, usual: Option<String>| table.take(key).map_or(usual, protected_url);
    let (device, authorize) = (page("device_url", usual.device), page("authorize_url", usual.authorize));
    let mut needed = |key| if provider == OAuthProvider::Other { table.need(key) } else { table.take(key) };
    let token = needed("token_url").map_or(usual.token, protected_url);
    let scope = needed("scope").map_or(usual.scope, Value::text);
    let is_by_code = provider != OAuthProvider::Other || device.is_some();
    let flow = if is_by_code { usual.flow } else { OAuthFlow::Browser };
    Pages { token, device, authorize, scope, flow }
}

/// Why a provider gives nothing by this flow, as far as one can know without asking.
fn unfit(provider: OAuthProvider, flow: OAuthFlow, has_tenant: bool, has_secret: bool) -> Option<&'static str> {
    match (provider, flow) {
        (OAuthProvider::Google, OAuthFlow::Device) => {
            Some("google gives no mail by a code on another device; set flow = \"browser\"")
        }
        (OAuthProvider::Google, OAuthFlow::Application) => {
            Some("google gives no mail to a program without a person; set flow = \"browser\"")
        }
        (_, OAuthFlow::Application) if !has_secret => {
            Some("flow = \"application\" signs in by `client_secret`, which is missing")
        }
        (OAuthProvider::Microsoft, OAuthFlow::Application) if !has_tenant => {
            Some("flow = \"application\" needs `tenant`, the directory's id or domain")
        }
        _ => None,
    }
}

impl Pages {
    fn of(provider: OAuthProvider, purpose: Purpose, flow: Option<OAuthFlow>, tenant: Option<&str>) -> Self {
        match provider {
            OAuthProvider::Microsoft => Self::microsoft(purpose, flow, tenant.unwrap_or("organizations")),
            // Google: "OAuth 2.0 for mobile and desktop apps", and "XOAUTH2 protocol" for the scope.
            OAuthProvider::Google => Self {
                token: Some("https://oauth2.googleapis.com/token".into()),
                device: None,
                authorize: Some("https://accounts.google.com/o/oauth2/v2/auth".into()),
                scope: Some("https://mail.google.com/".into()),
                flow: OAuthFlow::Browser,
            },
            OAuthProvider::Other => {
                Self { token: None, device: None, authorize: None, scope: None, flow: OAuthFlow::Device }
            }
        }
    }

    /// Microsoft: "Authenticate an IMAP, POP or SMTP connection using OAuth". A program on its
    /// own asks for all that its registration was granted, and of the other host.
    fn microsoft(purpose: Purpose, flow: Option<OAuthFlow>, tenant: &str) -> Self {
        let page = |name: &str| Some(format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{name}"));
        let scope = match (flow, purpose) {
            (Some(OAuthFlow::Application), _) => "https://outlook.office365.com/.default",
            (_, Purpose::Relay) => "https://outlook.office.com/SMTP.Send offline_access",
            (_, Purpose::Mailbox) => "https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
        };
        Self {
            token: page("token"),
            device: page("devicecode"),
            authorize: page("authorize"),
            scope: Some(scope.into()),
            flow: OAuthFlow::Device,
        }
    }
}

fn tenant(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        if fits { Ok(text.to_owned()) } else { Err("is neither the id nor the domain of a directory") }
    })
}

fn protected_url(value: Value<'_>) -> Option<String> {
    let (reader, span) = (value.reader(), value.span());
    let url = url(value)?;
    if url.scheme() != "https" && !url.host_str().is_some_and(is_loopback) {
        reader.report(&span, "the url must begin with https://, for tokens come from it");
        return None;
    }
    Some(url.into())
}

/// Keys that a login by OAuth makes needless.
pub(super) fn refuse_password(table: &mut Table<'_>) {
    if let Some(password) = table.take("password") {
        password.report("stands beside `oauth`; keep one of the two");
    }
}
