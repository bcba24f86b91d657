//! A manager's newest digest as a page, as it was sent; it changes nothing.
//!
//! It quotes what strangers wrote. It was escaped when it was composed, and here the
//! browser is told besides to run nothing, load nothing and treat it as nobody's page.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderName, header};
use axum::response::{Html, IntoResponse, Response};

use super::Site;
use super::opt_out::unavailable;
use super::refused::Refused;
use crate::model::id::UserId;
use crate::model::token::TokenPurpose;

/// Mail carries its style inline; links to telephone and mail programs must still work.
const POLICY: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-to-custom-protocols",
);

/// `GET /d/{token}`: the newest digest of the manager that the token names.
pub(super) async fn show(
    State(site): State<Arc<Site>>,
    token: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let user = UserId(site.row(TokenPurpose::Digest, token)?);
    let digest = site.state.store.latest_digest(user).await.map_err(|error| unavailable(&site, &error))?;
    let html = digest.as_ref().and_then(|payload| payload.get("html")?.as_str());
    let Some(html) = html else { return Err(site.not_found()) };
    Ok(([POLICY], Html(html.to_owned())).into_response())
}
