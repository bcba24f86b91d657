//! Several senders in one daemon: each signs with its own keys, one without keys signs
//! nothing, and a retired key signs again only what it signed before.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use outreachd::config::dkim::{Algorithm, DkimKey};
use outreachd::config::{Config, Dkim};
use outreachd::model::campaign::{Campaign, Condition, From, Rule};
use outreachd::store::{ClientRecord, Store};

use super::*;
use crate::support::signing::{self, has_dkimpy, signatures, verified};

/// Two brands beside the first sender; the second of them has no key.
const BRANDS: &str = r#"
[[sender]]
id = "dalljus"
legal_name = "Dalljus AB"
postal_address = "Lyktgatan 6, 791 70 Falun"
from = "hej@dalljus.example"
[[sender]]
id = "norrljus"
legal_name = "Norrljus AB"
postal_address = "Lyktgatan 8, 791 70 Falun"
from = "hej@norrljus.example"
"#;

/// When the follow-ups leave.
const LAST: &str = "2027-03-08T09:00:00Z";

const SIGNING: [&str; 2] = ["fyrljus", "dalljus"];
const BOTH: [&str; 2] = ["rsa-sha256 True", "ed25519-sha256 True"];

/// Keys of both kinds, at the same selectors for each sender.
fn keys(folder: &Path, year: u16) -> [Vec<Dkim>; 2] {
    let pair = |sender: &str| {
        let kinds = [('r', Algorithm::Rsa), ('e', Algorithm::Ed25519)];
        let key =
            |(kind, algorithm)| signing::key(folder, &format!("{sender}.example"), &format!("{year}{kind}"), algorithm);
        kinds.map(key).to_vec()
    };
    SIGNING.map(pair)
}

fn retired(keys: &[Vec<Dkim>; 2]) -> [Vec<Dkim>; 2] {
    keys.clone().map(|keys| keys.into_iter().map(|key| Dkim { retired: true, ..key }).collect())
}

fn sign_with(app: TestApp, keys: [Vec<Dkim>; 2]) -> TestApp {
    let mut config = Config::clone(&app.config);
    for (sender, keys) in config.senders.iter_mut().zip(keys) {
        sender.dkim = keys;
    }
    app.configured(config)
}

/// One campaign of each sender, to one client each.
async fn one_letter_each(
    store: &Store,
    script: impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static,
    keys: [Vec<Dkim>; 2],
) -> TestApp {
    let app = TestApp::with(store.clone(), script, BRANDS, ManualClock::new(at(BEFORE))).await;
    let app = sign_with(app, keys);
    let senders: Vec<_> = app.config.senders.iter().map(|sender| sender.id.clone()).collect();
    let tagged = |id: &String| ClientRecord { tags: Some(vec![id.clone()]), ..client(&format!("Anna {id}")) };
    app.import(&senders.iter().map(tagged).collect::<Vec<_>>()).await;
    for id in senders {
        let audience = Rule(vec![Condition::Tags(vec![id.clone()])]);
        let of_its_own = Campaign { id: id.clone(), from: From::Sender(id), audience, ..campaign("send") };
        assert_eq!(app.apply(of_its_own).await, 1);
    }
    app.run_until_quiet(DURING).await;
    app
}

/// The mails of a sender, in the order in which they came.
fn mails_of(app: &TestApp, sender: &str) -> Vec<Vec<u8>> {
    let from = format!("<hej@{sender}.example>");
    let is_its = |mail: &Vec<u8>| header(&text(mail), "From").ends_with(&from);
    app.relay.received().into_iter().map(|mail| mail.message.clone()).filter(is_its).collect()
}

fn loaded(keys: &[Vec<Dkim>; 2]) -> Vec<DkimKey> {
    keys.iter().flatten().map(|key| DkimKey::load(key).unwrap()).collect()
}

fn at_selectors(sender: &str, year: u16) -> [String; 2] {
    ["r", "e"].map(|kind| format!("{sender}.example/{year}{kind}"))
}

/// The letter is signed by the sender's keys of that year, and the signatures hold.
fn assert_signed(mail: &[u8], sender: &str, year: u16, known: &[DkimKey]) {
    assert_eq!(signatures(mail), at_selectors(sender, year), "{}", text(mail));
    if has_dkimpy() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<_> = known.iter().collect();
        assert_eq!(verified(folder.path(), mail, &keys, at(LAST)), BOTH, "{sender}");
    }
}

#[tokio::test]
async fn each_sender_signs_with_its_own_keys_and_one_without_signs_nothing() {
    for database in databases("senders_sign").await {
        let folder = tempfile::tempdir().unwrap();
        let keys = keys(folder.path(), 2027);
        let app = one_letter_each(&database.store, accept, keys.clone()).await;
        assert_eq!(app.relay.received().len(), 3);
        for sender in SIGNING {
            assert_signed(&mails_of(&app, sender)[0], sender, 2027, &loaded(&keys));
        }
        assert_eq!(signatures(&mails_of(&app, "norrljus")[0]), [""; 0]);
    }
}

/// A relay that takes every first letter and hangs up before it says so.
fn forgetful() -> impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static {
    let hung_up = AtomicUsize::new(0);
    move |facts| {
        let forgets = facts.stage == Stage::Dot && hung_up.fetch_add(1, Ordering::SeqCst) < 3;
        if forgets { Answer::KeepAndDrop } else { Answer::Accept }
    }
}

#[tokio::test]
async fn a_retired_key_signs_only_what_it_signed_before() {
    let database = sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (keys(folder.path(), 2027), keys(folder.path(), 2028));
    let app = one_letter_each(&database.store, forgetful(), old.clone()).await;
    for row in app.deliveries().await {
        assert_eq!(row.state, DeliveryState::Uncertain);
        app.store.resolve_delivery(&app.act(), row.id, DeliveryState::Retry, "not in the relay's log").await.unwrap();
    }
    let [first, second] = retired(&old);
    let [fresh, other] = new.clone();
    let app = sign_with(app, [[first, fresh].concat(), [second, other].concat()]);
    app.run_until_quiet("2027-03-02T09:00:00Z").await;
    app.run_until_quiet(LAST).await;
    assert_eq!(app.relay.received().len(), 9, "each letter, the same again, and its follow-up");
    let known: Vec<_> = loaded(&old).into_iter().chain(loaded(&new)).collect();
    for sender in SIGNING {
        let mails = mails_of(&app, sender);
        assert_eq!(text(&mails[0]), text(&mails[1]));
        assert_signed(&mails[1], sender, 2027, &known);
        assert_signed(&mails[2], sender, 2028, &known);
    }
    assert!(mails_of(&app, "norrljus").iter().all(|mail| signatures(mail).is_empty()));
}
