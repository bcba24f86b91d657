//! The letters of a campaign: each step in each of its variants.

use super::places::{Part, Place};
use crate::model::address::Channel;
use crate::model::campaign::{Campaign, Step, Variant};

/// One step's letter in one variant.
#[derive(Clone, Copy, Debug)]
pub struct StepLetter<'a> {
    /// The step.
    pub step: &'a Step,
    /// The variant, where the step has some.
    pub variant: Option<&'a Variant>,
    /// The template's name.
    pub template: &'a str,
    /// The subject template; none continues the thread.
    pub subject: Option<&'a str>,
}

impl<'a> StepLetter<'a> {
    /// A step's letter in a variant; none for a call, or where the template was misspelt.
    pub fn of(step: &'a Step, variant: Option<&'a Variant>) -> Option<Self> {
        let own = variant.and_then(|variant| variant.template.as_deref());
        let subject = variant.and_then(|variant| variant.subject.as_deref());
        let template = own.or(step.template.as_deref())?;
        Some(Self { step, variant, template, subject: subject.or(step.subject.as_deref()) })
    }

    /// Whether it may go by fax, as its channel or instead of mail.
    pub fn by_fax(&self) -> bool {
        self.step.channel == Channel::Fax || self.step.fallback == Some(Channel::Fax)
    }

    /// Where its template is named.
    pub fn template_place(&self) -> Place {
        let part = match self.variant {
            Some(variant) if variant.template.is_some() => Part::VariantTemplate(variant.id.clone()),
            _ => Part::Template,
        };
        Place::Step(self.step.id.clone(), part)
    }

    /// Where its subject stands.
    pub fn subject_place(&self) -> Place {
        let part = match self.variant {
            Some(variant) if variant.subject.is_some() => Part::VariantSubject(variant.id.clone()),
            _ => Part::Subject,
        };
        Place::Step(self.step.id.clone(), part)
    }
}

/// Every letter of a campaign, in the order of its steps and variants.
pub fn letters(campaign: &Campaign) -> Vec<StepLetter<'_>> {
    let mut letters = Vec::new();
    for step in campaign.steps.iter().filter(|step| step.channel != Channel::Call) {
        if step.variants.is_empty() {
            letters.extend(StepLetter::of(step, None));
        }
        letters.extend(step.variants.iter().filter_map(|variant| StepLetter::of(step, Some(variant))));
    }
    letters
}
