//! The office's commands, by the real program in a folder of its own: who may, what is
//! printed, and what bad files do.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

mod support;

#[path = "commands/bad_files.rs"]
mod bad_files;
#[path = "commands/copies.rs"]
mod copies;
#[path = "commands/office.rs"]
mod office;
#[path = "commands/tasks.rs"]
mod tasks;
#[path = "commands/waiting.rs"]
mod waiting;

use office::{HEAD, Office, apply, import};
use outreachd::model::address::EmailAddress;
use outreachd::model::id::ContactId;
use outreachd::store::PauseScope;
use serde_json::Value;
use support::databases::databases;

const KARIN: &str = "karin.ek@fyrljus.example";
const JONAS: &str = "jonas.berg@fyrljus.example";

fn appoint<'a>(email: &'a str, name: &'a str) -> Vec<&'a str> {
    vec!["manager", "appoint", email, "--name", name, "--reason", "hired"]
}

#[tokio::test]
async fn the_head_of_the_configuration_appoints_and_is_recorded_first() {
    for database in databases("commands_appoint").await {
        let office = Office::over(&database.url);
        let said = office.run_as(HEAD, &appoint(KARIN, "Karin Ek")).well();
        assert_eq!(said, "Appointed: Karin Ek, account manager. Digest at 07:30 Europe/Stockholm.\n");
        let history = office.run(&["manager", "list", "--history", "--json"]).well();
        let history: Value = serde_json::from_str(&history).unwrap();
        assert_eq!(history["history"][0]["reason"], "first head: [company] head of the configuration");
        assert_eq!(history["history"][0]["actor"], HEAD);
        assert_eq!(history["history"][1]["reason"], "hired");
        assert_eq!(history["managers"][1]["name"], "Mira Holm");
        assert_eq!(history["managers"][1]["role"], "head");
    }
}

#[tokio::test]
async fn anybody_else_who_appoints_is_refused_and_the_attempt_is_noted() {
    for database in databases("commands_refuse").await {
        let office = Office::over(&database.url);
        let stranger = office.run_as("eva@elsewhere.example", &appoint(KARIN, "Karin Ek")).refused();
        assert!(stranger.ends_with("nobody is head yet: act as the address of [company] head"), "{stranger}");
        office.run_as(HEAD, &appoint(KARIN, "Karin Ek")).well();
        let manager = office.run_as(KARIN, &appoint(JONAS, "Jonas Berg")).refused();
        assert_eq!(manager, "outreachd: only the head of the company appoints managers; this person is a manager");
        let dismiss = ["manager", "dismiss", HEAD, "--reason", "mutiny"];
        office.run_as(KARIN, &dismiss).refused();
        let tried = database.store.changes("authority", KARIN).await.unwrap();
        assert_eq!(
            tried.iter().map(|change| &change.diff["tried"]).collect::<Vec<_>>(),
            ["appoint_manager", "dismiss"]
        );
        assert_eq!(tried[0].diff["subject"], JONAS);
        assert_eq!(database.store.changes("authority", "eva@elsewhere.example").await.unwrap().len(), 1);
        assert!(database.store.users().await.unwrap().iter().all(|user| user.email.as_str() != JONAS));
        let nobody = office.run(&appoint(JONAS, "Jonas Berg")).refused();
        assert_eq!(nobody, "outreachd: say who you are: --as you@company.example");
    }
}

