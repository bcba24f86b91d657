//! The shapes of texts that name something outside: a country, a zone, a host, a URL.

use std::net::{IpAddr, SocketAddr};

use url::Url;

use crate::model::mistake::did_you_mean;

use super::value::Value;

/// A country, ISO 3166 alpha-2 in upper case.
pub fn country(value: Value<'_>) -> Option<String> {
    let (reader, span) = (value.reader(), value.span());
    let text = value.text()?;
    if is_country(&text) {
        return Some(text);
    }
    let mistake = reader.mistake(&span, format!("`{text}` is no country; one is written by two letters, as SE"));
    let upper = text.to_uppercase();
    let meant = if upper == "UK" { "GB" } else { upper.as_str() };
    reader.push(if is_country(meant) { mistake.aside(format!("did you mean `{meant}`?")) } else { mistake });
    None
}

fn is_country(text: &str) -> bool {
    let letters = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
    letters && text.parse::<phonenumber::country::Id>().is_ok()
}

/// A time zone that the IANA database has.
pub fn zone(value: Value<'_>) -> Option<String> {
    let (reader, span) = (value.reader(), value.span());
    let text = value.text()?;
    if jiff::tz::TimeZone::get(&text).is_ok() {
        return Some(text);
    }
    let known: Vec<_> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let mistake = reader.mistake(&span, format!("there is no time zone `{text}`; one looks like Europe/Stockholm"));
    reader.push(match did_you_mean(&text, known.iter().map(String::as_str)) {
        Some(meant) => mistake.aside(format!("did you mean `{meant}`?")),
        None => mistake,
    });
    None
}

/// The name or address of a host, without a scheme or a port.
pub fn host(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let label = |label: &str| {
            !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let fits = text.parse::<IpAddr>().is_ok() || text.split('.').all(label);
        if fits { Ok(text.to_owned()) } else { Err("is no host; write its name alone, as smtp.company.example") }
    })
}

/// An `http://` or `https://` URL.
pub fn url(value: Value<'_>) -> Option<Url> {
    value.parse(|text| match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.fragment().is_none() => Ok(url),
        _ => Err("is no url; one looks like https://company.example"),
    })
}

/// An address to listen on, `127.0.0.1:8025`.
pub fn listen(value: Value<'_>) -> Option<String> {
    value.parse(|text| {
        let port = text.strip_prefix("localhost:").map(|port| port.parse::<u16>().is_ok());
        let fits = port.unwrap_or_else(|| text.parse::<SocketAddr>().is_ok());
        if fits { Ok(text.to_owned()) } else { Err("is no address to listen on; one looks like 127.0.0.1:8025") }
    })
}

/// Whether a host is this machine itself.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(|address| address.is_loopback())
}
