//! The main job on real servers, by the commands its people type: a starter, a
//! thousand rows, check, plan, apply, run, and what comes back.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::process::Command;
use std::time::Duration;

use outreachd::clock::Clock;
use serde_json::Value;

use crate::clients::{self, BAD, Clients, Good, MANAGERS, NO_CONSENT, OPTED_OUT, ROWS, UNKNOWN, clients};
use crate::company::{Company, Daemon, MAILBOX};
use crate::support::services::{RealMail, delivered_to, postgres_url, real_mail};

const CAMPAIGN: &str = "led-i-lagret";
/// Letters are spread over a minute and a half; the rest is for a slow machine.
const LETTERS: Duration = Duration::from_secs(300);
/// What comes back is there within seconds; a mailbox that was away may be let alone for a minute.
const ANSWERS: Duration = Duration::from_secs(120);

#[test]
fn a_thousand_rows_become_letters_and_answers_on_sqlite() {
    let Some(mail) = real_mail() else { return };
    main_job(&mail, "sqlite", None);
}

#[tokio::test]
async fn a_thousand_rows_become_letters_and_answers_on_postgres() {
    let (Some(mail), Some(server)) = (real_mail(), postgres_url()) else { return };
    let url = crate::support::databases::fresh_postgres(&server, "real_main_job").await;
    main_job(&mail, "postgres", Some(&url));
}

fn main_job(mail: &RealMail, engine: &str, database: Option<&str>) {
    let run = format!("{engine}{}", std::process::id());
    let company = Company::found(mail, database);
    for (email, name) in MANAGERS {
        company.run(&["manager", "appoint", email, "--name", name, "--reason", "has half of Iceland"]).well();
    }
    let clients = clients(&run);
    import(&company, &clients);

    company.open_window(Clock::System.now());
    let checked = company.run(&["check"]).well();
    assert!(checked.contains(&format!("{CAMPAIGN}: 5 steps, each letter rendered for")), "{checked}");
    let plan = plan_of(&company);
    let promised = Promise::of(&plan, &clients);
    let applied = company.run(&["apply", "--yes"]).well();
    assert!(applied.contains(&format!("{CAMPAIGN}: version 1, first letters")), "{applied}");
    assert!(applied.contains(&format!("{} contacts", promised.starts.len())), "{applied}");

    let mut daemon = company.start_daemon();
    let count = promised.starts.len() as u64;
    daemon.until("all letters accepted", LETTERS, |company| {
        (deliveries(&company.ask(&["status"])).get("accepted") == Some(&count)).then_some(())
    });
    let letters = letters_once(&mut daemon, mail, &run, &promised);
    bounces_are_logged_and_suppressed(&mut daemon, &promised);
    a_reply_stops_the_plan(&mut daemon, mail, &promised, &letters);

    let (ended, log) = daemon.stop();
    assert_eq!(ended.code(), Some(0), "{}", log.join("\n"));
    let bad: Vec<_> = log.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(bad.is_empty(), "{bad:?}");
    status_reconciles(&company, &plan, &promised);
    assert_eq!(received(mail, &run).values().sum::<usize>(), letters.len(), "something left twice at the end");
}

fn import(company: &Company, clients: &Clients) {
    company.write("clients.csv", &clients.file);
    let imported = company.run(&["import", "clients.csv"]);
    assert_eq!(imported.code, Some(1), "{}{}", imported.out, imported.err);
    let refused: BTreeSet<_> = imported.err.lines().filter_map(|line| line.strip_prefix("clients.csv:")).collect();
    assert_eq!(refused.len(), BAD, "{}", imported.err);
    let summary = format!("{0} rows: {0} new, 0 changed, 0 as before; {BAD} refused", ROWS - BAD);
    assert!(imported.out.contains(&summary), "{}", imported.out);
}

fn plan_of(company: &Company) -> Value {
    let plans = company.ask(&["plan", "--list"]);
    let mine = plans.as_array().into_iter().flatten().find(|plan| plan["campaign"] == CAMPAIGN);
    mine.expect("the campaign is planned").clone()
}

/// Whom `plan` promised a letter.
struct Promise {
    starts: Vec<Good>,
}