#[tokio::test]
async fn dismissing_hands_the_clients_over_or_does_nothing() {
    for database in databases("commands_dismiss").await {
        let (office, store) = (Office::over(&database.url), &database.store);
        office.run_as(HEAD, &appoint(KARIN, "Karin Ek")).well();
        office.run_as(HEAD, &appoint(JONAS, "Jonas Berg")).well();
        let karin = store.find_user(&EmailAddress::parse(KARIN).unwrap()).await.unwrap().unwrap().id;
        import(store, &["Anna", "Bo"], Some(karin)).await;
        let alone = office.run_as(HEAD, &["manager", "dismiss", KARIN, "--reason", "left"]).refused();
        assert!(alone.ends_with("they own 2 clients and 0 open tasks; say who takes them over: --to EMAIL"), "{alone}");
        let herself = office.run_as(HEAD, &["manager", "dismiss", KARIN, "--to", KARIN, "--reason", "left"]).refused();
        assert!(herself.contains("somebody else"), "{herself}");
        let unknown =
            office.run_as(HEAD, &["manager", "dismiss", "karin.eg@fyrljus.example", "--reason", "x"]).refused();
        assert!(unknown.ends_with("did you mean `karin.ek@fyrljus.example`?"), "{unknown}");
        let said = office.run_as(HEAD, &["manager", "dismiss", KARIN, "--to", JONAS, "--reason", "left"]).well();
        assert_eq!(said, "Dismissed Karin Ek. 2 clients handed over to Jonas Berg.\n");
        let again = office.run_as(HEAD, &["manager", "dismiss", KARIN, "--to", JONAS, "--reason", "left"]).refused();
        assert!(again.ends_with("they are dismissed already"), "{again}");
        for contact in store.contact_page(ContactId(0), 10).await.unwrap() {
            assert_eq!(store.get_client(contact).await.unwrap().owner.unwrap().email.as_str(), JONAS);
        }
        assert!(office.run(&["manager", "list"]).well().contains("Jonas Berg, manager, 2 clients, digest 07:30"));
    }
}

#[tokio::test]
async fn the_last_head_stays_until_there_is_another() {
    for database in databases("commands_last_head").await {
        let office = Office::over(&database.url);
        office.run_as(HEAD, &appoint(KARIN, "Karin Ek")).well();
        let last = office.run_as(HEAD, &["manager", "dismiss", HEAD, "--to", KARIN, "--reason", "left"]).refused();
        assert!(last.ends_with("appoint another head first: manager appoint --head"), "{last}");
        office.run_as(HEAD, &[&appoint(KARIN, "Karin Ek")[..], &["--head"]].concat()).well();
        office.run_as(KARIN, &["manager", "dismiss", HEAD, "--to", KARIN, "--reason", "left"]).well();
        // The configuration still names her, but the company has a head.
        let former = office.run_as(HEAD, &appoint(JONAS, "Jonas Berg")).refused();
        assert!(former.ends_with("this person was dismissed"), "{former}");
        // Another appointment of the head keeps her head.
        office.run_as(KARIN, &appoint(KARIN, "Karin Ek-Lund")).well();
        assert!(office.run(&["manager", "list"]).well().contains("Karin Ek-Lund, head"));
    }
}

#[tokio::test]
async fn appointing_again_keeps_what_is_not_said() {
    let office = Office::new();
    let details = ["--phone", "070-174 06 12", "--language", "en", "--digest-at", "06:45", "--title", "Ljuskonsult"];
    office.run_as(HEAD, &[&appoint(KARIN, "Karin Ek")[..], &details].concat()).well();
    office.run_as(HEAD, &[&appoint(KARIN, "Karin Ek")[..], &["--zone", "Europe/Berlin"]].concat()).well();
    let listed: Value = serde_json::from_str(&office.run(&["manager", "list", "--json"]).well()).unwrap();
    let karin = &listed["managers"][0];
    assert_eq!(karin["phone"], "+46701740612");
    assert_eq!((&karin["language"], &karin["zone"]), (&"en".into(), &"Europe/Berlin".into()));
    assert_eq!((&karin["title"], &karin["digest_at"]), (&"Ljuskonsult".into(), &"06:45:00".into()));
}

