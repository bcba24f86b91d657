//! One client: what happened, why, and what was sent to them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};

use super::captured::{self, Mail};
use super::{Site, Trouble, frame};
use crate::client::why;
use crate::demo::company;
use crate::demo::story::{self, Event};
use crate::model::id::ContactId;

/// `GET /clients/{contact}`.
pub(super) async fn show(State(site): State<Arc<Site>>, Path(contact): Path<i64>) -> Result<Response, Trouble> {
    let contact = ContactId(contact);
    let facts = why::load(&site.store, contact, site.clock.now()).await?;
    let events = story::events(&facts, &site.store.consents(contact).await?);
    let client = &facts.client.contact;
    let mails = client.email.as_ref().map(|email| captured::mails_to(&site.servers, email.as_str()));
    let faxes = client.fax.as_ref().map(|number| captured::faxes_to(&site.servers, number.as_str()));
    let owner = facts.client.owner.as_ref().map_or("nobody", |owner| owner.name.as_str());
    let content = html! {
        p.soft { (facts.client.account.name) ", " (facts.client.account.city.as_ref().map_or("", |city| city.as_str()))
            ". " (owner) " writes to them." }
        p { a href="/" { "All clients" } }
        div.two {
            section {
                h2 { "What happened" }
                (timeline(&events))
                h2 { "Why" }
                p.soft { "Each decision with its rule, as " code { "outreachd why" } " prints it." }
                pre { (why::tell(&facts)) }
            }
            section {
                h2 { "What was sent" }
                @for fax in faxes.iter().flatten() { (fax_page(*fax)) }
                @for mail in mails.iter().flatten() { (letter(mail)) }
                @if mails.iter().flatten().next().is_none() {
                    p { "No letter has been taken for them." }
                }
            }
        }
    };
    Ok(frame::page(client.name.as_str(), &content))
}

fn timeline(events: &[Event]) -> Markup {
    let zone = company::zone();
    html! {
        ol.timeline {
            @for Event { at, word, text } in events {
                li {
                    time datetime=(at) { (zone.to_datetime(*at).strftime("%a %-d %b %H:%M")) }
                    " " span.word { (word) }
                    @for line in text { p { (line) } }
                }
            }
        }
    }
}

/// A captured mail: the letter in a frame, its header folded below.
pub(super) fn letter(mail: &Mail) -> Markup {
    let address = format!("/mails/{}", mail.number);
    html! {
        article {
            h3 lang="sv" { (mail.subject) }
            p.soft { "from " (mail.from) }
            iframe title=(mail.subject) src=(address) sandbox="allow-popups allow-popups-to-escape-sandbox"
                loading="lazy" {}
            details {
                summary { "Header" }
                pre { (mail.head) }
            }
            p { a href={ (address) "/source" } { "Every byte of it" } }
        }
    }
}

fn fax_page(number: usize) -> Markup {
    let address = format!("/faxes/{number}");
    html! {
        article {
            h3 { "Fax" }
            iframe.fax title="the fax's pages" src=(address) loading="lazy" {}
            p { a href=(address) { "The page as PDF" } }
        }
    }
}
