//! A letter on paper before there is a delivery: for the check and the preview.

use jiff::{Timestamp, ZonedDateTime};

use super::audience::company_zone;
use crate::config::{Config, Sender};
use crate::model::campaign::{Campaign, From};
use crate::model::language::Language;
use crate::render::{FaxDocument, FaxHead, RenderError, Rendered, fax, opt_out_line};
use crate::store::Client;

/// The page, with a reference that no delivery has; none for a contact without a fax.
pub(super) fn page(
    rendered: &Rendered,
    client: &Client,
    campaign: &Campaign,
    (sender, config): (&Sender, &Config),
    language: Language,
    now: Timestamp,
) -> Option<Result<FaxDocument, RenderError>> {
    let to = client.contact.fax.as_ref()?;
    let from_name = signer(client, campaign, config);
    let head = FaxHead {
        to_name: client.contact.name.as_str(),
        to_company: client.account.name.as_str(),
        to,
        from_name: &from_name,
        from_company: sender.legal_name.as_str(),
        from_address: sender.postal_address.as_str(),
        from_fax: sender.fax.as_ref(),
        from_phone: sender.phone.as_ref(),
        date: &ZonedDateTime::new(now, company_zone(config)),
        reference: "preview",
        language,
        opt_out: opt_out_line(language),
    };
    Some(fax(rendered, &head))
}

/// Whose name a letter carries.
pub(super) fn signer(client: &Client, campaign: &Campaign, config: &Config) -> String {
    match (&campaign.from, client.owner.as_ref().filter(|owner| owner.active)) {
        (From::Owner, Some(owner)) => owner.name.to_string(),
        _ => config.company.name.to_string(),
    }
}
