//! All campaign files of a folder, and what must not be the same in two of them.

use std::path::{Path, PathBuf};

use crate::model::campaign::Campaign;
use crate::model::mistake::Mistake;

use super::super::places::{Place, Places};
use super::read;

/// One campaign file that could be read, perhaps with mistakes.
#[derive(Clone, Debug)]
pub struct CampaignFile {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub source: String,
    /// The campaign; not to be applied while its folder has mistakes.
    pub campaign: Campaign,
    /// Where its parts stand.
    pub places: Places,
}

/// The campaign files of a folder, by name, and every mistake in them.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// The campaigns.
    pub campaigns: Vec<CampaignFile>,
    /// The mistakes.
    pub mistakes: Vec<Mistake>,
}

/// Reads each `*.toml` in `folder`; a file or folder that cannot be read is a mistake too.
pub fn read_folder(folder: &Path, check_cron: impl Fn(&str) -> Result<(), String>) -> Folder {
    let mut all = Folder::default();
    let paths = match list(folder) {
        Ok(paths) => paths,
        Err(error) => {
            all.mistakes.push(unreadable(folder, "campaign folder", &error));
            return all;
        }
    };
    for path in paths {
        let source = match std::fs::read_to_string(&path) {
            Ok(source) => source,
            Err(error) => {
                all.mistakes.push(unreadable(&path, "campaign", &error));
                continue;
            }
        };
        let (campaign, mistakes, places) = read(&path, &source, &check_cron);
        all.mistakes.extend(mistakes);
        let Some(campaign) = campaign else { continue };
        if let Some(first) = all.campaigns.iter().find(|known| known.campaign.id == campaign.id) {
            let file = first.path.file_name().unwrap_or_default().display();
            let message = format!("the id `{}` is taken by `{file}`; each campaign needs its own", campaign.id);
            all.mistakes.push(places.mistake(&Place::Id, message));
        }
        all.campaigns.push(CampaignFile { path, source, campaign, places });
    }
    all
}

/// The campaign files, by name; hidden ones (an editor's) are none.
fn list(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.extension().is_some_and(|ending| ending == "toml") && !is_hidden && path.is_file() {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path, what: &str, error: &std::io::Error) -> Mistake {
    let message = format!("cannot read {what}: {error}");
    Mistake { excerpt: None, ..Mistake::at(path, "", 0..0, message) }
}
