//! What the demo's servers got, as the browser is to show it: letters, sources, fax pages.
//!
//! A letter is shown as nobody's page: it can run and load nothing, and its links
//! open in a window of their own.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use mail_parser::MessageParser;

use super::{Site, Trouble};
use crate::demo::mail_server::Received;
use crate::demo::world::Servers;

/// Mail carries its style inline; its links open beside it.
const LETTER: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox";

/// A browser's own viewer does not start under a stricter one.
const FAX: &str = "frame-ancestors 'self'";

/// A captured mail as the pages name it.
pub(super) struct Mail {
    /// Its number, in order of arrival.
    pub(super) number: usize,
    pub(super) subject: String,
    pub(super) from: String,
    /// Its header fields as they came.
    pub(super) head: String,
}

/// The captured mails to an address, oldest first.
pub(super) fn mails_to(servers: &Servers, address: &str) -> Vec<Mail> {
    let received = servers.relay.received().into_iter().enumerate();
    let to = |mail: &Received| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address));
    received.filter(|(_, mail)| to(mail)).map(|(number, mail)| read(number, &mail)).collect()
}

fn read(number: usize, received: &Received) -> Mail {
    let message = MessageParser::new().parse(&received.message);
    let raw = String::from_utf8_lossy(&received.message);
    let from = message.as_ref().and_then(|message| message.from()?.first()?.name().map(str::to_owned));
    Mail {
        number,
        subject: message.as_ref().and_then(|message| message.subject()).unwrap_or_default().to_owned(),
        from: from.unwrap_or_else(|| received.from.clone()),
        head: raw.split("\r\n\r\n").next().unwrap_or_default().to_owned(),
    }
}

/// A captured fax as the pages name it.
pub(super) struct Fax {
    /// The number of the first call in which it went, in order of arrival.
    pub(super) number: usize,
    /// The calls it took: each sends the same pages.
    pub(super) calls: usize,
}

/// The captured faxes to a telephone number, oldest first.
pub(super) fn faxes_to(servers: &Servers, number: &str) -> Vec<Fax> {
    let taken = servers.gateway.faxes();
    let mut faxes: Vec<Fax> = Vec::new();
    for (number, one) in taken.iter().enumerate().filter(|(_, fax)| fax.to == number) {
        match faxes.iter_mut().find(|fax| taken[fax.number].pdf == one.pdf) {
            Some(known) => known.calls += 1,
            None => faxes.push(Fax { number, calls: 1 }),
        }
    }
    faxes
}

/// `GET /mails/{number}`: the letter.
pub(super) async fn mail(State(site): State<Arc<Site>>, Path(number): Path<usize>) -> Result<Response, Trouble> {
    let received = find(&site, number)?;
    let message = MessageParser::new().parse(&received.message).ok_or(Trouble::Absent)?;
    let html = message.body_html(0).unwrap_or_default();
    // Only the target: where links lead stays as it is.
    let html = html.replacen("<head>", "<head><base target=\"_blank\">", 1);
    Ok((policy(LETTER), Html(html)).into_response())
}

/// `GET /mails/{number}/source`: every byte of it.
pub(super) async fn source(State(site): State<Arc<Site>>, Path(number): Path<usize>) -> Result<Response, Trouble> {
    let received = find(&site, number)?;
    let plain = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"))];
    Ok((policy(LETTER), plain, received.message.clone()).into_response())
}

/// `GET /faxes/{number}`: the fax's pages.
pub(super) async fn fax(State(site): State<Arc<Site>>, Path(number): Path<usize>) -> Result<Response, Trouble> {
    let fax = site.servers.gateway.faxes().into_iter().nth(number).ok_or(Trouble::Absent)?;
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/pdf"))];
    Ok((policy(FAX), kind, fax.pdf).into_response())
}

fn find(site: &Site, number: usize) -> Result<Arc<Received>, Trouble> {
    site.servers.relay.received_from(number).into_iter().next().ok_or(Trouble::Absent)
}

fn policy(text: &'static str) -> [(HeaderName, HeaderValue); 2] {
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(text)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}
