//! One letter as one contact would get it, signed as it would be.

use outreachd::config::dkim::{Algorithm, DkimKey};
use outreachd::store::Client;

use super::*;
use crate::support::signing::{self, has_dkimpy, signatures, verified};

async fn anna(store: &Store) -> Client {
    twelve(store).await;
    let id = store.search_contacts("anna@bolag-0-ab.example", 1).await.unwrap()[0];
    store.get_client(id).await.unwrap()
}

#[tokio::test]
async fn previews_the_letter_that_the_contact_would_get() {
    let (world, database) = (World::new(&[]), support::databases::sqlite().await);
    let client = anna(&database.store).await;
    let (config, files) = (world.config(), check_files(&world));
    let show = |step, variant, by_fax| {
        letter(&files, &files.folder.campaigns[0], Wanted { step, variant, by_fax }, &client, &config, before())
    };
    let mail = show("intro", Some("besok"), false).unwrap();
    assert_eq!(mail.subject, "En ljusmätning hos Bolag 0 AB");
    assert_eq!(mail.from, "Karin Ek <hej@fyrljus.example>");
    let text = String::from_utf8(mail.bytes).unwrap();
    assert!(text.contains("List-Unsubscribe") && text.contains("ert lager i Bor"), "{text}");
    let thread = show("referens", None, false).unwrap();
    let first = show("intro", None, false).unwrap();
    assert_eq!(thread.subject, format!("Re: {}", first.subject));
    let fax = show("intro", Some("besok"), true).unwrap();
    assert_eq!((fax.pages, fax.bytes.starts_with(b"%PDF-")), (Some(1), true));
    let refusal = |step, variant| show(step, variant, false).unwrap_err().to_string();
    assert_eq!(refusal("samtal", None), "step `samtal` is a call; it has no letter");
    assert_eq!(refusal("intro", Some("x")), "step `intro` has no variant `x`; there are fraga, besok");
    assert!(refusal("slut", None).starts_with("`led-i-lagret` has no step `slut`; there are intro, "));
}

#[tokio::test]
async fn previews_the_mail_signed_as_the_daemon_would_or_says_why_not() {
    let (world, database) = (World::new(&[]), support::databases::sqlite().await);
    let client = anna(&database.store).await;
    let (mut config, files) = (world.config(), check_files(&world));
    let show = |config: &Config| {
        let wanted = Wanted { step: "intro", variant: None, by_fax: false };
        letter(&files, &files.folder.campaigns[0], wanted, &client, config, before()).unwrap()
    };
    let bare = show(&config);
    assert_eq!((bare.signed, bare.unsigned.as_deref()), (vec![], Some("sender `fyrljus` has no DKIM key")));

    let folder = tempfile::tempdir().unwrap();
    let key = |selector, algorithm| signing::key(folder.path(), "fyrljus.example", selector, algorithm);
    let keys = [key("2027a", Algorithm::Rsa), key("2027e", Algorithm::Ed25519)];
    let old = outreachd::config::Dkim { retired: true, ..key("2026a", Algorithm::Rsa) };
    config.senders[0].dkim = [&keys[..], &[old]].concat();
    let signed = show(&config);
    assert_eq!((signed.signed, signed.unsigned), (signatures(&signed.bytes), None));
    assert_eq!(signatures(&signed.bytes), ["fyrljus.example/2027a", "fyrljus.example/2027e"]);
    if has_dkimpy() {
        let keys = keys.each_ref().map(|key| DkimKey::load(key).unwrap());
        let said = verified(folder.path(), &signed.bytes, &keys.each_ref(), before());
        assert_eq!(said, ["rsa-sha256 True", "ed25519-sha256 True"]);
    }

    std::fs::remove_file(folder.path().join("2027e.fyrljus.example.pem")).unwrap();
    let unsigned = show(&config);
    assert_eq!(unsigned.signed, [""; 0]);
    let why = unsigned.unsigned.unwrap();
    assert!(why.starts_with("the DKIM key `2027e` of fyrljus.example: "), "{why}");
    assert_eq!(signatures(&unsigned.bytes), [""; 0]);
}
