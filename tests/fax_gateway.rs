//! Faxes from our side of the line to the gateway's, over real HTTP.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use outreachd::clock::{Clock, ManualClock};
use outreachd::config::{self, SecretRef};
use outreachd::demo::fax_gateway::{Ending, Fault, FaxGateway, KEY, SECRET};
use outreachd::model::address::PhoneNumber;
use outreachd::model::response::FaxResult;
use outreachd::policy::fax_retry::{FaxNext, next_try};
use outreachd::transport::fax::{FaxError, FaxJob, FaxProgress, Gateway, Submission};
use outreachd::transport::http::Limits;
use tokio::io::AsyncReadExt;

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj << /Type /Page >> endobj\n2 0 obj << /Type /Pages >> endobj\n%%EOF";

struct Bench {
    clock: ManualClock,
    demo: FaxGateway,
    gateway: Gateway,
    number: PhoneNumber,
}

impl Bench {
    async fn new(script: impl Fn(&str, u32) -> Ending + Send + Sync + 'static) -> Self {
        let clock = ManualClock::new("2027-03-02T08:00:00Z".parse().unwrap());
        let demo = FaxGateway::start(Clock::Manual(clock.clone()), script).await.unwrap();
        let gateway = gateway(demo.base_url(), KEY, SECRET, Duration::from_secs(20));
        Self { clock, demo, gateway, number: number("+46701740612") }
    }

    fn job<'a>(&'a self, reference: &'a str) -> FaxJob<'a> {
        FaxJob { to: &self.number, from: None, header_text: "Fyrljus AB", reference, pdf: PDF, callback_url: None }
    }

    async fn submit(&self, reference: &str) -> String {
        taken(self.gateway.submit(&self.job(reference)).await)
    }

    /// Moves the clock to the end of the next call.
    fn wait_for_call(&self) {
        self.clock.set(self.demo.next_at().unwrap());
    }
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::from_e164(text).unwrap()
}

/// A gateway whose secret stands in a private file, as in production.
fn gateway(base_url: &str, key: &str, secret: &str, total: Duration) -> Gateway {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
    writeln!(file, "{secret}").unwrap();
    let fax = config::Fax {
        gateway: config::FaxGateway::Sinch,
        base_url: base_url.to_owned(),
        key: key.to_owned(),
        secret: SecretRef::File(file.path().to_owned()),
        poll_s: 60,
    };
    let limits = Limits { total, body_bytes: 8 << 20, ..Limits::default() };
    Gateway::with_limits(&fax, limits).unwrap()
}

fn taken(submission: Submission) -> String {
    let Submission::Submitted { gateway_id } = submission else { panic!("{submission:?}") };
    gateway_id
}

#[tokio::test]
async fn follows_a_fax_from_the_queue_to_its_arrival() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let id = bench.submit("r-1").await;
    let queued = bench.gateway.get(&id).await.unwrap();
    assert_eq!((queued.progress, queued.reference.as_deref()), (FaxProgress::Queued, Some("r-1")));
    assert_eq!(queued.created_at, Some(bench.clock.now()));

    bench.clock.set(bench.clock.now() + SignedDuration::from_secs(10));
    assert_eq!(bench.gateway.get(&id).await.unwrap().progress, FaxProgress::Sending);

    bench.wait_for_call();
    let ended = bench.gateway.get(&id).await.unwrap();
    assert_eq!(ended.progress, FaxProgress::Ended(FaxResult::Delivered));
    assert_eq!((ended.pages_sent, ended.price.as_deref()), (1, Some("0.07 USD")));
    assert_eq!(bench.demo.next_at(), None);
}

