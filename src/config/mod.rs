//! The configuration: one struct per section, read from TOML and the environment.
//!
//! Everything wrong is reported at once. Secrets are named by file or variable
//! and never stand in the file itself. The strict reader of [`table`] and [`value`]
//! serves the campaign files too.

pub mod dkim;
mod guard;
mod heard;
pub mod keys;
pub mod limits;
mod load;
mod oauth;
mod overlay;
mod preset;
mod secret;
pub mod sections;
mod sender;
mod servers;
pub mod shape;
pub mod table;
mod timeouts;
pub mod value;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::civil::Time;
use secrecy::SecretString;

use crate::model::address::{EmailAddress, PhoneNumber};
use crate::model::lane::{Lane, OTHER, Stream};
use crate::model::language::Language;
use crate::model::limit::{Limit, Scope};
use crate::model::mistake::Mistake;
use crate::model::text::Line;
use crate::policy::guard::Rails;
use crate::policy::providers::Providers;
use crate::policy::resolve::Unanswered;

pub use heard::Heard;
pub use load::{ConfigError, load, parse};
pub use oauth::{OAuth, OAuthFlow, OAuthProvider};
pub use secret::{SecretError, SecretRef};
pub use sender::is_aligned;
pub use timeouts::Timeouts;

/// The whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are.
    pub company: Company,
    /// Where the rows are.
    pub database: Database,
    /// Where campaigns and templates are read from.
    pub files: Files,
    /// The brands that letters are sent as; the first is the default.
    pub senders: Vec<Sender>,
    /// The mail servers that take our letters.
    pub relays: Vec<Relay>,
    /// The fax gateway, if there is one.
    pub fax: Option<Fax>,
    /// The mailboxes that answers and bounces come back to.
    pub mailboxes: Vec<Mailbox>,
    /// Pages, hooks and health.
    pub web: Web,
    /// The morning mail.
    pub digest: Digest,
    /// The daemon itself.
    pub daemon: Daemon,
    /// Who is never to be written to more than once at a time.
    pub limits: Limits,
    /// When a campaign has gone wrong.
    pub guard: Rails,
    /// How fast letters leave.
    pub pace: Pace,
}

/// `[company]`: who we are.
#[derive(Clone, Debug)]
pub struct Company {
    /// The name people know.
    pub name: Line,
    /// The head of the company, who alone appoints and dismisses managers.
    pub head: EmailAddress,
    /// ISO 3166 alpha-2: the country of numbers and clients that name none.
    pub country: String,
    /// The IANA zone of clients whose country says nothing.
    pub zone: String,
    /// The language of pages and digests that name none.
    pub language: Language,
}

/// `[database]`: where the rows are.
#[derive(Clone, Debug)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://...`. A password goes into `url_file` instead.
    pub url: Option<String>,
    /// A file that holds the URL.
    pub url_file: Option<PathBuf>,
}

impl Database {
    /// The URL, from the configuration or from its file.
    ///
    /// # Errors
    /// The file cannot be read, or everyone can read it.
    pub fn reveal_url(&self) -> Result<SecretString, SecretError> {
        match (&self.url, &self.url_file) {
            (Some(url), _) => Ok(url.clone().into()),
            (None, Some(file)) => SecretRef::File(file.clone()).reveal(),
            (None, None) => Err(SecretError::Unset("OUTREACHD_DATABASE__URL".into())),
        }
    }
}

/// `[files]`: folders, relative to the configuration file's own.
#[derive(Clone, Debug)]
pub struct Files {
    /// Campaign files, `*.toml`.
    pub campaigns: PathBuf,
    /// Templates.
    pub templates: PathBuf,
    /// The key that tokens in letters are signed with.
    pub key_file: PathBuf,
}

impl Default for Files {
    fn default() -> Self {
        Self { campaigns: "campaigns".into(), templates: "../templates".into(), key_file: "token.key".into() }
    }
}

