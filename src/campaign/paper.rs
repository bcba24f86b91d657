//! A letter's fax page for a contact who has a fax: whether it can be put on paper.

use jiff::{Timestamp, ZonedDateTime};

use crate::config::{Company, Sender};
use crate::model::language::Language;
use crate::render::{FaxDocument, FaxHead, RenderError, Rendered, fax};
use crate::store::Client;

/// The page, with a reference that no delivery has; none for a contact without a fax.
///
/// # Errors
/// As [`fax`].
pub(super) fn page(
    rendered: &Rendered,
    client: &Client,
    sender: &Sender,
    company: &Company,
    language: Language,
    now: Timestamp,
) -> Option<Result<FaxDocument, RenderError>> {
    let to = client.contact.fax.as_ref()?;
    let zone = jiff::tz::TimeZone::get(&company.zone).unwrap_or(jiff::tz::TimeZone::UTC);
    let head = FaxHead {
        to_name: client.contact.name.as_str(),
        to_company: client.account.name.as_str(),
        to,
        from_name: client.owner.as_ref().map_or(sender.legal_name.as_str(), |owner| owner.name.as_str()),
        from_company: sender.legal_name.as_str(),
        from_address: sender.postal_address.as_str(),
        from_fax: sender.fax.as_ref(),
        from_phone: sender.phone.as_ref(),
        date: &ZonedDateTime::new(now, zone),
        reference: "F-0",
        language,
        opt_out: "x",
    };
    Some(fax(rendered, &head))
}
