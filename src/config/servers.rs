//! The sections that name a server: relay, mailbox, fax gateway.

use std::cell::RefCell;
use std::ops::Range;
use std::path::Path;

use super::oauth::{Purpose, read_oauth, refuse_password};
use super::preset::{Preset, refuse_region};
use super::sections::{Site, read_id};
use super::shape::{host, is_loopback, url};
use super::table::Table;
use super::timeouts::read_timeouts;
use super::value::Value;
use super::{Fax, FaxGateway, Mailbox, OAuth, Relay, SecretRef, Tls};

const TLS: [(&str, Tls); 3] = [("starttls", Tls::Starttls), ("implicit", Tls::Implicit), ("none", Tls::None)];

/// Host, port and protection of one server, as far as they could be read.
struct Endpoint {
    host: Option<String>,
    port: Option<u16>,
    tls: Option<Tls>,
}

/// What a relay names as its backup, and where: looked at when all relays are read.
pub(super) struct Backup {
    pub(super) of: Option<String>,
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

pub(super) fn read_relay(
    mut table: Table<'_>,
    site: &Site,
    key_file: &Path,
    backups: &RefCell<Vec<Backup>>,
) -> Option<(Relay, Range<usize>)> {
    let id = read_id(&mut table);
    let named = Preset::read(&mut table);
    let preset = named.flatten();
    let endpoint = read_relay_endpoint(&mut table, named);
    let ca_file = table.take("ca_file").and_then(Value::text).map(|path| site.locate(path));
    let name = id.as_ref().map(|(id, _)| id.as_str());
    // Another host of the same provider may know this machine by its address.
    let required = preset.is_some_and(|preset| preset.oauth && endpoint.host.as_ref() == Some(&preset.host));
    let login = read_login(&mut table, site, key_file, Purpose::Relay, (name, required));
    let hello = table.take("hello").and_then(self::host);
    let timeouts = read_timeouts(table.take("timeouts"));
    let mut count = |key, default, most| table.take(key).map_or(Some(default), |value| value.integer(1..=most));
    let sessions = count("sessions", preset.map_or(4, |p| p.sessions), 100);
    let messages = count("messages_per_session", preset.map_or(100, |p| p.messages_per_session), 100_000);
    let log = table.take("log").and_then(Value::text).map(|path| site.locate(path));
    let backup = table.take("backup").and_then(|value| {
        let (span, name) = (value.span(), value.text()?);
        let of = id.as_ref().map(|(id, _)| id.clone());
        backups.borrow_mut().push(Backup { of, name: name.clone(), span });
        Some(name)
    });
    let (id, span) = id?;
    let login = login?;
    let relay = Relay {
        id,
        host: endpoint.host?,
        port: endpoint.port?,
        tls: endpoint.tls?,
        ca_file,
        username: login.username,
        password: login.password,
        oauth: login.oauth,
        hello,
        sessions: usize::try_from(sessions?).ok()?,
        messages_per_session: usize::try_from(messages?).ok()?,
        log,
        backup,
        timeouts: timeouts?,
        allowance: preset.map(Preset::allowance).unwrap_or_default(),
    };
    Some((relay, span))
}

/// Host, port and protection, each from the table or else from the preset.
fn read_relay_endpoint(table: &mut Table<'_>, named: Option<Option<&Preset>>) -> Endpoint {
    let Some(Some(preset)) = named else {
        // What a misspelt preset would have brought is not missed as well.
        let mut key = |key| if named.is_none() { table.need(key) } else { table.take(key) };
        let (host, port) = (key("host"), key("port"));
        if named.is_none() {
            refuse_region(table);
        }
        return read_endpoint(table, host, port, (Tls::Starttls, 465, 587));
    };
    let (host, port) = (table.take("host"), table.take("port"));
    let (has_host, has_port) = (host.is_some(), port.is_some());
    let (usual_tls, usual_port) = preset.usual(!has_host);
    let mut endpoint = read_endpoint(table, host, port, (usual_tls, 465, 587));
    if has_host {
        refuse_region(table);
    } else {
        endpoint.host = preset.host(table);
        refuse_region(table);
    }
    if !has_port {
        endpoint.port = Some(if endpoint.tls == Some(Tls::Implicit) { 465 } else { usual_port });
    }
    endpoint
}

pub(super) fn read_mailbox(mut table: Table<'_>, site: &Site, key_file: &Path) -> Option<(Mailbox, Range<usize>)> {
    let id = read_id(&mut table);
    let maildir = table.take("maildir");
    let host = table.take("host");
    match (&maildir, &host) {
        (Some(_), Some(host)) => host.report("stands beside `maildir`; a mailbox is one or the other"),
        (None, None) => table.reader().report(&table.span(), "a mailbox needs `maildir` or `host`"),
        _ => {}
    }
    let is_imap = host.is_some() && maildir.is_none();
    let maildir = maildir.and_then(Value::text).map(|path| site.locate(path));
    let port = table.take("port");
    let endpoint = read_endpoint(&mut table, host, port, (Tls::Implicit, 993, 143));
    let ca_file = table.take("ca_file").and_then(Value::text).map(|path| site.locate(path));
    let name = id.as_ref().map(|(id, _)| id.as_str());
    let login = read_login(&mut table, site, key_file, Purpose::Mailbox, (name, is_imap));
    let folder = table.take("folder").map_or(Some("INBOX".into()), Value::text);
    let sent = table.take("sent");
    if let Some(value) = sent.as_ref().filter(|_| !is_imap) {
        value.report("is a folder of an IMAP server, and this mailbox is none");
    }
    let sent = sent.and_then(Value::text);
    let poll = table.take("poll_s").map_or(Some(30), |value| value.integer(1..=86_400));
    let (id, span) = id?;
    let (port, tls) = (endpoint.port.unwrap_or(993), endpoint.tls?);
    let (host, login) = (endpoint.host, login?);
    let mailbox = Mailbox {
        id,
        maildir,
        host,
        port,
        tls,
        ca_file,
        username: login.username,
        password: login.password,
        oauth: login.oauth,
        folder: folder?,
        sent,
        poll_s: poll?,
    };
    Some((mailbox, span))
}

pub(super) fn read_fax(mut table: Table<'_>, site: &Site) -> Option<Fax> {
    let gateway =
        table.take("gateway").map_or(Some(FaxGateway::Sinch), |value| value.word(&[("sinch", FaxGateway::Sinch)]));
    let base_url = table.need("base_url").and_then(|value| {
        let (reader, span) = (value.reader(), value.span());
        let url = url(value)?;
        if url.scheme() != "https" && !url.host_str().is_some_and(is_loopback) {
            reader.report(&span, "`base_url` must begin with https://, for the secret goes with each fax");
        }
        Some(url.as_str().trim_end_matches('/').to_owned())
    });
    let key = table.need("key").and_then(Value::text);
    let secret = table.need("secret").and_then(|value| read_secret(value, site));
    let poll = table.take("poll_s").map_or(Some(60), |value| value.integer(1..=86_400));
    Some(Fax { gateway: gateway?, base_url: base_url?, key: key?, secret: secret?, poll_s: poll? })
}

/// Reads host, port and `tls`, and whether they go together; `usual` is the
/// protection where none is named, the port of TLS from the first byte, the other port.
fn read_endpoint(
    table: &mut Table<'_>,
    host_value: Option<Value<'_>>,
    port_value: Option<Value<'_>>,
    usual: (Tls, u16, u16),
) -> Endpoint {
    let reader = table.reader();
    let (default_tls, implicit_port, starttls_port) = usual;
    let tls_value = table.take("tls");
    let tls_span = tls_value.as_ref().map(Value::span);
    let tls = tls_value.map_or(Some(default_tls), |value| value.word(&TLS));
    let host = host_value.and_then(host);
    let port_span = port_value.as_ref().map(Value::span);
    let port: Option<u16> = port_value.and_then(|value| value.integer(1..=65_535));
    let expected = match (port, tls) {
        (Some(port), Some(Tls::Starttls)) if port == implicit_port => Some(("tls from the first byte", "implicit")),
        (Some(port), Some(Tls::Implicit)) if port == starttls_port => Some(("starttls", "starttls")),
        _ => None,
    };
    if let (Some((what, word)), Some(span), Some(port)) = (expected, &port_span, port) {
        let mistake = reader.mistake(span, format!("port {port} expects {what}"));
        reader.push(mistake.hint(format!("set tls = \"{word}\"")));
    }
    if let (Some(Tls::None), Some(span), Some(host)) = (tls, tls_span, &host)
        && !is_loopback(host)
    {
        let message = format!("`tls` may be `none` only on this machine, and `{host}` is another");
        reader.push(reader.mistake(&span, message).hint("set tls = \"starttls\" or \"implicit\""));
    }
    Endpoint { host, port, tls }
}

/// A name and what proves it.
struct Login {
    username: Option<String>,
    password: Option<SecretRef>,
    oauth: Option<OAuth>,
}

/// Reads `username` and `password`, which go together, or `username` and `oauth`.
fn read_login(
    table: &mut Table<'_>,
    site: &Site,
    key_file: &Path,
    purpose: Purpose,
    (id, required): (Option<&str>, bool),
) -> Option<Login> {
    let username = table.take("username");
    let oauth = table.take("oauth");
    if oauth.is_some() {
        refuse_password(table);
    }
    let password = table.take("password");
    let proved = oauth.is_some() || password.is_some();
    if username.is_none() && (required || proved) {
        table.miss("username");
    }
    if !proved && (required || username.is_some()) {
        table.miss(if required && purpose == Purpose::Relay { "oauth" } else { "password" });
    }
    let oauth = match oauth {
        Some(value) => Some(read_oauth(value, site, key_file, purpose, id)?),
        None => None,
    };
    let password = password.and_then(|value| read_secret(value, site));
    Some(Login { username: username.and_then(Value::text), password, oauth })
}

/// Reads `{ file = "..." }` or `{ env = "..." }`; a secret written out is refused
/// without being repeated in the message.
pub(super) fn read_secret(value: Value<'_>, site: &Site) -> Option<SecretRef> {
    let reader = value.reader();
    if !value.is_table() {
        let mut mistake = value.mistake("does not stand in the configuration itself");
        (mistake.excerpt, mistake.width) = (None, 0);
        reader.push(mistake.hint("name its file, { file = \"...\" }, or its variable, { env = \"...\" }"));
        return None;
    }
    let span = value.span();
    let mut table = value.table("the secret", &["file", "env"])?;
    match (table.take("file"), table.take("env")) {
        (Some(file), None) => file.text().map(|path| SecretRef::File(site.locate_secret(&path))),
        (None, Some(name)) => name.text().map(SecretRef::Env),
        (Some(file), Some(name)) if file.is_override() => {
            drop(name);
            file.text().map(|path| SecretRef::File(site.locate_secret(&path)))
        }
        (Some(_), Some(name)) if name.is_override() => name.text().map(SecretRef::Env),
        _ => {
            reader.report(&span, "a secret needs either `file` or `env`");
            None
        }
    }
}
