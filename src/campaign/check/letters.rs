//! Each letter of a campaign rendered for each contact that would get it: those who
//! would start and those who are under way. Where very many are alike, for enough of them.

use std::collections::HashMap;

use jiff::Timestamp;

use super::super::audience::{Occasion, Pages, company_zone};
use super::super::letter::{StepLetter, letters};
use super::super::{CampaignError, CampaignFile, Progress, Tally, paper};
use super::alike::{Kind, looks_at_values};
use super::gaps::{Gaps, placed};
use super::{Files, sample, words};
use crate::config::{Config, Sender};
use crate::model::campaign::Campaign;
use crate::model::id::ContactId;
use crate::model::language::Language;
use crate::model::mistake::Mistake;
use crate::render::{Letter, MistakeKind, Renderer, merge};
use crate::store::{Client, PlanPlace, Store, StoreError};

/// Contacts whose records are read at a time.
const PAGE: i64 = 500;

/// So many contacts of a kind are rendered; the rest would show nothing new.
const RENDERED_OF_A_KIND: usize = 200;

/// The rendering of all letters, and what they lack.
pub(super) struct Rendering<'a> {
    store: &'a Store,
    config: &'a Config,
    files: &'a Files,
    renderer: &'a Renderer,
    now: Timestamp,
    tally: Tally<'a>,
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
    /// What contacts of a kind lack, and how many of them were rendered; none where letters
    /// look at what fields say.
    kinds: Option<HashMap<Kind, (usize, Vec<Gap>)>>,
}

/// Something that a letter lacks.
type Gap = (Mistake, MistakeKind);

impl<'a> Rendering<'a> {
    pub(super) fn new(
        store: &'a Store,
        config: &'a Config,
        files: &'a Files,
        renderer: &'a Renderer,
        now: Timestamp,
        progress: Progress<'a>,
    ) -> Self {
        Self {
            store,
            config,
            files,
            renderer,
            now,
            tally: Tally::new(progress),
            gaps: Gaps::default(),
            contacts: Vec::new(),
        }
    }

    /// Renders the letters of the campaign at that place of the folder; says for how many contacts.
    pub(super) async fn campaign(&mut self, at: usize) -> Result<usize, CampaignError> {
        let (files, renderer) = (self.files, self.renderer);
        let file = &files.folder.campaigns[at];
        let campaign = &file.campaign;
        let sender = words::sender_of(campaign, self.config).or(self.config.senders.first());
        let whole = |letter: &StepLetter<'_>| renderer.has(letter.template, campaign.language);
        let letters = letters(campaign).into_iter().filter(whole).collect();
        // As long as a real one, so that what is rendered is as wide as what will be.
        let opt_out = format!("{}/u/{}", self.config.web.public_url, "a".repeat(39));
        let kinds = (!looks_at_values(&files.templates, campaign)).then(HashMap::new);
        let mut round = sender.map(|sender| Round { at, file, sender, letters, opt_out, kinds });
        self.contacts.push(0);
        self.under_way(campaign, round.as_mut()).await?;
        self.starting(campaign, round.as_mut()).await?;
        Ok(self.contacts[at])
    }

    /// Those who are under way.
    async fn under_way(&mut self, campaign: &Campaign, mut round: Option<&mut Round<'_>>) -> Result<(), StoreError> {
        let mut after = PlanPlace::default();
        loop {
            let page = self.store.under_way(&campaign.id, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = PlanPlace::behind(&last.plan);
            let contacts: Vec<_> = page.iter().map(|row| row.plan.contact).collect();
            // One who is under way by several runs of a cron campaign is one contact.
            let first = self.store.first_runs(&campaign.id, &contacts).await?;
            let once = page.iter().filter(|row| first.get(&row.plan.contact) == Some(&row.plan.run));
            self.clients(round.as_deref_mut(), &once.map(|row| row.plan.contact).collect::<Vec<_>>()).await?;
        }
    }

    /// Those who would start, and are not under way by an earlier run.
    async fn starting(&mut self, campaign: &Campaign, mut round: Option<&mut Round<'_>>) -> Result<(), StoreError> {
        let occasion = Occasion::next(campaign, &company_zone(self.config), self.now);
        let Some(occasion) = occasion.filter(|_| !campaign.steps.is_empty()) else { return Ok(()) };
        let (mut draw, mut pages) = (occasion.draw(campaign, self.config), Pages::new(self.store, campaign, &occasion));
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            let fresh = page.iter().filter(|candidate| !candidate.enrolled);
            let mut starting: Vec<_> =
                fresh.filter(|one| draw.decide(one).left_out.is_none()).map(|one| one.contact).collect();
            let under_way = self.store.first_runs(&campaign.id, &starting).await?;
            starting.retain(|contact| !under_way.contains_key(contact));
            self.clients(round.as_deref_mut(), &starting).await?;
        }
    }

    async fn clients(&mut self, round: Option<&mut Round<'_>>, contacts: &[ContactId]) -> Result<(), StoreError> {
        if let Some(count) = self.contacts.last_mut() {
            *count += contacts.len();
        }
        let Some(round) = round else { return Ok(()) };
        for client in self.store.clients(contacts).await? {
            self.client(round, &client);
        }
        self.tally.add(contacts.len() as u64);
        Ok(())
    }

    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        let swedish = self.files.folder.campaigns.iter().any(|file| file.campaign.language == Language::Sv);
        self.gaps.into_mistakes(&self.contacts, swedish)
    }

    fn client(&mut self, round: &mut Round<'_>, client: &Client) {
        let kind = Kind::of(client);
        let known = round.kinds.as_mut().and_then(|kinds| kinds.get_mut(&kind));
        if let Some((rendered, gaps)) = known
            && *rendered >= RENDERED_OF_A_KIND
        {
            self.gaps.add_all(gaps, client, round.at);
            return;
        }
        let gaps = self.render(round, client);
        self.gaps.add_all(&gaps, client, round.at);
        if let Some(kinds) = &mut round.kinds {
            kinds.entry(kind).or_insert((0, gaps)).0 += 1;
        }
    }

    fn render(&self, round: &Round<'_>, client: &Client) -> Vec<Gap> {
        let campaign = &round.file.campaign;
        let data =
            merge::data(self.renderer.numbers(), client, round.sender, &self.config.company, campaign, &round.opt_out);
        let mut gaps = Vec::new();
        for letter in &round.letters {
            let language = merge::language(self.renderer, letter.template, client, campaign);
            let written = Letter { template: letter.template, subject: sample::subject(letter), data: &data, language };
            let found = self.renderer.mistakes(&written);
            if found.is_empty() && letter.by_fax() {
                gaps.extend(self.page(round, letter, &written, client));
            }
            gaps.extend(found.into_iter().map(|found| (placed(&found, letter, round.file, self.files), found.kind)));
        }
        gaps
    }

    /// What the same letter lacks on paper; who has no fax gets none.
    fn page(&self, round: &Round<'_>, letter: &StepLetter<'_>, written: &Letter<'_>, client: &Client) -> Option<Gap> {
        client.contact.fax.as_ref()?;
        let rendered = self.renderer.letter(written).ok()?;
        let (campaign, desk) = (&round.file.campaign, (round.sender, self.config));
        let error = paper::page(&rendered, client, campaign, desk, written.language, self.now)?.err()?;
        let shown = round.file.places.mistake(&letter.template_place(), error.to_string());
        Some((shown, MistakeKind::Other(error.to_string())))
    }
}
