//! One client: what happened, why, and what was sent to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use maud::{Markup, html};

use super::captured::{self, Fax, Mail};
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
    // Where letters went, and not where they would go today: a dead address is no longer the client's.
    let addresses: BTreeSet<_> = facts.deliveries.iter().map(|row| row.address.as_str()).collect();
    let mails: Vec<_> = addresses.iter().flat_map(|address| captured::mails_to(&site.servers, address)).collect();
    let faxes: Vec<_> = addresses.iter().flat_map(|number| captured::faxes_to(&site.servers, number)).collect();
    let owner = facts.client.owner.as_ref().map_or("nobody", |owner| owner.name.as_str());
    let content = html! {
        p.soft { (facts.client.account.name) ", " (facts.client.account.city.as_ref().map_or("", |city| city.as_str()))
            ". " (owner) " writes to them." }
        p { a href="/" { "All clients" } }
        div.two {
            section {
                h2 { "What happened" }
                (timeline(&events))
            }
            section {
                h2 { "What was sent" }
                @for fax in &faxes { (fax_page(fax)) }
                @for mail in &mails { (letter(mail)) }
                @if mails.is_empty() && faxes.is_empty() { p { "No letter to them was taken." } }
            }
        }
        section {
            h2 { "Why" }
            p.soft { "Each decision with its rule, as " code { "outreachd why" } " prints it." }
            pre { (why::tell(&facts)) }
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

fn fax_page(fax: &Fax) -> Markup {
    let address = format!("/faxes/{}", fax.number);
    html! {
        article {
            h3 { "Fax" }
            p.soft { @if fax.calls == 1 { "in one call" } @else { "in " (fax.calls) " calls" } }
            iframe.fax title="the fax's pages" src={ (address) "#toolbar=0&navpanes=0&view=FitH" } loading="lazy" {}
            p { a href=(address) { "The page as PDF" } }
        }
    }
}
