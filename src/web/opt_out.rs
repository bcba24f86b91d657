//! The opt-out link of a letter: a page that asks, and the POST that does it.
//!
//! RFC 8058: the POST of a mail program comes without cookies and from anywhere, so
//! the token is all it needs, and the answer is 2xx, never a redirect. Whatever it
//! carries opts out, for a body that we cannot read must not keep anybody on our
//! list; only the page's own other forms do something else: letters less often, and
//! the way back from either. GET and HEAD, which link scanners send, change nothing.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use url::form_urlencoded;

use super::refused::{Refusal, Refused};
use super::words::Words;
use super::{FORM_BYTES, Site, WebState, page};
use crate::model::act::{Act, Source};
use crate::model::address::Address;
use crate::model::id::DeliveryId;
use crate::model::language::Language;
use crate::model::response::OptOut;
use crate::model::token::TokenPurpose;
use crate::respond::opt_out::{self as respond, Letter, OptOutError};
use crate::store::StoreError;

type Token = Result<Path<String>, PathRejection>;

/// What a POST asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Stop.
    Stop(OptOut),
    /// Take back the opt-out that the page made.
    Undo,
    /// Letters less often.
    LessOften,
    /// Take back the choice of fewer letters that the page made.
    AsBefore,
}

/// What the page says above the fold.
#[derive(Clone, Copy)]
enum View {
    Ask,
    Already,
    Done,
    Undone,
    StillOut,
    LessOften,
    AsBefore,
}

/// `GET /u/{token}`: asks.
pub(super) async fn show(State(site): State<Arc<Site>>, token: Token) -> Result<Response, Refused> {
    let delivery = DeliveryId(site.row(TokenPurpose::OptOut, token)?);
    let now = site.state.clock.now();
    let letter = respond::find_letter(&site.state.store, delivery, now).await.map_err(|e| refuse(&site, &e))?;
    let view = if letter.opted_out { View::Already } else { View::Ask };
    page(&site, &letter, view).await
}

/// `POST /u/{token}`: does it.
pub(super) async fn act(State(site): State<Arc<Site>>, token: Token, request: Request) -> Result<Response, Refused> {
    let delivery = DeliveryId(site.row(TokenPurpose::OptOut, token)?);
    let body = to_bytes(request.into_body(), FORM_BYTES).await;
    let body = body.map_err(|_| site.state.refuse(Refusal::TooLarge))?;
    let asked = read(&body);
    // On its own, for a mail program may hang up before the answer, and that must not stop it half-way.
    let state = site.state.clone();
    let carried_out = tokio::spawn(async move { carry_out(&state, delivery, asked).await });
    let (letter, view) = match carried_out.await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return Err(refuse(&site, &error)),
        Err(_) => return Err(site.state.refuse(Refusal::Unavailable)),
    };
    site.state.wake();
    page(&site, &letter, view).await
}

async fn carry_out(state: &WebState, delivery: DeliveryId, asked: Asked) -> Result<(Letter, View), OptOutError> {
    let now = state.clock.now();
    // The token is all we know of them: whoever holds the letter acts as the client.
    let act = Act::person("client", now).via(Source::Web);
    let view = match asked {
        Asked::Stop(how) => {
            respond::opt_out(&state.store, &act, delivery, how, now).await?;
            View::Done
        }
        Asked::Undo if respond::undo(&state.store, &act, delivery).await? => View::Undone,
        Asked::Undo => View::StillOut,
        Asked::LessOften => {
            respond::less_often(&state.store, &act, delivery).await?;
            View::LessOften
        }
        Asked::AsBefore => {
            respond::as_before(&state.store, &act, delivery).await?;
            View::AsBefore
        }
    };
    tracing::info!(delivery.id = delivery.0, ?asked, "opt-out page answered");
    let letter = respond::find_letter(&state.store, delivery, now).await?;
    let view = stands(view, &letter);
    Ok((letter, view))
}

/// What to say as things stand: another tab, or a second press, may have come before.
fn stands(view: View, letter: &Letter) -> View {
    match view {
        // A second press on the undo button finds nothing to lift, and nobody opted out.
        View::StillOut if !letter.opted_out => View::Undone,
        View::LessOften | View::AsBefore if letter.opted_out => View::Already,
        // Another letter's page made the choice, or it was long ago.
        View::AsBefore if letter.gap_days.is_some() => View::Ask,
        other => other,
    }
}

/// Reads what a POST asks for; anything but our own forms counts as one click.
fn read(body: &[u8]) -> Asked {
    let mut fields = form_urlencoded::parse(body);
    let (first, alone) = (fields.next(), fields.next().is_none());
    match first {
        Some((name, value)) if name == "undo" && value == "1" && alone => Asked::Undo,
        Some((name, value)) if name == "less" && value == "1" && alone => Asked::LessOften,
        Some((name, value)) if name == "before" && value == "1" && alone => Asked::AsBefore,
        Some((name, _)) if name == "page" => Asked::Stop(OptOut::Page),
        _ => Asked::Stop(OptOut::OneClick),
    }
}

fn refuse(site: &Site, error: &OptOutError) -> Refused {
    match error {
        OptOutError::Absent(_) => site.not_found(),
        OptOutError::Store(error) => unavailable(site, error),
    }
}

/// The refusal while the database does not answer, which it also logs.
pub(super) fn unavailable(site: &Site, error: &StoreError) -> Refused {
    tracing::error!(%error, "a page could not be answered");
    site.state.refuse(Refusal::Unavailable)
}

