//! Campaigns as files: read, checked, compared, applied.
//!
//! ```text
//! *.toml, templates -> files() -> Files -> check() -> Check
//! Check -> plan::preview()     -> PlanReport   (reads only)
//! Check -> apply::apply_all()  -> revision rows, plan rows, for `schedule`
//! ```
//!
//! Nothing is sent here. What a letter says, `render` knows; who may get one, the
//! policy; `run` reads what was applied and never these files.

pub mod apply;
pub mod audience;
pub mod check;
pub mod diff;
pub mod duration;
mod forecast;
pub mod letter;
mod paper;
pub mod places;
pub mod plan;
pub mod preview;
mod read;
pub mod report;
mod templates;
mod under_way;
pub mod window;

pub use read::{CampaignFile, Folder, read, read_folder};

use crate::render::RenderError;
use crate::store::StoreError;

/// Hears how many contacts are done so far.
pub type Progress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// Adds up what is done, for who hears of it.
struct Tally<'a> {
    progress: Progress<'a>,
    done: u64,
}

impl<'a> Tally<'a> {
    fn new(progress: Progress<'a>) -> Self {
        Self { progress, done: 0 }
    }

    /// `more` contacts are done.
    fn add(&mut self, more: u64) {
        self.done += more;
        (self.progress)(self.done);
    }
}

/// Why campaigns could not be checked, planned, shown or applied.
#[derive(Debug, thiserror::Error)]
pub enum CampaignError {
    /// The store could not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A letter could not be put into its envelope or on paper.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The files have mistakes, so nothing is applied.
    #[error("the campaign files have {0} mistakes; see them with `outreachd check`")]
    Mistakes(usize),
    /// What was asked for is not in the files, or cannot be shown.
    #[error("{0}")]
    Refused(String),
}
