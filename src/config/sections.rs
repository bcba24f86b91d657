//! The configuration's sections, each read from its table; what holds between two
//! keys or two sections is looked at where the second of them is read.
//!
//! It opens no file and asks no network: whether a host answers is `doctor`'s affair.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeTable;

use crate::model::address::EmailAddress;
use crate::model::language::Language;
use crate::model::limit::Scope;
use crate::model::text::Line;
use crate::policy::resolve::Unanswered;

use super::guard::{GUARD, read_guard};
use super::limits::{self, Known, read_providers};
use super::sender;
use super::servers::{Backup, read_fax, read_mailbox, read_relay};
use super::shape::{country, is_loopback, listen, url, zone};
use super::table::{Reader, Table};
use super::value::Value;
use super::{Company, Config, Daemon, Database, Digest, Files, Limits, Web};

/// Where the configuration stands, and what systemd handed over.
pub(super) struct Site {
    /// The configuration file's folder, absolute.
    pub(super) folder: PathBuf,
    /// systemd's folder of credentials.
    pub(super) credentials: Option<PathBuf>,
}

/// The languages by their codes.
pub const LANGUAGES: [(&str, Language); 2] = [("sv", Language::Sv), ("en", Language::En)];

const ROOT: [&str; 14] = [
    "company", "database", "files", "sender", "relay", "fax", "mailbox", "web", "digest", "daemon", "limits", "limit",
    "provider", "guard",
];
const COMPANY: [&str; 5] = ["name", "head", "country", "zone", "language"];
const RELAY: [&str; 16] = [
    "id",
    "preset",
    "region",
    "backup",
    "host",
    "port",
    "tls",
    "ca_file",
    "username",
    "password",
    "oauth",
    "hello",
    "sessions",
    "messages_per_session",
    "timeouts",
    "log",
];
const MAILBOX: [&str; 12] =
    ["id", "maildir", "host", "port", "tls", "ca_file", "username", "password", "oauth", "folder", "sent", "poll_s"];

const UNCERTAIN: [(&str, Unanswered); 3] =
    [("hold", Unanswered::Hold), ("resend", Unanswered::Resend), ("abandon", Unanswered::Abandon)];
const LIMITS: [&str; 4] = ["contacts_per_account", "attempts", "uncertain", "uncertain_after_h"];

/// Reads the whole configuration; what could not be read is told to `reader`.
pub(super) fn read_config<'r>(reader: &'r Reader<'r>, root: DeTable<'r>, site: &Site) -> Option<Config> {
    let mut root = reader.root(root, &ROOT);
    let company = root.need_section("company", &COMPANY).and_then(read_company);
    let country = company.as_ref().map(|company| company.country.clone());
    let database = root.need_section("database", &["url", "url_file"]).and_then(|table| read_database(table, site));
    let files = read_files(root.section("files", &["campaigns", "templates", "key_file"]), site);
    let backups = RefCell::default();
    let relays = root.need_sections("relay", &RELAY);
    let relays = read_each(relays, |table| read_relay(table, site, &files.key_file, &backups), |r| &r.id);
    let relay_ids: Vec<_> = relays.iter().flatten().map(|relay| relay.id.as_str()).collect();
    let complete = relays.iter().all(Option::is_some);
    check_backups(reader, complete.then_some(&relay_ids[..]), backups.into_inner());
    let senders = root.need_sections("sender", &sender::KEYS);
    let relay_ids = complete.then_some(&relay_ids[..]);
    let senders = read_each(senders, |table| sender::read(table, country.as_deref(), relay_ids, site), |s| &s.id);
    let fax = root.section("fax", &["gateway", "base_url", "key", "secret", "poll_s"]);
    let fax = fax.map(|table| read_fax(table, site));
    let mailboxes =
        read_each(root.sections("mailbox", &MAILBOX), |table| read_mailbox(table, site, &files.key_file), |m| &m.id);
    let web = read_web(root.section("web", &["listen", "public_url"]));
    let digest = read_digest(root.section("digest", &["from", "at"]));
    let daemon = read_daemon(root.section("daemon", &["heartbeat_url", "lease_s", "resolver"]));
    let limits = read_limits(root.section("limits", &LIMITS));
    let guard = read_guard(root.section("guard", &GUARD));
    let known = Known {
        relays: relay_ids.map(<[&str]>::to_vec),
        senders: senders.iter().map(|sender| sender.as_ref().map(|sender| sender.id.as_str())).collect(),
        providers: &read_providers(root.sections("provider", &limits::PROVIDER)),
    };
    let mut pace = limits::read_limits(root.sections("limit", &limits::KEYS), &known);
    for relay in relays.iter().flatten().filter(|relay| !relay.allowance.is_empty()) {
        pace.limits.entry(Scope::Relay(relay.id.clone())).or_insert(relay.allowance);
    }
    Some(Config {
        company: company?,
        database: database?,
        files,
        senders: senders.into_iter().collect::<Option<_>>()?,
        relays: relays.into_iter().collect::<Option<_>>()?,
        fax: fax.map_or(Some(None), |fax| fax.map(Some))?,
        mailboxes: mailboxes.into_iter().collect::<Option<_>>()?,
        web,
        digest,
        daemon,
        limits,
        pace,
        guard,
    })
}

