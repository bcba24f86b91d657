//! The frame around each page of the demo, and the policy a browser holds it to.
//!
//! No script, nothing from elsewhere; frames hold only what this program captured.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("page.css");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 and words are visible ASCII")
});

/// A page with a heading and what stands below it.
pub(super) fn page(title: &str, content: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { h1 { (title) } (content) } }
        }
    };
    ([(header::CONTENT_SECURITY_POLICY, POLICY.clone())], page).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_no_end_of_its_own_style_element() {
        assert!(!STYLE.contains('<'), "the sheet stands unescaped");
    }
}