#[tokio::test]
async fn hands_over_the_very_document_and_asks_for_no_retries() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let from = number("+46701740605");
    let url = "https://hooks.fyrljus.example/fax";
    let header = "å".repeat(60);
    let job = FaxJob { from: Some(&from), header_text: &header, callback_url: Some(url), ..bench.job("r-1") };
    taken(bench.gateway.submit(&job).await);
    let [fax] = &bench.demo.faxes()[..] else { panic!("one fax") };
    assert_eq!((&fax.pdf[..], fax.to.as_str(), fax.reference()), (PDF, "+46701740612", Some("r-1")));
    assert_eq!(fax.fields["maxRetries"], 0);
    assert_eq!(fax.fields["from"], "+46701740605");
    assert_eq!(fax.fields["headerText"].as_str().unwrap().chars().count(), 50);
    assert_eq!(fax.fields["callbackUrl"], url);
    assert_eq!(fax.fields["callbackUrlContentType"], "application/json");
}

#[tokio::test]
async fn tries_a_busy_number_again_until_it_takes_the_fax() {
    let bench = Bench::new(|_, nth| if nth < 3 { Ending::Busy } else { Ending::Delivered }).await;
    let mut results = Vec::new();
    for tries in 1.. {
        let id = bench.submit(&format!("r-{tries}")).await;
        bench.wait_for_call();
        let FaxProgress::Ended(result) = bench.gateway.get(&id).await.unwrap().progress else { panic!("not ended") };
        results.push(result);
        let FaxNext::Again(at) = next_try(result, tries, bench.clock.now(), None) else { break };
        bench.clock.set(at);
    }
    assert_eq!(results, [FaxResult::Busy, FaxResult::Busy, FaxResult::Delivered]);
    let submitted: Vec<Timestamp> = bench.demo.faxes().iter().map(|fax| fax.at).collect();
    let minutes: Vec<i64> = submitted.windows(2).map(|two| two[1].duration_since(two[0]).as_mins()).collect();
    assert_eq!(minutes, [5, 15]);
}

#[tokio::test]
async fn tells_each_ending_apart() {
    let endings = [
        (Ending::NoAnswer, FaxResult::NoAnswer),
        (Ending::Voice, FaxResult::NotAFax),
        (Ending::Dropped, FaxResult::Line),
        (Ending::BadNumber, FaxResult::BadNumber),
        (Ending::Blocked, FaxResult::Blocked),
        (Ending::OutOfCredit, FaxResult::Account),
        (Ending::BadDocument, FaxResult::Document),
    ];
    let bench = Bench::new(move |_, nth| endings[nth as usize - 1].0).await;
    for (_, result) in endings {
        let id = bench.submit("r").await;
        bench.wait_for_call();
        let status = bench.gateway.get(&id).await.unwrap();
        assert_eq!(status.progress, FaxProgress::Ended(result));
        assert!(!status.detail.is_empty());
    }
}

#[tokio::test]
async fn finds_a_fax_after_a_submission_that_nobody_answered() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let since = bench.clock.now();
    let hasty = gateway(bench.demo.base_url(), KEY, SECRET, Duration::from_millis(400));
    bench.submit("r-0").await;
    let faults = [Fault::Stall { taken: true }, Fault::Broken { taken: true }, Fault::Cut { taken: true }];
    for (nth, fault) in faults.into_iter().enumerate() {
        let reference = format!("taken-{nth}");
        bench.demo.fail_next(fault);
        let submission = hasty.submit(&bench.job(&reference)).await;
        assert!(matches!(submission, Submission::Uncertain(_)), "{fault:?}: {submission:?}");
        let found = bench.gateway.find(&bench.number, since, &reference).await.unwrap().unwrap();
        assert_eq!(found.reference.as_deref(), Some(reference.as_str()));
    }
    assert_eq!(bench.demo.faxes().len(), 4);
}

