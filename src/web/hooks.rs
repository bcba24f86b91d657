//! Hooks: where gateways call. A call is believed in nothing but that it is time to ask.

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header;

use super::refused::{Refusal, Refused};
use super::{HOOK_BYTES, Site};
use crate::model::id::DeliveryId;
use crate::model::token::TokenPurpose;
use crate::transport::fax::{FaxError, read_callback};

/// `POST /hooks/fax/{token}`: the gateway says that a fax has ended. The next poll asks it.
///
/// Callbacks are unsigned and repeated, so what this one says is read for the log alone,
/// and one that cannot be read wakes the poll as well.
pub(super) async fn fax(
    State(site): State<Arc<Site>>,
    token: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<&'static str, Refused> {
    let delivery = DeliveryId(site.row(TokenPurpose::FaxCallback, token)?);
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or_default().to_owned();
    let body = to_bytes(request.into_body(), HOOK_BYTES).await;
    let body = body.map_err(|_| site.state.refuse(Refusal::TooLarge))?;
    match read_callback(&kind, &body) {
        Err(FaxError::Incoming) => return Ok("ok\n"),
        Ok(said) => tracing::debug!(delivery.id = delivery.0, progress = ?said.progress, "the fax gateway called"),
        Err(error) => tracing::warn!(delivery.id = delivery.0, %error, "the fax gateway's call cannot be read"),
    }
    site.state.fax_calls.note(delivery);
    site.state.wake();
    Ok("ok\n")
}