impl Promise {
    /// Holds `plan` against what the file says, as far as chance leaves it open.
    fn of(plan: &Value, clients: &Clients) -> Self {
        let people: HashMap<_, _> =
            plan["people"].as_array().expect("--list names them").iter().map(|one| (&one["name"], one)).collect();
        assert_eq!(people.len(), clients.good.len());
        assert_eq!(plan["matched"], clients.good.len());
        let starts: Vec<_> = clients
            .good
            .iter()
            .filter(|good| people[&Value::from(good.name.as_str())]["left_out"].is_null())
            .cloned()
            .collect();
        assert_eq!(plan["starts"], starts.len());
        assert!(starts.iter().all(|good| !good.is_forbidden), "somebody who may not be written to starts");
        let left_out = plan["left_out"].as_object().expect("by rule");
        let by_rule = |rule: &str| left_out.get(rule).and_then(Value::as_u64).unwrap_or(0) as usize;
        assert_eq!((by_rule("suppressed"), by_rule("no_consent")), (OPTED_OUT, NO_CONSENT), "{left_out:?}");
        assert!(
            starts.iter().filter(|good| good.has_colleague).count() <= clients::COLLEAGUES / 2,
            "two of one company"
        );
        // The rest is the hold-out, four in a hundred.
        let sum: u64 = left_out.values().filter_map(Value::as_u64).sum();
        assert_eq!(starts.len() as u64 + sum, clients.good.len() as u64);
        assert!(starts.len() > 800, "{left_out:?}");
        Self { starts }
    }

    fn unknown(&self) -> Vec<&Good> {
        let unknown: Vec<_> = self.starts.iter().filter(|good| good.is_unknown()).collect();
        assert!((1..=UNKNOWN).contains(&unknown.len()));
        unknown
    }
}

/// Deliveries of the campaign by state.
fn deliveries(status: &Value) -> BTreeMap<String, u64> {
    let rows = status["deliveries"].as_array().expect("a list").iter().filter(|row| row["campaign"] == CAMPAIGN);
    rows.map(|row| (row["state"].as_str().unwrap_or_default().to_owned(), row["count"].as_u64().unwrap_or(0))).collect()
}

/// How many mails of this run lie in Dovecot's store, by recipient.
fn received(mail: &RealMail, run: &str) -> HashMap<String, usize> {
    let mut counts = RealMail::mails_per_recipient(&mail.clients_maildir);
    counts.retain(|recipient, _| recipient.starts_with(&format!("{run}.")));
    counts
}

/// Each promised letter lies in Dovecot's store exactly once, and nobody else got any.
fn letters_once(daemon: &mut Daemon<'_>, mail: &RealMail, run: &str, promised: &Promise) -> HashMap<String, Vec<u8>> {
    let expected: HashMap<_, _> =
        promised.starts.iter().filter(|good| !good.is_unknown()).map(|good| (good.email.clone(), 1)).collect();
    // Postfix has taken them; its queue may still be busy.
    daemon.until("the letters in Dovecot's store", ANSWERS, |_| {
        (received(mail, run).len() >= expected.len()).then_some(())
    });
    let received = received(mail, run);
    let wrong: Vec<_> = received.iter().filter(|(who, count)| expected.get(*who) != Some(count)).collect();
    assert!(wrong.is_empty(), "not promised, or not once: {wrong:?}");
    assert_eq!(received.len(), expected.len());
    let letters = RealMail::mails(&mail.clients_maildir).into_iter();
    letters
        .filter_map(|letter| Some((delivered_to(&letter)?, letter)))
        .filter(|(who, _)| expected.contains_key(who))
        .collect()
}

/// The record of a client, as `client show` has it.
fn record(company: &Company, email: &str) -> Value {
    company.ask(&["client", "show", email])
}

fn bounces_are_logged_and_suppressed(daemon: &mut Daemon<'_>, promised: &Promise) {
    for good in promised.unknown() {
        let record = daemon.until("a bounce", ANSWERS, |company| {
            let record = record(company, &good.email);
            has(&record["timeline"], "kind", "bounce.no_mailbox").then_some(record)
        });
        let suppressions = &record["suppressions"];
        assert!(has(suppressions, "reason", "invalid") && has(suppressions, "value", &good.email), "{record:#}");
        assert!(suppressions[0]["lifted_at"].is_null(), "{record:#}");
        // Their manager may find the right address; without it the next step ends the plan.
        assert_eq!(record["plans"][0]["state"], "active", "{record:#}");
    }
}