/// `[[sender]]`: a brand.
#[derive(Clone, Debug)]
pub struct Sender {
    /// Its slug.
    pub id: String,
    /// The legal name, printed in each letter.
    pub legal_name: Line,
    /// The postal address on one line, printed in each letter.
    pub postal_address: Line,
    /// The address letters come from; an owner's name is put before it.
    pub from: EmailAddress,
    /// Where answers go, if not to `from`. It must be an address a mailbox below reads.
    pub reply_to: Option<EmailAddress>,
    /// The envelope's return path, to which `+token` is added before the `@`.
    pub bounces: Option<EmailAddress>,
    /// The relay that takes its letters; the first where absent.
    pub relay: Option<String>,
    /// The number faxes come from.
    pub fax: Option<PhoneNumber>,
    /// The telephone number printed on fax pages and letters.
    pub phone: Option<PhoneNumber>,
    /// The keys that sign its letters; none leaves it to the relay.
    pub dkim: Vec<Dkim>,
    /// The SenderId of its Feedback-ID: 5 to 15 characters that never change.
    pub feedback_id: String,
    /// Whether its campaigns' letters say `Auto-Submitted: auto-generated`.
    pub auto_submitted: bool,
}

/// A DKIM key of a sender, by what the DNS knows of it (RFC 6376 3.1).
#[derive(Clone, Debug)]
pub struct Dkim {
    /// The selector, `2027a`: the record stands at `2027a._domainkey.DOMAIN`.
    pub selector: String,
    /// The signing domain: that of the sender's From, one above it or one below it.
    pub domain: String,
    /// Where the private key is, in PEM.
    pub key: SecretRef,
    /// It signs nothing new, only what it signed before and is tried again.
    pub retired: bool,
}

/// `[[relay]]`: a mail server.
#[derive(Clone, Debug)]
pub struct Relay {
    /// Its slug.
    pub id: String,
    /// Host name, which its certificate must carry.
    pub host: String,
    /// Port: 587 for STARTTLS, 465 for implicit TLS.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// A PEM file of further authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// The name to log in with.
    pub username: Option<String>,
    /// The password.
    pub password: Option<SecretRef>,
    /// The login by OAuth instead of a password.
    pub oauth: Option<OAuth>,
    /// The name we greet with; the host's own where absent.
    pub hello: Option<String>,
    /// Sessions at a time.
    pub sessions: usize,
    /// Messages in one session before it is closed.
    pub messages_per_session: usize,
    /// Its Postfix's log, where the relay runs on this machine: it tells of letters whose
    /// answer was lost.
    pub log: Option<PathBuf>,
    /// The relay that takes its letters while it cannot be reached.
    pub backup: Option<String>,
    /// What its provider allows, by its preset; a `[[limit]]` for the relay stands instead of it.
    pub allowance: Limit,
    /// How long each of its answers is waited for.
    pub timeouts: Timeouts,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS, required: without it nothing is sent.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None: only to a loopback address.
    None,
}

/// `[fax]`: the gateway.
#[derive(Clone, Debug)]
pub struct Fax {
    /// The gateway's make.
    pub gateway: FaxGateway,
    /// Its base URL, up to and with the project.
    pub base_url: String,
    /// The key's name.
    pub key: String,
    /// The key's secret.
    pub secret: SecretRef,
    /// Seconds between two looks at a fax whose callback has not come.
    pub poll_s: u64,
}

/// A make of fax gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FaxGateway {
    /// Sinch Fax v3.
    #[default]
    Sinch,
}

/// `[[mailbox]]`: where answers come back.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Its slug, which names its place in the database.
    pub id: String,
    /// A Maildir folder (with `new` and `cur` in it), if it is one.
    pub maildir: Option<PathBuf>,
    /// The IMAP server's host, if it is one.
    pub host: Option<String>,
    /// Its port: 993 for implicit TLS, 143 for STARTTLS.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// A PEM file of further authorities to trust.
    pub ca_file: Option<PathBuf>,
    /// The name to log in with.
    pub username: Option<String>,
    /// The password.
    pub password: Option<SecretRef>,
    /// The login by OAuth instead of a password.
    pub oauth: Option<OAuth>,
    /// The folder on the server.
    pub folder: String,
    /// The folder into which the server puts copies of what its relay takes, where it does:
    /// it tells of letters whose answer was lost.
    pub sent: Option<String>,
    /// Seconds between two looks.
    pub poll_s: u64,
}

/// `[web]`: pages, hooks and health.
#[derive(Clone, Debug)]
pub struct Web {
    /// The address to listen on.
    pub listen: String,
    /// The address clients see, a `https://` one in front of `listen`.
    pub public_url: String,
}

impl Default for Web {
    fn default() -> Self {
        Self { listen: "127.0.0.1:8025".into(), public_url: "http://127.0.0.1:8025".into() }
    }
}

/// `[digest]`: the morning mail.
#[derive(Clone, Debug)]
pub struct Digest {
    /// The name and address it comes from; the first sender's where absent.
    pub from: Option<EmailAddress>,
    /// When it comes, by each manager's clock, unless they have their own hour.
    pub at: Time,
}

