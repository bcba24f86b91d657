//! The Sinch Fax v3 adapter: submit, poll, look up.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, Request};
use secrecy::ExposeSecret;
use serde_json::Value;
use url::Url;

use crate::config;
use crate::model::address::PhoneNumber;
use crate::model::response::FaxResult;
use crate::transport::http::{Answer, HttpClient, HttpError, Limits, is_loopback, parse_url};

use super::{FaxError, FaxJob, FaxProgress, FaxStatus, Submission, wire};

/// Faxes to one number that a look-up reads; the gateway's largest page.
const PAGE: usize = 1000;
/// How far the gateway's clock may be behind ours.
const SKEW: SignedDuration = SignedDuration::from_mins(10);

/// A gateway and our key to it.
#[derive(Clone)]
pub struct Gateway {
    client: HttpClient,
    base: Url,
    key: String,
    authorization: HeaderValue,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Gateway {
    /// The configured gateway; reads the secret once.
    ///
    /// # Errors
    /// The base URL would give the key away, or the secret cannot be read.
    pub fn new(fax: &config::Fax) -> Result<Self, FaxError> {
        Self::with_limits(fax, Limits { total: Duration::from_secs(90), body_bytes: 8 << 20, ..Limits::default() })
    }

    /// The same with other limits of time and size. Redirects are never followed.
    ///
    /// # Errors
    /// As [`Gateway::new`].
    pub fn with_limits(fax: &config::Fax, limits: Limits) -> Result<Self, FaxError> {
        let config::FaxGateway::Sinch = fax.gateway;
        let base = parse_url(fax.base_url.trim_end_matches('/'))?;
        let protected = base.scheme() == "https" || is_loopback(&base);
        if !protected || !base.username().is_empty() || base.password().is_some() {
            return Err(FaxError::BaseUrl(fax.base_url.clone()));
        }
        let secret = fax.secret.reveal()?;
        let basic = BASE64.encode(format!("{}:{}", fax.key, secret.expose_secret()).as_bytes());
        let mut authorization =
            HeaderValue::try_from(format!("Basic {basic}")).expect("base64 has only header characters");
        authorization.set_sensitive(true);
        let client = HttpClient::new(&base, Limits { redirects: 0, ..limits })?;
        Ok(Self { client, base, key: fax.key.clone(), authorization })
    }

    /// Hands a fax over, once.
    pub async fn submit(&self, job: &FaxJob<'_>) -> Submission {
        let mut request = self.request(Method::POST, &["faxes"]);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *request.body_mut() = Some(wire::submission(job).to_string().into());
        self.judge(self.client.send(request).await)
    }

    /// Asks how far a fax has come.
    ///
    /// # Errors
    /// No answer, or one that is not about that fax.
    pub async fn get(&self, id: &str) -> Result<FaxStatus, FaxError> {
        if !wire::is_id(id) {
            return Err(FaxError::Unknown);
        }
        let fax = self.ask(self.request(Method::GET, &["faxes", id])).await?;
        let status = wire::read_fax(&fax)?;
        if status.gateway_id != id {
            return Err(FaxError::Unreadable("it is of another fax".to_owned()));
        }
        Ok(status)
    }

    /// Looks a fax up by number and our own reference; `since` is when it was handed over.
    ///
    /// `None` means that the gateway does not list it, which may also mean not yet:
    /// two empty look-ups some minutes apart are the evidence that it was never taken.
    ///
    /// # Errors
    /// No answer, or a list from which nothing follows.
    pub async fn find(
        &self,
        to: &PhoneNumber,
        since: Timestamp,
        reference: &str,
    ) -> Result<Option<FaxStatus>, FaxError> {
        let mut request = self.request(Method::GET, &["faxes"]);
        // Without `createTime` the list holds the last week only. The name of the
        // field ends in `>`: the gateway reads `createTime>=...` as a comparison.
        let from = since.saturating_sub(SKEW).expect("a span without calendar units");
        request
            .url_mut()
            .query_pairs_mut()
            .append_pair("to", to.as_str())
            .append_pair("direction", "OUTBOUND")
            .append_pair("createTime>", &from.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .append_pair("pageSize", &PAGE.to_string());
        let list = self.ask(request).await?;
        find_in(&list, to, reference)
    }

    fn request(&self, method: Method, path: &[&str]) -> Request {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("parse_url took only http and https").pop_if_empty().extend(path);
        let mut request = Request::new(method, url);
        request.headers_mut().insert(AUTHORIZATION, self.authorization.clone());
        request
    }

    async fn ask(&self, request: Request) -> Result<Value, FaxError> {
        let answer = self.client.send(request).await?;
        match answer.status {
            200..=299 => serde_json::from_slice(&answer.body)
                .map_err(|_| FaxError::Unreadable("its answer is not JSON".to_owned())),
            401 | 403 => Err(FaxError::Key { key: self.key.clone(), status: answer.status }),
            404 => Err(FaxError::Unknown),
            status => Err(FaxError::Status { status, reason: wire::read_refusal(&answer.body).0 }),
        }
    }

    /// What an answer, or none, says about a fax that we tried to hand over.
    fn judge(&self, answer: Result<Answer, HttpError>) -> Submission {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if error.nothing_left() => return Submission::NotSent(error.to_string()),
            Err(error) => return Submission::Uncertain(error.to_string()),
        };
        let (reason, about_number) = wire::read_refusal(&answer.body);
        let said = format!("the gateway answered {}: {reason}", answer.status);
        let refused = |reason, kind| Submission::Refused { reason, kind };
        match answer.status {
            200..=299 => match find_id(&answer.body) {
                Some(gateway_id) => Submission::Submitted { gateway_id },
                None => Submission::Uncertain("the gateway took it and named no fax".to_owned()),
            },
            401 | 403 => {
                let key = FaxError::Key { key: self.key.clone(), status: answer.status };
                refused(key.to_string(), FaxResult::Account)
            }
            300..=399 => refused(format!("{said}; base_url is out of date"), FaxResult::Account),
            402 | 404 => refused(said, FaxResult::Account),
            // RFC 9110 15.5.9, RFC 6585 4: answered before the request was taken.
            408 | 429 => Submission::Retry(said),
            // A bare 503 may come from a proxy that had passed the request on.
            503 if answer.retry_after.is_some() => Submission::Retry(said),
            400..=499 if about_number => refused(said, FaxResult::BadNumber),
            400..=499 => refused(said, FaxResult::Document),
            _ => Submission::Uncertain(said),
        }
    }
}

/// The fax in a list that carries our reference; of several the one that arrived, else the newest.
fn find_in(list: &Value, to: &PhoneNumber, reference: &str) -> Result<Option<FaxStatus>, FaxError> {
    let Some(faxes) = list.get("faxes").and_then(Value::as_array) else {
        return Err(FaxError::Unreadable("its answer is no list of faxes".to_owned()));
    };
    let ours = faxes.iter().filter(|fax| wire::goes_to(fax, to)).filter_map(|fax| wire::read_fax(fax).ok());
    let ours = ours.filter(|fax| fax.reference.as_deref() == Some(reference));
    let found = ours.max_by_key(|fax| (fax.progress == FaxProgress::Ended(FaxResult::Delivered), fax.created_at));
    let total = list.get("totalItems").and_then(Value::as_u64).unwrap_or_default();
    // Not on this page is no evidence while there are others.
    if found.is_none() && (faxes.len() >= PAGE || total > faxes.len() as u64) {
        return Err(FaxError::CutOff);
    }
    Ok(found)
}

/// The id in the answer to a submission: of the fax, or of the first of a list.
fn find_id(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let fax = answer.get(0).unwrap_or(&answer);
    fax.get("id")?.as_str().filter(|id| wire::is_id(id)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretRef;
    use serde_json::json;

    fn config(base_url: &str) -> config::Fax {
        let secret = SecretRef::Env("PATH".to_owned());
        config::Fax {
            gateway: Default::default(),
            base_url: base_url.to_owned(),
            key: "k".to_owned(),
            secret,
            poll_s: 60,
        }
    }

    fn judged(status: u16, body: &str, retry_after: Option<&str>) -> Submission {
        let gateway = Gateway::new(&config("https://fax.example/v3/projects/p")).unwrap();
        let retry_after = retry_after.map(str::to_owned);
        gateway.judge(Ok(Answer { status, date: None, retry_after, body: body.as_bytes().to_vec() }))
    }

    fn kind(submission: &Submission) -> Option<FaxResult> {
        match submission {
            Submission::Refused { kind, .. } => Some(*kind),
            _ => None,
        }
    }

    #[test]
    fn keeps_the_key_from_unprotected_ways() {
        for base in ["http://fax.example/v3", "http://10.0.0.1/v3", "https://key:secret@fax.example/v3"] {
            assert!(matches!(Gateway::new(&config(base)), Err(FaxError::BaseUrl(_))), "{base}");
        }
        let gateway = Gateway::new(&config("http://127.0.0.1:1/v3")).unwrap();
        assert_eq!(format!("{gateway:?}"), r#"Gateway { base: "http://127.0.0.1:1/v3", .. }"#);
    }

    #[test]
    fn judges_each_answer_to_a_submission() {
        assert_eq!(judged(201, r#"{"id":"A1"}"#, None), Submission::Submitted { gateway_id: "A1".to_owned() });
        assert_eq!(judged(200, r#"[{"id":"A1"}]"#, None), Submission::Submitted { gateway_id: "A1".to_owned() });
        assert!(matches!(judged(200, "<html>", None), Submission::Uncertain(_)));
        assert!(matches!(judged(200, r#"{"id":"../x"}"#, None), Submission::Uncertain(_)));
        assert!(matches!(judged(429, "{}", None), Submission::Retry(_)));
        assert!(matches!(judged(503, "", Some("30")), Submission::Retry(_)));
        for status in [500, 502, 503, 504] {
            assert!(matches!(judged(status, "", None), Submission::Uncertain(_)), "{status}");
        }
        for status in [302, 401, 402, 403, 404] {
            assert_eq!(kind(&judged(status, "", None)), Some(FaxResult::Account), "{status}");
        }
        assert_eq!(kind(&judged(413, "", None)), Some(FaxResult::Document));
        let number = r#"{"message":"no","details":[{"fieldViolations":[{"field":"to"}]}]}"#;
        assert_eq!(kind(&judged(400, number, None)), Some(FaxResult::BadNumber));
    }

    #[test]
    fn concludes_nothing_from_a_list_that_is_cut_off() {
        let to = PhoneNumber::from_e164("+46701740612").unwrap();
        let fax = |id: &str, reference: &str| json!({ "id": id, "status": "QUEUED", "to": "+46701740612", "labels": { "ref": reference } });
        let list = json!({ "totalItems": 2, "faxes": [fax("a", "r-1")] });
        assert!(matches!(find_in(&list, &to, "r-2"), Err(FaxError::CutOff)));
        assert_eq!(find_in(&list, &to, "r-1").unwrap().unwrap().gateway_id, "a");
        assert!(matches!(find_in(&json!([]), &to, "r-1"), Err(FaxError::Unreadable(_))));
    }

    #[test]
    fn takes_the_fax_that_arrived_among_two_of_one_reference() {
        let to = PhoneNumber::from_e164("+46701740612").unwrap();
        let fax = |id: &str, status: &str, at: &str| json!({ "id": id, "status": status, "to": "+46701740612", "createTime": at, "labels": { "ref": "r" } });
        let list = json!({ "faxes": [
            fax("a", "COMPLETED", "2027-03-02T08:00:00Z"),
            fax("b", "FAILURE", "2027-03-02T08:05:00Z"),
        ] });
        assert_eq!(find_in(&list, &to, "r").unwrap().unwrap().gateway_id, "a");
    }
}
