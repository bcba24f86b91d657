//! Campaigns as files: read, checked, compared, applied.
//!
//! TOML and templates come in, a checked [`crate::model::campaign::Campaign`] and
//! its mistakes go out; `apply` writes revision and plan rows for `schedule`.

pub mod duration;
pub mod places;
mod read;
pub mod window;

pub use read::{CampaignFile, Folder, read, read_folder};
