//! The frame around every page, and the policy a browser holds it to.
//!
//! One style sheet stands inline and is allowed by its hash; there is no script,
//! no image and nothing from elsewhere. Pages are readable at 360 px, light and dark.

use std::sync::LazyLock;

use axum::http::HeaderValue;
use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use crate::model::language::Language;

const STYLE: &str = include_str!("page.css");

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = BASE64.encode(&Sha256::digest(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 and words are visible ASCII")
});

/// The policy of our own pages.
pub(super) fn strict_policy() -> HeaderValue {
    POLICY.clone()
}

/// A page with a heading and what stands below it.
pub(super) fn frame(language: Language, title: &str, company: Option<&str>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang=(language.code()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex, nofollow";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    @if let Some(company) = company { p.company { (company) } }
                    h1 { (title) }
                    (content)
                }
            }
        }
    }
}

/// A page that only says something.
pub(super) fn notice(language: Language, title: &str, text: &str) -> Markup {
    frame(language, title, None, &html! { p { (text) } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_no_end_of_its_own_style_element() {
        assert!(!STYLE.contains('<'), "the sheet stands unescaped");
        assert!(notice(Language::En, "a", "b").into_string().contains(&format!("<style>{STYLE}</style>")));
    }
}
