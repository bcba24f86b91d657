//! `outreachd check`: look for mistakes in the configuration, the campaigns and every letter.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use secrecy::ExposeSecret;

use super::progress::Bar;
use super::{CommandError, Session, output, session};
use crate::campaign::check::{self, Check};
use crate::config::Config;
use crate::model::mistake::Mistake;
use crate::store::{Migration, Store, StoreError};

/// The arguments of `outreachd check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Reads the configuration, every campaign file and every template, and tells all mistakes at once. If there are clients in the database, each letter is rendered for each contact that would get it, so that an empty field is found now and not at night. Of thousands of whom the same fields are known, some hundreds are rendered, unless a template looks at what a field says (eq, each)."
)]
pub struct Args {}

/// Runs the command.
pub(super) fn run(session: &Session, _args: Args) -> Result<ExitCode, CommandError> {
    let config = match session.config() {
        Ok(config) => config,
        Err(CommandError::Mistakes(mistakes)) => return Err(CommandError::Mistakes(beside(session, mistakes))),
        Err(error) => return Err(error),
    };
    session::block_on(async {
        let (store, why_not) = database(&config).await?;
        let check = checked(session, store.as_ref(), &config).await?;
        if session.json {
            output::json(&check.campaigns)?;
        } else {
            report(&check, why_not.as_deref())?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Checks everything; mistakes are the error.
pub(super) async fn checked(session: &Session, store: Option<&Store>, config: &Config) -> Result<Check, CommandError> {
    let bar = Bar::new("contacts");
    let check = check::check(store, config, session.now(), &|done| bar.set(done)).await.map_err(anyhow::Error::from)?;
    bar.finish();
    if check.mistakes.is_empty() { Ok(check) } else { Err(CommandError::Mistakes(check.mistakes)) }
}

/// The database if it is there; else why not. Nothing is made or brought up to date here.
async fn database(config: &Config) -> Result<(Option<Store>, Option<String>), CommandError> {
    let url = config.database.reveal_url().map_err(anyhow::Error::from)?;
    let url = url.expose_secret();
    let file = url.strip_prefix("sqlite:").map(|rest| rest.trim_start_matches("//"));
    let path = file.map(|rest| rest.split_once('?').map_or(rest, |(path, _)| path));
    if path.is_some_and(|path| !Path::new(path).exists()) {
        return Ok((None, None));
    }
    match Store::open(url, Migration::Refuse).await {
        Ok(store) => Ok((Some(store), None)),
        Err(StoreError::Migrate(reason)) => Ok((None, Some(reason))),
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}

fn report(check: &Check, why_not: Option<&str>) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for campaign in &check.campaigns {
        let (id, steps, contacts) = (&campaign.campaign, counted(campaign.steps, "step"), campaign.contacts);
        lines.push(match check.clients {
            0 => format!("{id}: {steps}, no mistakes"),
            _ => format!("{id}: {steps}, each letter rendered for {}, no mistakes", counted(contacts, "contact")),
        });
    }
    if check.campaigns.is_empty() {
        lines.push("There is no campaign file yet; the configuration and the templates have no mistakes.".to_owned());
    }
    match (check.clients, why_not) {
        (0, Some(reason)) => lines.push(format!("The letters were only parsed: {reason}.")),
        (0, None) => lines.push(
            "The letters were only parsed, for there are no clients yet: outreachd import clients.csv".to_owned(),
        ),
        _ => {}
    }
    output::lines(&lines)
}

/// `1 contact`, `2 contacts`.
pub(super) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// The mistakes of a configuration, and those of the files beside it, so that one run
/// tells all of them.
fn beside(session: &Session, mut mistakes: Vec<Mistake>) -> Vec<Mistake> {
    if let Some((campaigns, templates)) = folders(session) {
        mistakes.extend(check::files(&campaigns, &templates, None).mistakes);
    }
    mistakes
}

/// Where a configuration with mistakes says campaigns and templates are, if they are there.
fn folders(session: &Session) -> Option<(PathBuf, PathBuf)> {
    let file = std::path::absolute(session.config_file()).ok()?;
    let table: toml::Table = std::fs::read_to_string(&file).ok()?.parse().ok()?;
    let usual = crate::config::Files::default();
    let written = |key: &str, usual: PathBuf| {
        let value = table.get("files").and_then(|files| files.get(key)).and_then(toml::Value::as_str);
        value.map_or(usual, PathBuf::from)
    };
    let folder = file.parent()?;
    let found = |path: PathBuf| folder.join(path).canonicalize().ok().filter(|path| path.is_dir());
    Some((found(written("campaigns", usual.campaigns))?, found(written("templates", usual.templates))?))
}
