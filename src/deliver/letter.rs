//! A claimed delivery becomes what leaves: frozen inputs, rendered bytes, envelope.
//!
//! Pure, but for what was read beforehand. Nothing here knows a socket.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::editions::Edition;
use super::frozen::{Frozen, FrozenKey, FrozenSubject};
use crate::config::dkim::{DkimKey, Signers};
use crate::config::{Config, Sender, is_aligned};
use crate::model::address::{Address, EmailAddress, PhoneNumber};
use crate::model::campaign::From;
use crate::model::language::Language;
use crate::model::token::{TokenKeys, TokenPurpose};
use crate::render::{self, FaxHead, Letter, ListId, MailHead, RenderMistake, Subject, Unsubscribe, merge};
use crate::store::{Claimed, Client, Handoff};

/// What a letter is made from, read for a whole batch.
pub(super) struct Materials<'a> {
    pub(super) config: &'a Config,
    pub(super) keys: &'a TokenKeys,
    pub(super) signers: &'a Signers,
    pub(super) claimed: &'a Claimed,
    pub(super) client: Option<&'a Client>,
    pub(super) edition: Option<&'a Edition>,
    /// The mails of its plan that were taken before: Message-ID and frozen inputs.
    pub(super) thread: &'a [(String, String)],
    pub(super) now: Timestamp,
}

/// What leaves.
pub(super) struct Outgoing {
    pub(super) bytes: Vec<u8>,
    /// The return path of a mail.
    pub(super) return_path: String,
    pub(super) handoff: Handoff,
    pub(super) frozen: Frozen,
    /// The token by which the outside names this delivery.
    pub(super) token: String,
}