async fn page(site: &Site, letter: &Letter, view: View) -> Result<Response, Refused> {
    let language = language_of(&site.state, letter).await.map_err(|error| unavailable(site, &error))?;
    let company = site.state.config.company.name.as_str();
    Ok(markup(language, company, letter, view).into_response())
}

/// The contact's language, else the campaign's, else the company's.
async fn language_of(state: &WebState, letter: &Letter) -> Result<Language, StoreError> {
    if let Some(contact) = letter.contact
        && let Some(client) = state.store.clients(&[contact]).await?.into_iter().next()
        && let Some(language) = client.contact.language
    {
        return Ok(language);
    }
    let Some(revision) = letter.delivery.revision else { return Ok(state.config.company.language) };
    match state.store.get_revision(revision).await {
        Ok(revision) => Ok(revision.campaign.language),
        Err(StoreError::Absent { .. }) => Ok(state.config.company.language),
        Err(error) => Err(error),
    }
}

fn markup(language: Language, company: &str, letter: &Letter, view: View) -> Markup {
    let words = Words::of(language);
    if letter.contact.is_none() {
        return page::frame(language, words.test, Some(company), &html! { p { (words.test_text) } });
    }
    let (title, text) = said(words, company, letter, view);
    let content = html! {
        p { (text) }
        @if let View::Ask = view { ul { @for stop in words.stops { li { (stop) } } } }
        @if let Some(address) = masked(letter) { p.recipient { span { (words.recipient) } (address) } }
        @match view {
            View::Ask => (choices(words, letter)),
            View::Done => p.soft { (words.under_way) },
            View::LessOften => (nothing_more(words)),
            View::Undone => @if let Some(days) = letter.gap_days { p.soft { ((words.has_less)(days)) } },
            View::Already | View::StillOut | View::AsBefore => {}
        }
        @if letter.undo.is_some() {
            (way_back(words, "undo", words.undo))
        } @else if letter.undo_gap && !letter.opted_out {
            (way_back(words, "before", words.as_before))
        }
    };
    page::frame(language, title, Some(company), &content)
}

/// The heading and the first lines of a view.
fn said(words: &Words, company: &str, letter: &Letter, view: View) -> (&'static str, String) {
    match view {
        View::Ask => (words.ask, (words.ask_text)(company)),
        View::Already => (words.already, (words.done_text)(company)),
        View::Done => (words.done, (words.done_text)(company)),
        View::Undone => (words.undone, (words.undone_text)(company)),
        View::StillOut => (words.still, words.still_text.to_owned()),
        View::LessOften => {
            let days = letter.gap_days.unwrap_or(respond::LESS_OFTEN_DAYS);
            (words.less_done, (words.less_done_text)(company, days))
        }
        View::AsBefore => (words.before, (words.before_text)(company)),
    }
}

/// Nothing more, or letters less often. Without an action a form goes to this very page,
/// whatever path a proxy put before it.
fn choices(words: &Words, letter: &Letter) -> Markup {
    html! {
        p.soft { (words.keeps) }
        form method="post" {
            button type="submit" name="page" value="1" { (words.button) }
            @if letter.gap_days.is_none() {
                button.second type="submit" name="less" value="1" aria-describedby="less" { (words.less) }
            }
        }
        @match letter.gap_days {
            Some(days) => p.soft.below { ((words.has_less)(days)) },
            None => p.soft.below id="less" { ((words.less_text)(respond::LESS_OFTEN_DAYS)) },
        }
    }
}

fn nothing_more(words: &Words) -> Markup {
    html! {
        p.soft { (words.under_way) }
        form method="post" { button.second type="submit" name="page" value="1" { (words.stop_after_all) } }
    }
}

fn way_back(words: &Words, name: &str, button: &str) -> Markup {
    html! {
        p.mistake { (words.by_mistake) }
        form method="post" { button.quiet type="submit" name=(name) value="1" { (button) } }
    }
}

/// The address, masked: whoever got the letter forwarded sees no more than that.
fn masked(letter: &Letter) -> Option<String> {
    match Address::parse(letter.delivery.channel, &letter.delivery.address).ok()? {
        Address::Email(address) => Some(address.to_string()),
        Address::Fax(number) => Some(number.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_everything_but_the_pages_other_forms_for_an_opt_out() {
        let one_click = Asked::Stop(OptOut::OneClick);
        assert_eq!(read(b"List-Unsubscribe=One-Click"), one_click);
        assert_eq!(read(b"--b\r\nContent-Disposition: form-data; name=\"undo\"\r\n\r\n1\r\n--b--\r\n"), one_click);
        assert_eq!(read(b""), one_click);
        assert_eq!(read(b"\xff\xfe"), one_click);
        assert_eq!(read(b"List-Unsubscribe=One-Click&undo=1"), one_click);
        assert_eq!(read(b"undo=1&List-Unsubscribe=One-Click"), one_click);
        assert_eq!(read(b"page=1"), Asked::Stop(OptOut::Page));
        assert_eq!(read(b"undo=1"), Asked::Undo);
        assert_eq!(read(b"less=1"), Asked::LessOften);
        assert_eq!(read(b"before=1"), Asked::AsBefore);
        assert_eq!(read(b"less=1&List-Unsubscribe=One-Click"), one_click);
        assert_eq!(read(b"less=2"), one_click);
        assert_eq!(read(b"before=1&less=1"), one_click);
    }
}