#[tokio::test]
async fn finds_nothing_after_a_submission_that_was_not_taken() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let since = bench.clock.now();
    let hasty = gateway(bench.demo.base_url(), KEY, SECRET, Duration::from_millis(400));
    for fault in [Fault::Stall { taken: false }, Fault::Broken { taken: false }, Fault::Cut { taken: false }] {
        bench.demo.fail_next(fault);
        let submission = hasty.submit(&bench.job("lost")).await;
        assert!(matches!(submission, Submission::Uncertain(_)), "{fault:?}: {submission:?}");
    }
    assert_eq!(bench.gateway.find(&bench.number, since, "lost").await.unwrap(), None);
    bench.submit("other").await;
    assert_eq!(bench.gateway.find(&number("+46701740613"), since, "other").await.unwrap(), None);
    let later = since + SignedDuration::from_hours(1);
    assert_eq!(bench.gateway.find(&bench.number, later, "other").await.unwrap(), None);
}

#[tokio::test]
async fn calls_it_not_sent_when_nobody_listens() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = gateway(&format!("http://{free}/v3/projects/demo"), KEY, SECRET, Duration::from_secs(5));
    let Submission::NotSent(why) = gateway.submit(&bench.job("r")).await else { panic!("it was sent") };
    assert!(why.starts_with("cannot connect: Connection refused"), "{why}");
}

#[tokio::test]
async fn calls_it_uncertain_when_the_connection_is_reset_after_bytes_left() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v3/projects/demo", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.read_u8().await.unwrap();
    });
    let submission = gateway(&base, KEY, SECRET, Duration::from_secs(5)).submit(&bench.job("r")).await;
    server.await.unwrap();
    assert!(matches!(submission, Submission::Uncertain(_)), "{submission:?}");
}

#[tokio::test]
async fn waits_when_the_gateway_asks_for_patience() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    bench.demo.fail_next(Fault::TooMany);
    let submission = bench.gateway.submit(&bench.job("r")).await;
    assert_eq!(submission, Submission::Retry("the gateway answered 429: too many requests".to_owned()));
    assert!(bench.demo.faxes().is_empty());
}

#[tokio::test]
async fn says_what_to_check_when_the_key_is_refused() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let wrong = gateway(bench.demo.base_url(), KEY, "guess", Duration::from_secs(5));
    let Submission::Refused { reason, kind } = wrong.submit(&bench.job("r")).await else { panic!("not refused") };
    let expected = "the fax gateway refuses key `demo` (401); check [fax] key, secret and the project in base_url";
    assert_eq!((reason.as_str(), kind), (expected, FaxResult::Account));
    assert_eq!(wrong.get("DEMOFAX00000001").await.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn blames_the_document_when_it_is_no_pdf() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let job = FaxJob { pdf: b"GIF89a", ..bench.job("r") };
    let expected =
        Submission::Refused { reason: "the gateway answered 400: not a PDF".to_owned(), kind: FaxResult::Document };
    assert_eq!(bench.gateway.submit(&job).await, expected);
}

#[tokio::test]
async fn asks_for_no_fax_by_a_name_that_leads_elsewhere() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    for id in ["../../admin", "", "DEMOFAX00000009"] {
        assert!(matches!(bench.gateway.get(id).await, Err(FaxError::Unknown)), "{id}");
    }
}

