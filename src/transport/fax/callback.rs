//! What a gateway posts to us when a fax has ended.
//!
//! Callbacks are unsigned, so anybody who learns the URL can post one, and the
//! gateway repeats its own: a callback only says *which* fax to ask for. The
//! daemon believes what [`super::Gateway::get`] then answers.

use mail_parser::{Message, MessageParser, MimeHeaders, PartType};
use serde_json::Value;

use super::{FaxError, FaxStatus, wire};

/// Reads a callback, `application/json` or `multipart/form-data` (field `fax` in JSON).
///
/// # Errors
/// It is of another shape, or of a fax that came in.
pub fn read_callback(content_type: &str, body: &[u8]) -> Result<FaxStatus, FaxError> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let (event, fax) = match kind.as_str() {
        "application/json" => read_json(body)?,
        "multipart/form-data" => read_form(content_type, body)?,
        _ => return Err(unreadable("it is neither JSON nor a form")),
    };
    let incoming = event == "INCOMING_FAX" || fax.get("direction").and_then(Value::as_str) == Some("INBOUND");
    if incoming {
        return Err(FaxError::Incoming);
    }
    if event != "FAX_COMPLETED" {
        return Err(unreadable("it is of an event we do not know"));
    }
    wire::read_fax(&fax)
}

fn read_json(body: &[u8]) -> Result<(String, Value), FaxError> {
    let mut callback: Value = serde_json::from_slice(body).map_err(|_| unreadable("it is not JSON"))?;
    let event = callback.get("event").and_then(Value::as_str).unwrap_or_default().to_owned();
    let fax = callback.get_mut("fax").map(Value::take).ok_or_else(|| unreadable("it has no fax"))?;
    Ok((event, fax))
}

/// A form is MIME (RFC 7578 4), so the mail parser reads it, under a head of its own.
fn read_form(content_type: &str, body: &[u8]) -> Result<(String, Value), FaxError> {
    if content_type.chars().any(char::is_control) {
        return Err(unreadable("its content type has control characters"));
    }
    let mut mime = format!("MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n").into_bytes();
    mime.extend_from_slice(body);
    let form = MessageParser::default().parse(&mime).ok_or_else(|| unreadable("it is no form"))?;
    let event = find_field(&form, "event").unwrap_or_default();
    let fax = find_field(&form, "fax").ok_or_else(|| unreadable("it has no fax"))?;
    let fax = serde_json::from_slice(fax).map_err(|_| unreadable("its fax is not JSON"))?;
    Ok((String::from_utf8_lossy(event).trim().to_owned(), fax))
}

/// The field `name` of the form itself, not of a document inside it.
fn find_field<'a>(form: &'a Message<'_>, name: &str) -> Option<&'a [u8]> {
    let PartType::Multipart(fields) = &form.root_part().body else { return None };
    let named = fields
        .iter()
        .filter_map(|id| form.part(*id))
        .find(|part| part.content_disposition().and_then(|disposition| disposition.attribute("name")) == Some(name));
    named.map(|part| part.contents())
}

fn unreadable(what: &str) -> FaxError {
    FaxError::Unreadable(format!("callback: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::response::FaxResult;
    use crate::transport::fax::FaxProgress;

    const FAX: &str = r#"{"id":"01AB","status":"COMPLETED","numberOfPages":2,"labels":{"ref":"r-7"},
        "price":{"amount":0.14,"currencyCode":"USD"},"createTime":"2027-03-02T08:00:00Z"}"#;
    const FORM: &str = "multipart/form-data; boundary=\"b-1\"";

    fn json(event: &str, fax: &str) -> Vec<u8> {
        format!(r#"{{"event":"{event}","eventTime":"2027-03-02T08:01:00Z","fax":{fax}}}"#).into_bytes()
    }

    fn form(fax: &str, kind: &str) -> Vec<u8> {
        let mut body = "--b-1\r\nContent-Disposition: form-data; name=\"event\"\r\n\r\nFAX_COMPLETED\r\n".to_owned();
        body += &format!("--b-1\r\nContent-Disposition: form-data; name=\"fax\"\r\n{kind}\r\n{fax}\r\n");
        body += "--b-1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"fax.pdf\"\r\n";
        body += "Content-Type: application/pdf\r\n\r\n%PDF-1.7\n\0\r\n--b-1--\r\n";
        body.into_bytes()
    }

    #[test]
    fn reads_the_same_from_json_and_from_a_form() {
        let told = read_callback("application/json; charset=utf-8", &json("FAX_COMPLETED", FAX)).unwrap();
        assert_eq!(told.progress, FaxProgress::Ended(FaxResult::Delivered));
        assert_eq!((told.gateway_id.as_str(), told.reference.as_deref()), ("01AB", Some("r-7")));
        assert_eq!((told.pages_sent, told.price.as_deref()), (2, Some("0.14 USD")));
        assert_eq!(told.created_at, Some("2027-03-02T08:00:00Z".parse().unwrap()));
        for kind in ["", "Content-Type: application/json\r\n", "Content-Type: text/plain; charset=utf-8\r\n"] {
            assert_eq!(read_callback(FORM, &form(FAX, kind)).unwrap(), told, "{kind}");
        }
    }

    #[test]
    fn passes_over_a_fax_that_came_in() {
        let came_in = read_callback("application/json", &json("INCOMING_FAX", FAX));
        assert!(matches!(came_in, Err(FaxError::Incoming)));
    }

    #[test]
    fn refuses_what_is_malformed() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let bodies: [&[u8]; 6] = [b"", b"{", b"null", b"{\"fax\":7}", deep.as_bytes(), b"\xff\xfe"];
        for body in bodies {
            assert!(read_callback("application/json", body).is_err());
            assert!(read_callback(FORM, body).is_err());
        }
        assert!(read_callback("text/html", &json("FAX_COMPLETED", FAX)).is_err());
        assert!(read_callback("multipart/form-data", &form(FAX, "")).is_err());
        assert!(read_callback("multipart/form-data; boundary=b-1\r\nX: y", &form(FAX, "")).is_err());
        assert!(read_callback("application/json", &json("FAX_EATEN", FAX)).is_err());
    }

    #[test]
    fn takes_no_field_from_inside_the_document() {
        let inner = "--b-1\r\nContent-Type: message/rfc822\r\n\r\n".to_owned()
            + "Content-Type: multipart/form-data; boundary=i\r\n\r\n"
            + "--i\r\nContent-Disposition: form-data; name=\"fax\"\r\n\r\n{}\r\n--i--\r\n--b-1--\r\n";
        let error = read_callback(FORM, inner.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the fax gateway's word: callback: it has no fax");
    }
}
