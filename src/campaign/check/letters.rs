//! Each letter of a campaign rendered for each contact that would get it: those who
//! would start and those who are under way.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::super::audience::{Occasion, Pages, company_zone};
use super::super::letter::{StepLetter, letters};
use super::super::{CampaignError, CampaignFile, Progress, paper};
use super::gaps::{Gaps, placed};
use super::{Files, sample, words};
use crate::config::{Config, Sender};
use crate::model::id::ContactId;
use crate::model::language::Language;
use crate::model::mistake::Mistake;
use crate::model::plan::PlanState;
use crate::render::{Letter, MistakeKind, Renderer, merge};
use crate::store::{Client, Store, StoreError};

/// Contacts whose records are read at a time.
const PAGE: usize = 500;

/// The rendering of all letters, and what they lack.
pub(super) struct Rendering<'a> {
    store: &'a Store,
    config: &'a Config,
    files: &'a Files,
    renderer: &'a Renderer,
    now: Timestamp,
    progress: Progress<'a>,
    done: u64,
    gaps: Gaps,
    contacts: Vec<usize>,
}

/// One campaign's letters.
struct Round<'a> {
    at: usize,
    file: &'a CampaignFile,
    sender: &'a Sender,
    letters: Vec<StepLetter<'a>>,
    opt_out: String,
}

impl<'a> Rendering<'a> {
    pub(super) fn new(
        store: &'a Store,
        config: &'a Config,
        files: &'a Files,
        renderer: &'a Renderer,
        now: Timestamp,
        progress: Progress<'a>,
    ) -> Self {
        Self { store, config, files, renderer, now, progress, done: 0, gaps: Gaps::default(), contacts: Vec::new() }
    }

    /// Renders the letters of the campaign at that place of the folder; says for how many contacts.
    pub(super) async fn campaign(&mut self, at: usize) -> Result<usize, CampaignError> {
        let file = &self.files.folder.campaigns[at];
        let contacts = self.recipients(file).await?;
        self.contacts.push(contacts.len());
        let sender = words::sender_of(&file.campaign, self.config).or(self.config.senders.first());
        let Some(sender) = sender else { return Ok(contacts.len()) };
        let whole = |letter: &StepLetter<'_>| self.renderer.has(letter.template, file.campaign.language);
        let letters = letters(&file.campaign).into_iter().filter(whole).collect();
        // As long as a real one, so that what is rendered is as wide as what will be.
        let opt_out = format!("{}/u/{}", self.config.web.public_url, "a".repeat(39));
        let round = Round { at, file, sender, letters, opt_out };
        for page in contacts.chunks(PAGE) {
            for client in self.store.clients(page).await? {
                self.client(&round, &client);
            }
            self.done += page.len() as u64;
            (self.progress)(self.done);
        }
        Ok(contacts.len())
    }

    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        let swedish = self.files.folder.campaigns.iter().any(|file| file.campaign.language == Language::Sv);
        self.gaps.into_mistakes(&self.contacts, swedish)
    }

    /// Who would get this campaign's letters, by id.
    async fn recipients(&self, file: &CampaignFile) -> Result<Vec<ContactId>, StoreError> {
        let campaign = &file.campaign;
        let under_way = self.store.plans_in(&campaign.id).await?;
        let under_way = under_way.iter().filter(|plan| plan.state == PlanState::Active).map(|plan| plan.contact);
        let mut found: BTreeSet<ContactId> = under_way.collect();
        let occasion = Occasion::next(campaign, &company_zone(self.config), self.now);
        let Some(occasion) = occasion.filter(|_| !campaign.steps.is_empty()) else {
            return Ok(found.into_iter().collect());
        };
        let (mut draw, mut pages) = (occasion.draw(campaign, self.config), Pages::new(self.store, campaign, &occasion));
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok(found.into_iter().collect());
            }
            let fresh = page.iter().filter(|candidate| !candidate.enrolled);
            found.extend(fresh.filter(|one| draw.decide(one).left_out.is_none()).map(|one| one.contact));
        }
    }

    fn client(&mut self, round: &Round<'_>, client: &Client) {
        let campaign = &round.file.campaign;
        let data = merge::data(client, round.sender, &self.config.company, campaign, &round.opt_out);
        for letter in &round.letters {
            let language = merge::language(self.renderer, letter.template, client, campaign);
            let written = Letter { template: letter.template, subject: sample::subject(letter), data: &data, language };
            let found = self.renderer.mistakes(&written);
            for mistake in &found {
                let shown = placed(mistake, letter, round.file, self.files);
                self.gaps.add(shown, &mistake.kind, client, round.at);
            }
            if found.is_empty() && letter.by_fax() {
                self.page(round, letter, &written, client);
            }
        }
    }

    /// The same letter on paper; who has no fax gets none.
    fn page(&mut self, round: &Round<'_>, letter: &StepLetter<'_>, written: &Letter<'_>, client: &Client) {
        if client.contact.fax.is_none() {
            return;
        }
        let Ok(rendered) = self.renderer.letter(written) else { return };
        let (campaign, desk) = (&round.file.campaign, (round.sender, self.config));
        let page = paper::page(&rendered, client, campaign, desk, written.language, self.now);
        if let Some(Err(error)) = page {
            let kind = MistakeKind::Other(error.to_string());
            let shown = round.file.places.mistake(&letter.template_place(), error.to_string());
            self.gaps.add(shown, &kind, client, round.at);
        }
    }
}