impl Materials<'_> {
    /// Renders a mail; the error is the reason it is held for.
    pub(super) fn mail(&self, relay: &str) -> Result<Outgoing, String> {
        let frozen = self.frozen()?;
        let Address::Email(to) = self.address()? else { return Err("its address is no mailbox".into()) };
        let token = self.token();
        let zoned = frozen.date.to_zoned_datetime(TimeZone::get(&frozen.zone).unwrap_or(TimeZone::UTC));
        let references = frozen.subject.references();
        let head = MailHead {
            from_name: &frozen.from_name,
            from: &frozen.from,
            reply_to: frozen.reply_to.as_ref(),
            to_name: &frozen.to_name,
            to: &to,
            message_id: &frozen.message_id,
            date: &zoned,
            boundary_seed: &frozen.message_id,
            in_reply_to: references.last().map(String::as_str),
            references,
            list_id: frozen.list.as_ref().map(|(title, id)| ListId { title, id }),
            unsubscribe: frozen
                .opt_out_url
                .as_ref()
                .map(|url| Unsubscribe { url, mailto: frozen.opt_out_mail.as_deref() }),
            delivery_token: Some(&token),
            feedback_id: frozen.feedback_id.as_deref(),
            auto_submitted: frozen.auto_submitted.unwrap_or(frozen.template.is_none()),
        };
        let mail = match (&frozen.template, self.edition) {
            (Some(template), Some(edition)) => {
                let mut letter = self.letter(template, &frozen, edition)?;
                letter.attachments = edition.renderer.attachments(&frozen.attachments).map_err(|(_, why)| why)?;
                render::email(&letter, &head)
            }
            _ => {
                let text = |key: &str| frozen.data.get(key).and_then(Value::as_str).unwrap_or_default();
                render::plain(text("subject"), text("text"), frozen.data.get("html").and_then(Value::as_str), &head)
            }
        };
        let keys = self.signing_keys(&frozen)?;
        let mail = mail.and_then(|mail| render::sign(mail, &keys, frozen.date)).map_err(|error| error.to_string())?;
        self.outgoing(frozen, relay, mail.bytes, mail.sha256, token)
    }

    /// The keys that signed it at first, or that will.
    fn signing_keys(&self, frozen: &Frozen) -> Result<Vec<&DkimKey>, String> {
        let find = |key: &FrozenKey| {
            self.signers.find(&key.domain, &key.selector).ok_or_else(|| {
                format!(
                    "it was signed with the DKIM key `{}` of {}, which the configuration no longer has; \
                     bring it back with `retired = true`",
                    key.selector, key.domain
                )
            })
        };
        frozen.dkim.iter().map(find).collect()
    }

    /// The keys that sign a fresh letter from `from`.
    fn fresh_keys(&self, sender: &Sender, from: &EmailAddress) -> Vec<FrozenKey> {
        let keys = self.signers.active(&sender.id).filter(|key| is_aligned(from.domain(), key.domain()));
        let frozen = |key: &DkimKey| FrozenKey { domain: key.domain().into(), selector: key.selector().into() };
        keys.map(frozen).collect()
    }

    /// Renders a fax; the error is the reason it is held for.
    pub(super) fn fax(&self) -> Result<Outgoing, String> {
        let frozen = self.frozen()?;
        let Address::Fax(to) = self.address()? else { return Err("its address is no fax number".into()) };
        let (Some(template), Some(edition)) = (&frozen.template, self.edition) else {
            return Err("a fax needs a campaign's letter".into());
        };
        let letter = self.letter(template, &frozen, edition)?;
        let token = self.token();
        let zoned = frozen.date.to_zoned_datetime(TimeZone::get(&frozen.zone).unwrap_or(TimeZone::UTC));
        let head = FaxHead {
            to_name: &frozen.to_name,
            to_company: &frozen.to_company,
            to: &to,
            from_name: &frozen.from_name,
            from_company: &frozen.legal_name,
            from_address: &frozen.postal_address,
            from_fax: frozen.from_fax.as_ref(),
            from_phone: frozen.from_phone.as_ref(),
            date: &zoned,
            reference: &token,
            language: frozen.language,
            opt_out: render::opt_out_line(frozen.language),
        };
        let page = render::fax(&letter, &head).map_err(|error| error.to_string())?;
        self.outgoing(frozen, "fax", page.pdf, page.sha256, token)
    }

    fn letter(&self, template: &str, frozen: &Frozen, edition: &Edition) -> Result<render::Rendered, String> {
        let subject = match (&frozen.subject, frozen.data.get("subject").and_then(Value::as_str)) {
            (FrozenSubject::Thread(first, _), _) => Subject::Thread(first),
            (FrozenSubject::Template(_), Some(subject)) => Subject::Rendered(subject),
            (FrozenSubject::Template(source), None) => Subject::Template(source),
        };
        let letter = Letter { template, subject, data: &frozen.data, language: frozen.language };
        edition.renderer.letter(&letter).map_err(|mistake| in_words(template, mistake))
    }

    fn outgoing(
        &self,
        frozen: Frozen,
        relay: &str,
        bytes: Vec<u8>,
        sha256: String,
        token: String,
    ) -> Result<Outgoing, String> {
        if self.claimed.sha256.as_ref().is_some_and(|before| *before != sha256) {
            return Err("it would not be the bytes that were handed off before".into());
        }
        let sender = self.sender()?;
        let return_path =
            sender.bounces.as_ref().map_or_else(|| sender.from.as_str().to_owned(), |address| plus(address, &token));
        Ok(Outgoing {
            bytes,
            return_path,
            handoff: Handoff {
                delivery: self.claimed.row.id,
                relay: relay.to_owned(),
                frozen: serde_json::to_string(&frozen).map_err(|error| error.to_string())?,
                sha256,
                message_id: frozen.message_id.clone(),
            },
            frozen,
            token,
        })
    }

    fn address(&self) -> Result<Address, String> {
        Address::parse(self.claimed.row.channel, &self.claimed.row.address)
            .map_err(|error| format!("its address {error}"))
    }

    fn sender(&self) -> Result<&Sender, String> {
        let id = &self.claimed.sender;
        self.config
            .find_sender(Some(id))
            .ok_or_else(|| format!("the configuration has no [[sender]] with id = \"{id}\""))
    }

    fn token(&self) -> String {
        self.keys.sign(TokenPurpose::Delivery, self.claimed.row.id.0)
    }

    /// The inputs: those of an earlier handoff, else fresh ones.
    fn frozen(&self) -> Result<Frozen, String> {
        match &self.claimed.row.frozen {
            Some(text) => {
                serde_json::from_str(text).map_err(|error| format!("its frozen inputs cannot be read: {error}"))
            }
            None => match (self.client, self.edition) {
                (Some(client), Some(edition)) => self.freeze(client, edition),
                _ => self.freeze_composed(),
            },
        }
    }

    /// A campaign's letter.
    fn freeze(&self, client: &Client, edition: &Edition) -> Result<Frozen, String> {
        let (row, campaign) = (&self.claimed.row, &edition.revision.campaign);
        let step = row.step.as_deref().and_then(|id| campaign.find_step(id)).map(|(_, step)| step);
        let step = step.ok_or("its step is not in the campaign any more")?;
        let variant = row.variant.as_deref().and_then(|id| step.variants.iter().find(|variant| variant.id == id));
        let template = variant.and_then(|variant| variant.template.clone()).or_else(|| step.template.clone());
        let template = template.ok_or("its step has no template")?;
        let sender = self.sender()?;
        let from_name = match &campaign.from {
            From::Owner => client
                .owner
                .as_ref()
                .filter(|owner| owner.active)
                .map(|owner| owner.name.to_string())
                .ok_or("its client has no account manager")?,
            From::Sender(_) => self.config.company.name.to_string(),
        };
        let opt_out = self.keys.sign(TokenPurpose::OptOut, row.id.0);
        let opt_out_url = format!("{}/u/{opt_out}", self.config.web.public_url.trim_end_matches('/'));
        let data =
            merge::data(edition.renderer.numbers(), client, sender, &self.config.company, campaign, &opt_out_url);
        let subject = variant.and_then(|variant| variant.subject.clone()).or_else(|| step.subject.clone());
        let mut frozen = Frozen {
            date: self.now,
            zone: self.config.company.zone.clone(),
            message_id: format!("{}@{}", self.token(), sender.from.domain()),
            language: merge::language(&edition.renderer, &template, client, campaign),
            template: Some(template),
            subject: self.subject(subject, campaign.title.as_str()),
            data,
            from_name,
            from: sender.from.clone(),
            reply_to: sender.reply_to.clone(),
            to_name: client.contact.name.to_string(),
            to_company: client.account.name.to_string(),
            list: Some((campaign.title.clone(), format!("{}.{}", campaign.id, sender.from.domain()))),
            opt_out_url: Some(opt_out_url),
            opt_out_mail: sender
                .bounces
                .as_ref()
                .map(|address| format!("{}?subject=unsubscribe", plus(address, &opt_out))),
            legal_name: sender.legal_name.to_string(),
            postal_address: sender.postal_address.to_string(),
            from_fax: sender.fax.clone(),
            from_phone: sender.phone.clone(),
            feedback_id: Some(self.feedback_id(campaign.id.as_str(), &step.id, sender)?),
            auto_submitted: Some(sender.auto_submitted),
            attachments: step.attachments.clone(),
            dkim: self.fresh_keys(sender, &sender.from),
        };
        // Follow-ups of the thread need the subject as the client saw it, not its template.
        if let (FrozenSubject::Template(source), Some(template)) = (&frozen.subject, &frozen.template) {
            let (subject, data, language) = (Subject::Template(source), &frozen.data, frozen.language);
            let rendered = edition.renderer.subject(&Letter { template, subject, data, language });
            let rendered = rendered.map_err(|mistake| in_words(template, mistake))?;
            if let Some(fields) = frozen.data.as_object_mut() {
                fields.insert("subject".into(), Value::String(rendered));
            }
        }
        Ok(frozen)
    }

    /// What Gmail counts complaints by (its own order of fields); nothing of the recipient.
    fn feedback_id(&self, campaign: &str, step: &str, sender: &Sender) -> Result<String, String> {
        let purpose = serde_json::to_value(self.claimed.row.purpose).map_err(|error| error.to_string())?;
        Ok(format!("{campaign}:{step}:{}:{}", purpose.as_str().unwrap_or_default(), sender.feedback_id))
    }

    /// The step's own subject, else the thread of the letters before it.
    fn subject(&self, own: Option<String>, title: &str) -> FrozenSubject {
        if let Some(template) = own {
            return FrozenSubject::Template(template);
        }
        let mut ids: Vec<String> = Vec::new();
        let mut first = None;
        for (message_id, frozen) in self.thread {
            let before = serde_json::from_str::<Frozen>(frozen).ok();
            let begun = before.filter(|before| matches!(before.subject, FrozenSubject::Template(_)));
            // A letter with a subject of its own began a new thread; what came before is another's.
            if let Some(begun) = begun {
                first = begun.data.get("subject").and_then(Value::as_str).map(str::to_owned);
                ids.clear();
            }
            ids.push(message_id.clone());
        }
        FrozenSubject::Thread(first.unwrap_or_else(|| title.to_owned()), ids)
    }

    /// A digest or a notice, composed beforehand.
    fn freeze_composed(&self) -> Result<Frozen, String> {
        let sender = self.sender()?;
        let from = self.config.digest.from.clone().unwrap_or_else(|| sender.from.clone());
        let payload = self.claimed.payload.as_deref().ok_or("it was never composed")?;
        let dkim = self.fresh_keys(sender, &from);
        Ok(Frozen {
            date: self.now,
            zone: self.config.company.zone.clone(),
            message_id: format!("{}@{}", self.token(), from.domain()),
            language: Language::default(),
            template: None,
            subject: FrozenSubject::Thread(String::new(), Vec::new()),
            data: serde_json::from_str(payload)
                .map_err(|error| format!("what was composed cannot be read: {error}"))?,
            from_name: "outreachd".into(),
            from,
            reply_to: None,
            to_name: String::new(),
            to_company: String::new(),
            list: None,
            opt_out_url: None,
            opt_out_mail: None,
            legal_name: sender.legal_name.to_string(),
            postal_address: sender.postal_address.to_string(),
            from_fax: None::<PhoneNumber>,
            from_phone: None,
            feedback_id: None,
            auto_submitted: Some(true),
            attachments: Vec::new(),
            dkim,
        })
    }
}

/// Why a letter cannot be rendered.
fn in_words(template: &str, mistake: RenderMistake) -> String {
    format!("letter `{template}`: {}", mistake.mistake(std::path::Path::new("templates")).message)
}

/// `address` with `+token` before its `@`; without it where the local part would grow beyond
/// the 64 bytes of RFC 5321 4.5.3.1.1.
fn plus(address: &EmailAddress, token: &str) -> String {
    let (local, domain) = (address.local(), address.domain());
    if local.len() + 1 + token.len() > 64 { address.as_str().to_owned() } else { format!("{local}+{token}@{domain}") }
}