impl Default for Digest {
    fn default() -> Self {
        Self { from: None, at: jiff::civil::time(7, 30, 0, 0) }
    }
}

/// `[daemon]`: the daemon itself.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// A URL that is fetched every minute while all is well, so that silence is noticed.
    pub heartbeat_url: Option<String>,
    /// How long a daemon may be silent before the others on its PostgreSQL take it for dead.
    pub lease_s: u64,
    /// The name server that is asked whose hosts take the mail of recipients' domains; if
    /// absent, the system's.
    pub resolver: Option<SocketAddr>,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { heartbeat_url: None, lease_s: 30, resolver: None }
    }
}

/// `[limits]`: how much at once.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Contacts of one account that may be under way in campaigns at a time.
    pub contacts_per_account: u32,
    /// Tries at one delivery before it is rejected; as many as fill four to five days.
    pub attempts: u32,
    /// What becomes of a mail of which nobody knows whether it left.
    pub uncertain: Unanswered,
    /// Hours in which evidence may settle it before that.
    pub uncertain_after_h: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (attempts, uncertain) = (crate::policy::retry::MAX_TRIES, Unanswered::default());
        Self { contacts_per_account: 1, attempts, uncertain, uncertain_after_h: 24 }
    }
}

/// `[[limit]]` and `[[provider]]`: how fast letters leave.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// What each thing that is named may do.
    pub limits: BTreeMap<Scope, Limit>,
    /// What each recipient domain may get that has neither a limit of its own nor a provider.
    pub each_domain: Option<Limit>,
    /// Which provider takes the mail of which domains, by name.
    pub providers: Providers,
    /// Which does by its hosts, as far as the DNS has said.
    pub heard: Heard,
    /// What to say of a campaign that a limit names, if there is none of that name.
    pub campaigns: BTreeMap<String, Mistake>,
}

impl Pace {
    /// Whether some limit depends on who gets the letter.
    pub fn limits_recipients(&self) -> bool {
        let of_recipient = |scope: &Scope| matches!(scope, Scope::Domain(_) | Scope::Provider(_));
        self.each_domain.is_some() || self.limits.keys().any(of_recipient)
    }

    /// The limit of a recipient domain, if it has one of its own.
    pub fn domain(&self, name: &str) -> Option<Limit> {
        let own = self.limits.get(&Scope::Domain(name.to_owned())).copied();
        own.or_else(|| self.each_domain.filter(|_| &*self.provider(name) == OTHER))
    }

    /// The provider that takes the mail of a domain, as far as is known now, or [`OTHER`].
    pub fn provider(&self, domain: &str) -> Cow<'_, str> {
        let named = self.providers.of(domain);
        if named != OTHER || !self.providers.has_hosts() {
            return Cow::Borrowed(named);
        }
        self.heard.provider(domain).map_or(Cow::Borrowed(OTHER), |id| Cow::Owned((*id).to_owned()))
    }
}

impl Relay {
    /// A relay without a login, with the time-outs of RFC 5321 4.5.3.2.
    pub fn new(id: &str, host: &str, port: u16, tls: Tls) -> Self {
        Self {
            id: id.to_owned(),
            host: host.to_owned(),
            port,
            tls,
            ca_file: None,
            username: None,
            password: None,
            oauth: None,
            hello: None,
            sessions: 4,
            messages_per_session: 100,
            log: None,
            backup: None,
            allowance: Limit::default(),
            timeouts: Timeouts::default(),
        }
    }
}

impl Config {
    /// The sender with this id, or the default one.
    pub fn find_sender(&self, id: Option<&str>) -> Option<&Sender> {
        match id {
            Some(id) => self.senders.iter().find(|sender| sender.id == id),
            None => self.senders.first(),
        }
    }

    /// The relay that takes a sender's letters.
    pub fn find_relay(&self, sender: &Sender) -> Option<&Relay> {
        match &sender.relay {
            Some(id) => self.relays.iter().find(|relay| relay.id == *id),
            None => self.relays.first(),
        }
    }

    /// The lane of a mail of `sender` by `relay` to an address at `domain`.
    pub fn mail_lane(&self, sender: &Sender, relay: &Relay, stream: Stream, domain: &str) -> Lane {
        let provider = self.pace.provider(domain).into_owned();
        Lane::Email { relay: relay.id.clone(), sender: sender.id.clone(), stream, provider }
    }
}
