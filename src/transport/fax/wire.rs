//! The gateway's JSON, read leniently and written once.
//!
//! Numbers may come as text and fields may be missing or new; only an id and a
//! status must be there. Nothing read here is trusted: ids are checked before
//! they go into a URL, words are tamed before they go into a row.

use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::model::address::PhoneNumber;
use crate::model::response::FaxResult;
use crate::model::text::tame;

use super::{FaxError, FaxJob, FaxProgress, FaxStatus, classify};

/// Characters of the gateway's words that are kept.
const DETAIL_CHARS: usize = 300;

/// The body of a submission. JSON, not multipart: there a label map has no agreed
/// spelling and a `maxRetries` of 0 is lost by the gateway's own SDK.
pub(super) fn submission(job: &FaxJob<'_>) -> Value {
    let header: String = tame(job.header_text).chars().take(50).collect();
    let mut body = json!({
        "to": job.to.as_str(),
        "files": [{ "file": BASE64.encode(job.pdf), "fileType": "PDF" }],
        "headerText": header,
        "headerPageNumbers": true,
        "labels": { "ref": job.reference },
        // Ours is the only retry policy: with two the tries would multiply.
        "maxRetries": 0,
        "resolution": "FINE",
        "imageConversionMethod": "MONOCHROME",
    });
    if let Some(from) = job.from {
        body["from"] = from.as_str().into();
    }
    if let Some(url) = job.callback_url {
        body["callbackUrl"] = url.into();
        body["callbackUrlContentType"] = "application/json".into();
    }
    body
}

/// Reads one fax object.
pub(super) fn read_fax(fax: &Value) -> Result<FaxStatus, FaxError> {
    let unreadable = |what: &str| FaxError::Unreadable(what.to_owned());
    let gateway_id = text(fax, "id").ok_or_else(|| unreadable("it has no id"))?;
    if !is_id(gateway_id) {
        return Err(unreadable("its id is none"));
    }
    let status = text(fax, "status").ok_or_else(|| unreadable("it has no status"))?;
    let error_code = number(fax, "errorCode");
    let result = classify(text(fax, "errorType").unwrap_or_default(), error_code.unwrap_or_default());
    let pages = count(fax, "numberOfPages");
    let progress = match status {
        "COMPLETED" => FaxProgress::Ended(FaxResult::Delivered),
        "FAILURE" | "FAILED" => FaxProgress::Ended(result),
        "QUEUED" => FaxProgress::Queued,
        _ => FaxProgress::Sending,
    };
    let all = if status == "COMPLETED" { pages } else { None };
    let pages_sent = count(fax, "pagesSentSuccessfully").or(all).unwrap_or_default();
    Ok(FaxStatus {
        gateway_id: gateway_id.to_owned(),
        reference: fax.get("labels").and_then(|labels| text(labels, "ref")).map(tame),
        progress,
        pages_sent,
        error_code,
        detail: detail(fax, all.filter(|pages| *pages > pages_sent).map(|pages| (pages_sent, pages))),
        price: fax.get("price").and_then(price),
        created_at: text(fax, "createTime").and_then(|at| at.parse().ok()),
    })
}

/// Whether a fax object of a list goes to `number`.
pub(super) fn goes_to(fax: &Value, number: &PhoneNumber) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    text(fax, "to").is_some_and(|to| digits(to) == digits(number.as_str()))
}

/// An id that is safe in a path.
pub(super) fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// What an error answer says, and whether it is about the number.
pub(super) fn read_refusal(body: &[u8]) -> (String, bool) {
    let Ok(answer) = serde_json::from_slice::<Value>(body) else {
        return (words(&String::from_utf8_lossy(body)), false);
    };
    let answer = answer.get("error").filter(|error| error.is_object()).unwrap_or(&answer);
    let said = text(answer, "message").or_else(|| text(answer, "error")).unwrap_or("no reason given");
    let details = answer.get("details").and_then(Value::as_array).into_iter().flatten();
    let violations = details.filter_map(|detail| detail.get("fieldViolations")?.as_array()).flatten();
    let about_number = violations.filter_map(|violation| text(violation, "field")).any(|field| field == "to");
    (words(said), about_number)
}

fn detail(fax: &Value, short: Option<(u32, u32)>) -> String {
    let said = words(text(fax, "errorMessage").unwrap_or_default());
    match short {
        // The gateway calls it completed all the same; sending it again would be ours.
        Some((sent, pages)) => format!("{sent} of {pages} pages {said}").trim_end().to_owned(),
        None => said,
    }
}

/// Words of a stranger: one line, not long, and no telephone number in them.
fn words(text: &str) -> String {
    let line: String = tame(text).trim().chars().take(DETAIL_CHARS).collect();
    let mut masked = String::with_capacity(line.len());
    let mut run = String::new();
    for c in line.chars().chain(['\0']) {
        if c.is_ascii_digit() {
            run.push(c);
            continue;
        }
        let is_number = run.len() >= 7;
        masked.push_str(if is_number { "***" } else { &run });
        run.clear();
        if c != '\0' {
            masked.push(c);
        }
    }
    masked
}

fn price(price: &Value) -> Option<String> {
    let amount = price.get("amount")?;
    let amount = amount.as_str().map(str::to_owned).or_else(|| amount.as_f64().map(|amount| amount.to_string()))?;
    let currency = text(price, "currencyCode").unwrap_or_default();
    let price: String = tame(&format!("{amount} {currency}")).chars().take(32).collect();
    Some(price.trim().to_owned())
}

fn text<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    of.get(key)?.as_str()
}

fn number(of: &Value, key: &str) -> Option<i64> {
    let value = of.get(key)?;
    value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn count(of: &Value, key: &str) -> Option<u32> {
    number(of, key)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_fax_with_numbers_as_text_and_fields_missing() {
        let fax = json!({ "id": "01ABC", "status": "FAILURE", "errorType": "CALL_ERROR", "errorCode": "17" });
        let status = read_fax(&fax).unwrap();
        assert_eq!(status.progress, FaxProgress::Ended(FaxResult::Busy));
        assert_eq!((status.error_code, status.pages_sent, status.reference), (Some(17), 0, None));
    }

    #[test]
    fn refuses_an_id_that_would_lead_elsewhere() {
        for id in ["", "../accounts", "a/b", "a?b", "a%2fb", "å"] {
            assert!(read_fax(&json!({ "id": id, "status": "QUEUED" })).is_err(), "{id}");
        }
    }

    #[test]
    fn tames_and_masks_the_words_of_the_gateway() {
        assert_eq!(words(" number +46701740612\r\nis not 46 \u{202e}x "), "number +***  is not 46 x");
        assert_eq!(words(&"x".repeat(999)).len(), DETAIL_CHARS);
    }

    #[test]
    fn says_so_when_a_completed_fax_lacks_a_page() {
        let fax = json!({ "id": "a", "status": "COMPLETED", "numberOfPages": 2, "pagesSentSuccessfully": 1 });
        assert_eq!(read_fax(&fax).unwrap().detail, "1 of 2 pages");
    }

    #[test]
    fn finds_the_number_at_fault_in_a_refusal() {
        let body = br#"{"message":"bad","details":[{"fieldViolations":[{"field":"to","description":"x"}]}]}"#;
        assert_eq!(read_refusal(body), ("bad".to_owned(), true));
        assert_eq!(read_refusal(b"<html>"), ("<html>".to_owned(), false));
        assert_eq!(read_refusal(br#"{"error":"unauthorized"}"#), ("unauthorized".to_owned(), false));
    }
}