#[tokio::test]
async fn refuses_details_that_cannot_be_meant() {
    let office = Office::new();
    for (wrong, said) in [
        (["--zone", "Europe/Stokholm"], "is no time zone"),
        (["--digest-at", "half past"], "is no time of day"),
        (["--language", "fi"], "write sv or en"),
        (["--title", "a\nBcc: x"], "line break"),
    ] {
        let error = office.run_as(HEAD, &[&appoint(KARIN, "Karin Ek")[..], &wrong].concat()).misused();
        assert!(error.contains(said), "{error}");
    }
    let error = office.run_as(HEAD, &["manager", "appoint", KARIN, "--name", "Karin Ek", "--reason", " "]).misused();
    assert!(error.contains("say why"), "{error}");
    let error = office.run_as(HEAD, &[&appoint(KARIN, "Karin Ek")[..], &["--phone", "12"]].concat()).refused();
    assert!(error.contains("--phone 12: is no telephone number"), "{error}");
}

#[tokio::test]
async fn pauses_and_resumes_each_by_its_own_name() {
    for database in databases("commands_pause").await {
        let (office, store) = (Office::over(&database.url), &database.store);
        apply(store).await;
        assert_eq!(office.run(&["resume"]).well(), "Nothing is paused.\n");
        let unknown = office.run(&["pause", "led-i-lagre", "--reason", "x"]).refused();
        assert_eq!(unknown, "outreachd: there is no campaign `led-i-lagre`; did you mean `led-i-lagret`?");
        office.run(&["resume", "led-i-lagre"]).refused();
        office.run(&["pause"]).misused();
        office.run_as(KARIN, &["pause", "led-i-lagret", "--reason", "wrong subject"]).well();
        office.run(&["pause", "--domain", "Granvik.Example", "--reason", "5.7.1"]).well();
        office.run(&["pause", "--reason", "price list"]).well();
        let now = jiff::Timestamp::MAX;
        let scopes: Vec<_> = store.pauses(now).await.unwrap().into_iter().map(|pause| pause.scope).collect();
        let domain = PauseScope::Domain("granvik.example".into());
        assert_eq!(scopes, [PauseScope::Campaign("led-i-lagret".into()), domain, PauseScope::All]);
        assert_eq!(store.pauses(now).await.unwrap()[0].actor, KARIN);
        assert_eq!(
            office.run(&["resume"]).well(),
            "Goes on: everything.\n\
             Still paused: campaign led-i-lagret. To go on: outreachd resume led-i-lagret\n\
             Still paused: domain granvik.example. To go on: outreachd resume --domain granvik.example\n"
        );
        office.run(&["resume", "led-i-lagret"]).well();
        office.run(&["resume", "--domain", "granvik.example"]).well();
        assert_eq!(store.pauses(now).await.unwrap(), []);
        assert_eq!(office.run(&["resume", "led-i-lagret"]).well(), "It was not paused: campaign led-i-lagret.\n");
        let ended = store.changes("pause", "campaign:led-i-lagret").await.unwrap();
        assert_eq!(ended.len(), 1, "resuming what is not paused is no change");
    }
}

#[test]
fn each_command_s_help_shows_an_example() {
    let office = Office::new();
    let commands: [&[&str]; 16] = [
        &["manager"],
        &["manager", "appoint"],
        &["manager", "dismiss"],
        &["manager", "list"],
        &["status"],
        &["pause"],
        &["resume"],
        &["deliveries"],
        &["deliveries", "list"],
        &["deliveries", "resolve"],
        &["deliveries", "retry"],
        &["backup"],
        &["restore"],
        &["responses"],
        &["responses", "list"],
        &["responses", "read"],
    ];
    for command in commands {
        let help = office.run(&[command, &["--help"]].concat()).well();
        assert!(help.contains("Example"), "{command:?}: {help}");
        let example = format!("outreachd {}", command.join(" "));
        let after = help.split("Example").nth(1).unwrap();
        let names_itself = after.contains(&example) || after.contains(&command.join(" "));
        assert!(names_itself, "{command:?}: {help}");
    }
}