/// Reads the tables of a list, whose ids must differ.
fn read_each<'r, T>(
    tables: Vec<Table<'r>>,
    read: impl Fn(Table<'r>) -> Option<(T, Range<usize>)>,
    id: impl Fn(&T) -> &str,
) -> Vec<Option<T>> {
    let mut seen: Vec<(String, usize)> = Vec::new();
    let mut things = Vec::new();
    for table in tables {
        let reader = table.reader();
        let Some((thing, span)) = read(table) else {
            things.push(None);
            continue;
        };
        match seen.iter().find(|(known, _)| known == id(&thing)) {
            Some((known, line)) => {
                reader.report(&span, format!("the id `{known}` is given twice, first in line {line}"))
            }
            None => seen.push((id(&thing).to_owned(), reader.line_of(&span))),
        }
        things.push(Some(thing));
    }
    things
}

/// The `id` of a list's table, and where it stands.
pub(super) fn read_id(table: &mut Table<'_>) -> Option<(String, Range<usize>)> {
    let value = table.need("id")?;
    let span = value.span();
    Some((value.slug()?, span))
}

fn read_company(mut table: Table<'_>) -> Option<Company> {
    let name = table.need("name").and_then(|value| value.parse(Line::parse));
    let head = table.need("head").and_then(|value| value.parse(EmailAddress::parse));
    let country = table.take("country").map_or(Some("SE".into()), country);
    let zone = table.take("zone").map_or(Some("Europe/Stockholm".into()), zone);
    let language = table.take("language").map_or(Some(Language::default()), |value| value.word(&LANGUAGES));
    Some(Company { name: name?, head: head?, country: country?, zone: zone?, language: language? })
}

fn read_database(mut table: Table<'_>, site: &Site) -> Option<Database> {
    let mut url = table.take("url");
    let mut file = table.take("url_file");
    // A variable is there to override the file, whichever of the two keys the file has.
    match (&url, &file) {
        (Some(value), Some(other)) if value.is_override() && !other.is_override() => file = None,
        (Some(value), Some(other)) if other.is_override() && !value.is_override() => url = None,
        (Some(_), Some(other)) => other.report("stands beside `url`; keep one of the two"),
        (None, None) => table.miss("url"),
        _ => {}
    }
    let (has_url, has_file) = (url.is_some(), file.is_some());
    let url = url.and_then(|value| read_database_url(value, site));
    let url_file = file.and_then(Value::text).map(|path| site.locate(path));
    (has_url == url.is_some() && has_file == url_file.is_some()).then_some(Database { url, url_file })
}

