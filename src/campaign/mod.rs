//! Campaigns as files: read, checked, compared, applied.
//!
//! TOML and templates come in, a checked [`crate::model::campaign::Campaign`] and
//! its mistakes go out; `apply` writes revision and plan rows for `schedule`.