fn a_reply_stops_the_plan(
    daemon: &mut Daemon<'_>,
    mail: &RealMail,
    promised: &Promise,
    letters: &HashMap<String, Vec<u8>>,
) {
    let known: Vec<_> = promised.starts.iter().filter(|good| !good.is_unknown()).collect();
    let (who, silent) = (&known[known.len() / 2].email, &known[0].email);
    answer(mail, who, &String::from_utf8_lossy(&letters[who]));
    let record = daemon.until("the reply", ANSWERS, |company| {
        let record = record(company, who);
        (record["plans"][0]["state"] == "stopped").then_some(record)
    });
    assert_eq!(record["plans"][0]["stop_reason"], "reply", "{record:#}");
    assert!(has(&record["timeline"], "direction", "in"), "{record:#}");
    let other = daemon.until("the other's record", ANSWERS, |company| Some(self::record(company, silent)));
    assert_eq!(other["plans"][0]["state"], "active", "{other:#}");
}

/// Answers `letter` as an ordinary mail program would.
fn answer(mail: &RealMail, from: &str, letter: &str) {
    let reply_to = header(letter, "Reply-To");
    assert!(reply_to.ends_with(&format!("<{MAILBOX}>")), "{reply_to}");
    let (message_id, subject) = (header(letter, "Message-ID"), header(letter, "Subject"));
    let sent = Command::new("swaks")
        .args(["--server", &mail.host, "--port", &mail.smtp_port.to_string(), "--from", from, "--to", MAILBOX])
        .args(["--header", &format!("To: {reply_to}"), "--header", &format!("Subject: Sv: {subject}")])
        .args(["--header", &format!("In-Reply-To: {message_id}"), "--header", &format!("References: {message_id}")])
        .args(["--header", "Content-Type: text/plain; charset=utf-8"])
        .args(["--body", "Det låter intressant. Kan ni titta förbi på torsdag?"])
        .output()
        .expect("swaks is there; apt-get install swaks");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
}

/// The value of a header field, unfolded.
fn header(letter: &str, name: &str) -> String {
    let head = letter.replace("\r\n", "\n");
    let head = head.split("\n\n").next().unwrap_or_default().replace("\n ", " ").replace("\n\t", " ");
    let line = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name} in:\n{head}")).to_owned()
}

fn has(rows: &Value, key: &str, value: &str) -> bool {
    rows.as_array().into_iter().flatten().any(|row| row[key] == value)
}

/// What became of everything adds up to what `plan` said.
fn status_reconciles(company: &Company, plan: &Value, promised: &Promise) {
    let status = company.ask(&["status"]);
    let starts = promised.starts.len() as u64;
    let mine = status["campaigns"].as_array().into_iter().flatten().find(|row| row["campaign"] == CAMPAIGN);
    let mine = mine.expect("the campaign is counted");
    assert_eq!(mine["matched"], plan["matched"]);
    assert_eq!(mine["started"], plan["starts"]);
    let left_out: u64 =
        plan["left_out"].as_object().into_iter().flat_map(|rules| rules.values()).filter_map(Value::as_u64).sum();
    assert_eq!(mine["left_out"], left_out);
    let stopped = 1;
    let plans: HashMap<_, _> = mine["plans"].as_array().into_iter().flatten().map(|row| (&row[0], &row[1])).collect();
    assert_eq!(
        plans,
        HashMap::from([(&"active".into(), &(starts - stopped).into()), (&"stopped".into(), &stopped.into())])
    );
    let first: u64 = plan["letters"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|row| row["step"] == "intro")
        .filter_map(|row| row["count"].as_u64())
        .sum();
    assert_eq!(deliveries(&status), BTreeMap::from([("accepted".to_owned(), first)]), "{status:#}");
    assert_eq!(mine["sum"], format!("{first} e-mails = {first} accepted + 0 rejected + 0 uncertain + 0 open"));
}