fn read_database_url(value: Value<'_>, site: &Site) -> Option<String> {
    let refused = |message: &str| {
        // The line may hold a password, and a terminal's output is kept in many places.
        let mut mistake = value.mistake(message);
        (mistake.excerpt, mistake.width) = (None, 0);
        mistake
    };
    let wrong_scheme = refused("must begin with sqlite: or postgres:");
    let open_password = refused("holds a password").hint("put the whole url into a file and name it by `url_file`");
    let is_override = value.is_override();
    let reader = value.reader();
    let written = value.text()?;
    if !["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| written.starts_with(scheme)) {
        reader.push(wrong_scheme);
        return None;
    }
    let has_password = url::Url::parse(&written).is_ok_and(|url| url.password().is_some());
    if has_password && !is_override {
        reader.push(open_password);
        return None;
    }
    Some(site.locate_database(&written))
}

fn read_files(table: Option<Table<'_>>, site: &Site) -> Files {
    let files = Files::default();
    let mut table = table;
    let mut path = |key, default: PathBuf| {
        let written = table.as_mut().and_then(|table| table.take(key)).and_then(Value::text);
        site.locate(written.map_or(default, PathBuf::from))
    };
    Files {
        campaigns: path("campaigns", files.campaigns),
        templates: path("templates", files.templates),
        key_file: path("key_file", files.key_file),
    }
}

fn read_web(table: Option<Table<'_>>) -> Web {
    let mut web = Web::default();
    let Some(mut table) = table else { return web };
    if let Some(address) = table.take("listen").and_then(listen) {
        web.listen = address;
    }
    if let Some(value) = table.take("public_url") {
        let (reader, span) = (value.reader(), value.span());
        let Some(public) = url(value) else { return web };
        if public.scheme() != "https" && !public.host_str().is_some_and(is_loopback) {
            reader.report(&span, "`public_url` must begin with https://, for clients follow it from their letters");
        }
        web.public_url = public.as_str().trim_end_matches('/').to_owned();
    }
    web
}

fn read_digest(table: Option<Table<'_>>) -> Digest {
    let mut digest = Digest::default();
    let Some(mut table) = table else { return digest };
    digest.from = table.take("from").and_then(|value| value.parse(EmailAddress::parse_ours));
    digest.at = table.take("at").and_then(Value::time).unwrap_or(digest.at);
    digest
}

fn read_daemon(table: Option<Table<'_>>) -> Daemon {
    let mut daemon = Daemon::default();
    let Some(mut table) = table else { return daemon };
    daemon.heartbeat_url = table.take("heartbeat_url").and_then(url).map(Into::into);
    daemon.lease_s = table.take("lease_s").and_then(|value| value.integer(2..=600)).unwrap_or(daemon.lease_s);
    daemon.resolver = table.take("resolver").and_then(|value| value.parse(resolver));
    daemon
}

/// A name server's address; its port is 53 where none is said.
fn resolver(text: &str) -> Result<SocketAddr, &'static str> {
    let text = text.trim();
    let at = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
    at.map_err(|_| "is no address of a name server; one looks like 127.0.0.53 or [::1]:5353")
}

fn read_limits(table: Option<Table<'_>>) -> Limits {
    let mut limits = Limits::default();
    let Some(mut table) = table else { return limits };
    let mut count = |key, default| table.take(key).map_or(Some(default), |value| value.integer(1..=1000));
    limits.contacts_per_account =
        count("contacts_per_account", limits.contacts_per_account).unwrap_or(limits.contacts_per_account);
    limits.attempts = count("attempts", limits.attempts).unwrap_or(limits.attempts);
    let hours = count("uncertain_after_h", limits.uncertain_after_h);
    limits.uncertain_after_h = hours.unwrap_or(limits.uncertain_after_h);
    limits.uncertain = table.take("uncertain").and_then(|value| value.word(&UNCERTAIN)).unwrap_or_default();
    limits
}

/// A backup is another relay that there is; two may stand in for each other.
fn check_backups(reader: &Reader<'_>, relays: Option<&[&str]>, backups: Vec<Backup>) {
    for Backup { of, name, span } in backups {
        if of.as_deref() == Some(&name) {
            reader.report(&span, format!("relay `{name}` cannot be its own backup"));
        } else if let Some(relays) = relays {
            limits::check_name(reader, &span, &name, relays, "relay");
        }
    }
}
