//! What is answered where nothing is shown: one page for each kind of refusal, the
//! same whatever was wrong, so that it tells nothing to those who try.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::words::Words;
use super::{Site, page};
use crate::model::language::Language;
use crate::model::token::TokenPurpose;

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No such page, no such token, or nothing behind it.
    NotFound,
    /// Too many wrong tokens lately.
    TooMany,
    /// The body is over the limit.
    TooLarge,
    /// The database does not answer.
    Unavailable,
}

/// A refusal and the language it is said in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) language: Language,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let words = Words::of(self.language);
        let (status, title, text) = match self.refusal {
            Refusal::NotFound => (StatusCode::NOT_FOUND, words.not_found, words.not_found_text),
            Refusal::TooMany => (StatusCode::TOO_MANY_REQUESTS, words.too_many, words.too_many_text),
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, words.too_large, words.too_large_text),
            Refusal::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, words.unavailable, words.unavailable_text),
        };
        let mut response = (status, page::notice(self.language, title, text)).into_response();
        if matches!(self.refusal, Refusal::TooMany | Refusal::Unavailable) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
        }
        response
    }
}

impl Site {
    /// The row that the path's token names for `purpose`.
    pub(super) fn row(&self, purpose: TokenPurpose, path: Result<Path<String>, PathRejection>) -> Result<i64, Refused> {
        let token = path.map(|Path(token)| token).unwrap_or_default();
        self.state.keys.verify(purpose, &token).ok_or_else(|| self.not_found())
    }

    /// The refusal of a token that is wrong or names nothing.
    pub(super) fn not_found(&self) -> Refused {
        let allowed = self.guesses.take(self.state.clock.now());
        self.state.refuse(if allowed { Refusal::NotFound } else { Refusal::TooMany })
    }
}

/// Answers every path that is no page.
pub(super) async fn nothing_here(State(site): State<Arc<Site>>) -> Refused {
    site.state.refuse(Refusal::NotFound)
}