#[tokio::test]
async fn demo_takes_forms_and_gives_the_document_back() {
    let bench = Bench::new(|_, _| Ending::Delivered).await;
    let part = reqwest::multipart::Part::bytes(PDF).file_name("fax.pdf").mime_str("application/pdf").unwrap();
    let form = reqwest::multipart::Form::new()
        .text("to", "+46701740612")
        .text("labels", r#"{"ref":"r-1"}"#)
        .part("file", part);
    let url = format!("{}/faxes", bench.demo.base_url());
    let client = reqwest::Client::new();
    let taken = client.post(&url).basic_auth(KEY, Some(SECRET)).multipart(form).send().await.unwrap();
    assert_eq!(taken.status(), 200);
    let file = client.get(format!("{url}/DEMOFAX00000001/file.pdf")).basic_auth(KEY, Some(SECRET)).send();
    assert_eq!(&file.await.unwrap().bytes().await.unwrap()[..], PDF);
    let found = bench.gateway.find(&bench.number, bench.clock.now(), "r-1").await.unwrap();
    assert_eq!(found.unwrap().gateway_id, "DEMOFAX00000001");
}

/// Over a real T.30 line, where the environment names a gateway with one behind it
/// (`OUTREACHD_TEST_FAXSIM=http://127.0.0.1:8765/v3/projects/test`, key `key`, secret `secret`).
#[tokio::test]
async fn sends_over_a_real_line() {
    let Ok(base) = std::env::var("OUTREACHD_TEST_FAXSIM") else {
        eprintln!("skipped: OUTREACHD_TEST_FAXSIM names no gateway");
        return;
    };
    let pdf = letter("Fyrljus AB, referens FL-2027-0612: vi mater garna ljuset i ert lager");
    let gateway = gateway(&base, "key", "secret", Duration::from_secs(10));
    let cases = [
        ("+46701740612", FaxResult::Delivered),
        ("+19995550112", FaxResult::Delivered),
        ("+19995550117", FaxResult::Busy),
        ("+19995550116", FaxResult::NoAnswer),
        ("+19995550134", FaxResult::BadNumber),
        ("+19995550132", FaxResult::NotAFax),
        ("+19995550111", FaxResult::Line),
    ];
    for (to, result) in cases {
        let to = number(to);
        let job =
            FaxJob { to: &to, from: None, header_text: "Fyrljus AB", reference: "r", pdf: &pdf, callback_url: None };
        let id = taken(gateway.submit(&job).await);
        assert_eq!(ended(&gateway, &id).await, result, "{}", to.as_str());
    }
    let busy = number("+19995550129");
    let job = FaxJob { to: &busy, from: None, header_text: "", reference: "r-29", pdf: &pdf, callback_url: None };
    assert!(matches!(gateway.submit(&job).await, Submission::Retry(_)));
    // The answer comes after 30 s and we wait 10: it is looked up, not sent again.
    let late = number("+19995550104");
    let job = FaxJob { to: &late, reference: "r-04", ..job };
    assert!(matches!(gateway.submit(&job).await, Submission::Uncertain(_)));
    let found = gateway.find(&late, Timestamp::UNIX_EPOCH, "r-04").await.unwrap().unwrap();
    assert_eq!(ended(&gateway, &found.gateway_id).await, FaxResult::Delivered);
}

/// Asks until the fax has ended; each question is a round trip, and the line takes its time.
async fn ended(gateway: &Gateway, id: &str) -> FaxResult {
    for _ in 0..20_000 {
        if let FaxProgress::Ended(result) = gateway.get(id).await.unwrap().progress {
            return result;
        }
    }
    panic!("the fax does not end");
}

/// A PDF of three A4 pages full of `line`: longer on the line than the 20 s after which a call drops.
fn letter(line: &str) -> Vec<u8> {
    let rows: String = (0..40).map(|row| format!("{row} {line}) Tj T* (")).collect();
    let content = format!("BT /F1 11 Tf 16 TL 60 760 Td ({rows}) Tj ET");
    let page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R \
                /Resources << /Font << /F1 7 0 R >> >> >>";
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R 4 0 R 5 0 R] /Count 3 >>".to_owned(),
        page.to_owned(),
        page.to_owned(),
        page.to_owned(),
        format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut pdf = b"%PDF-1.4\n".to_vec();
    let mut offsets = Vec::new();
    for (n, object) in objects.iter().enumerate() {
        offsets.push(pdf.len());
        pdf.extend(format!("{} 0 obj\n{object}\nendobj\n", n + 1).bytes());
    }
    let start = pdf.len();
    pdf.extend(b"xref\n0 8\n0000000000 65535 f \n");
    pdf.extend(offsets.iter().flat_map(|at| format!("{at:010} 00000 n \n").into_bytes()));
    pdf.extend(format!("trailer\n<< /Size 8 /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").bytes());
    pdf
}
