//! The letter or fax that one contact would get for a step, from the files as they are.
//!
//! What only a delivery has is a stand-in: Message-ID, opt-out link, reference.

use std::path::Path;

use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;

use super::audience::company_zone;
use super::check::{Files, sender_of};
use super::letter::StepLetter;
use super::{CampaignError, CampaignFile, paper};
use crate::config::{Config, Sender};
use crate::model::address::Channel;
use crate::model::campaign::{Campaign, Step, Variant};
use crate::model::id::ContactId;
use crate::policy::choice;
use crate::render::{self, File, Letter, ListId, MailHead, Rendered, Renderer, Subject, Unsubscribe, merge};
use crate::store::Client;

/// Stands where a delivery's token will.
const TOKEN: &str = "preview";

/// A letter as it would leave.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// The variant the contact would get, or the one that was asked for.
    pub variant: Option<String>,
    /// Whose name it carries.
    pub from: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The recipient.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// Pages, for a fax.
    pub pages: Option<usize>,
    /// The files that go with it: pictures that stand in it, and what is attached.
    pub files: Vec<String>,
    /// The message (`.eml`) or the page (`.pdf`).
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// What is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The step's id.
    pub step: &'a str,
    /// The variant's id; the contact's own where absent.
    pub variant: Option<&'a str>,
    /// On paper.
    pub by_fax: bool,
}

/// Renders the letter of a step for a client.
///
/// # Errors
/// There is no such step or variant, the letter has mistakes, or the client has no address for it.
pub fn letter(
    files: &Files,
    file: &CampaignFile,
    wanted: Wanted<'_>,
    client: &Client,
    config: &Config,
    now: Timestamp,
) -> Result<Preview, CampaignError> {
    let campaign = &file.campaign;
    let refused = |text: String| Err(CampaignError::Refused(text));
    let Some((index, step)) = campaign.find_step(wanted.step) else {
        let ids: Vec<_> = campaign.steps.iter().map(|step| step.id.as_str()).collect();
        return refused(format!("`{}` has no step `{}`; there are {}", campaign.id, wanted.step, ids.join(", ")));
    };
    let Some(renderer) = &files.renderer else {
        return refused("the templates have mistakes; see them with `outreachd check`".into());
    };
    let Some(sender) = sender_of(campaign, config) else {
        return refused(format!("the sender of `{}` is not in the configuration", campaign.id));
    };
    let variant = find_variant(campaign, step, wanted.variant, client.contact.id)?;
    let Some(letter) = StepLetter::of(step, variant) else {
        return refused(format!("step `{}` is a call; it has no letter", step.id));
    };
    let desk = Desk { renderer, folder: &files.template_folder, campaign, sender, config, client, now };
    let first = match letter.subject {
        Some(_) => None,
        None => Some(desk.thread(index)?),
    };
    let subject =
        letter.subject.map_or(Subject::Thread(first.as_deref().unwrap_or(&campaign.title)), Subject::Template);
    let mut rendered = desk.render(&letter, subject)?;
    if wanted.by_fax || step.channel == Channel::Fax {
        return desk.fax(&letter, rendered, variant);
    }
    let attached = renderer.attachments(&step.attachments);
    rendered.attachments = attached.map_err(|(_, why)| CampaignError::Refused(why))?;
    desk.mail(&step.id, rendered, variant)
}

/// The variant that was asked for, or the one the contact falls to.
fn find_variant<'c>(
    campaign: &Campaign,
    step: &'c Step,
    wanted: Option<&str>,
    contact: ContactId,
) -> Result<Option<&'c Variant>, CampaignError> {
    let Some(id) = wanted else {
        let place = choice::variant(&campaign.id, &step.id, contact, step.variants.len());
        return Ok(step.variants.get(place));
    };
    let ids: Vec<_> = step.variants.iter().map(|variant| variant.id.as_str()).collect();
    let absent = || match ids.as_slice() {
        [] => format!("step `{}` has no variants", step.id),
        ids => format!("step `{}` has no variant `{id}`; there are {}", step.id, ids.join(", ")),
    };
    let found = step.variants.iter().find(|variant| variant.id == id);
    found.map(Some).ok_or_else(|| CampaignError::Refused(absent()))
}

/// What every letter to one client is made with.
struct Desk<'a> {
    renderer: &'a Renderer,
    folder: &'a Path,
    campaign: &'a Campaign,
    sender: &'a Sender,
    config: &'a Config,
    client: &'a Client,
    now: Timestamp,
}

impl Desk<'_> {
    /// The subject of the last letter before this step that has its own, as the client would see it.
    fn thread(&self, index: usize) -> Result<String, CampaignError> {
        for step in self.campaign.steps[..index].iter().rev() {
            let variant = find_variant(self.campaign, step, None, self.client.contact.id)?;
            let Some(letter) = StepLetter::of(step, variant).filter(|_| step.channel == Channel::Email) else {
                continue;
            };
            let Some(subject) = letter.subject else { continue };
            return Ok(self.render(&letter, Subject::Template(subject))?.subject);
        }
        Ok(self.campaign.title.clone())
    }

    fn render(&self, letter: &StepLetter<'_>, subject: Subject<'_>) -> Result<Rendered, CampaignError> {
        let data = merge::data(
            self.renderer.numbers(),
            self.client,
            self.sender,
            &self.config.company,
            self.campaign,
            &self.opt_out_url(),
        );
        let language = merge::language(self.renderer, letter.template, self.client, self.campaign);
        let written = Letter { template: letter.template, subject, data: &data, language };
        self.renderer.letter(&written).map_err(|mistake| {
            let shown = mistake.mistake(self.folder);
            let (file, line, column) = (shown.file.display(), shown.line, shown.column);
            CampaignError::Refused(format!("{file}:{line}:{column}: {}", shown.message))
        })
    }

    fn opt_out_url(&self) -> String {
        format!("{}/u/{TOKEN}", self.config.web.public_url.trim_end_matches('/'))
    }

    fn mail(&self, step: &str, rendered: Rendered, variant: Option<&Variant>) -> Result<Preview, CampaignError> {
        let Some(to) = &self.client.contact.email else {
            return Err(CampaignError::Refused(format!("{} has no e-mail address", self.client.contact.name)));
        };
        let from_name = paper::signer(self.client, self.campaign, self.config);
        let (url, domain) = (self.opt_out_url(), self.sender.from.domain());
        let (message_id, list) = (format!("{TOKEN}@{domain}"), format!("{}.{domain}", self.campaign.id));
        let feedback_id = format!("{}:{step}:campaign:{}", self.campaign.id, self.sender.feedback_id);
        let head = MailHead {
            from_name: &from_name,
            from: &self.sender.from,
            reply_to: self.sender.reply_to.as_ref(),
            to_name: self.client.contact.name.as_str(),
            to,
            message_id: &message_id,
            date: &ZonedDateTime::new(self.now, company_zone(self.config)),
            boundary_seed: &message_id,
            in_reply_to: None,
            references: &[],
            list_id: Some(ListId { title: &self.campaign.title, id: &list }),
            unsubscribe: Some(Unsubscribe { url: &url, mailto: None }),
            delivery_token: None,
            feedback_id: Some(&feedback_id),
            auto_submitted: self.sender.auto_submitted,
        };
        let mail = render::email(&rendered, &head)?;
        Ok(Preview {
            variant: variant.map(|variant| variant.id.clone()),
            from: format!("{from_name} <{}>", self.sender.from.as_str()),
            reply_to: self.sender.reply_to.as_ref().map(|address| address.as_str().to_owned()),
            to: format!("{} <{}>", self.client.contact.name, to.as_str()),
            subject: rendered.subject,
            text: rendered.text,
            pages: None,
            files: rendered.pictures.iter().chain(&rendered.attachments).map(said).collect(),
            bytes: mail.bytes,
        })
    }

    fn fax(
        &self,
        letter: &StepLetter<'_>,
        rendered: Rendered,
        variant: Option<&Variant>,
    ) -> Result<Preview, CampaignError> {
        let language = merge::language(self.renderer, letter.template, self.client, self.campaign);
        let page = paper::page(&rendered, self.client, self.campaign, (self.sender, self.config), language, self.now);
        let Some(page) = page.transpose()? else {
            return Err(CampaignError::Refused(format!("{} has no fax number", self.client.contact.name)));
        };
        let country = self.client.account.country.as_deref();
        let number = self.client.contact.fax.as_ref().map(|number| number.written_in(country)).unwrap_or_default();
        Ok(Preview {
            variant: variant.map(|variant| variant.id.clone()),
            from: paper::signer(self.client, self.campaign, self.config),
            reply_to: None,
            to: format!("{}, {}, fax {number}", self.client.contact.name, self.client.account.name),
            subject: rendered.subject,
            text: rendered.text,
            pages: Some(page.pages),
            files: Vec::new(),
            bytes: page.pdf,
        })
    }
}

/// A file with its size, as the recipient's program shows it.
fn said(file: &File) -> String {
    format!("{} ({} kB)", file.name(), file.bytes().len().div_ceil(1024))
}
