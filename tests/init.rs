//! `outreachd init`: a starter that works as it is, and never over anything.

#![expect(clippy::unwrap_used, reason = "a helper of a test may panic")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use assert_cmd::Command;
use outreachd::campaign::read_folder;
use outreachd::client::import::{Options, read};
use outreachd::clock::Clock;
use outreachd::config;
use outreachd::policy::cron::Schedule;
use outreachd::render::TemplateSet;

fn init(folder: &Path, dir: &str) -> assert_cmd::assert::Assert {
    Command::cargo_bin("outreachd").unwrap().current_dir(folder).args(["init", dir]).assert()
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path()).into_iter().map(|inner| format!("{name}/{inner}"))),
            false => drop(found.insert(name)),
        }
    }
    found
}

#[test]
fn writes_a_starter_without_a_mistake() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "lab").success();
    let dir = folder.path().join("lab");

    let config = config::load(&dir.join("config/outreachd.toml"), &[]).unwrap();
    assert_eq!(config.files.key_file, dir.join("config/token.key"));
    assert!(config.fax.is_none());

    let check_cron = |text: &str| Schedule::parse(text).map(drop).map_err(|mistake| mistake.to_string());
    let campaigns = read_folder(&config.files.campaigns, check_cron);
    assert_eq!(campaigns.mistakes, []);
    let ids: Vec<_> = campaigns.campaigns.iter().map(|file| file.campaign.id.as_str()).collect();
    assert_eq!(ids, ["kundbrev", "led-i-lagret"]);

    let templates = TemplateSet::read(&config.files.templates).unwrap();
    let steps = campaigns.campaigns.iter().flat_map(|file| &file.campaign.steps);
    for name in steps.filter_map(|step| step.template.as_deref()) {
        assert!(templates.find(&format!("{name}.md")).is_some(), "no template {name}");
    }

    let bytes = std::fs::read(dir.join("clients.csv")).unwrap();
    let today = jiff::tz::TimeZone::system().to_datetime(Clock::System.now()).date();
    let options = Options { mapping: None, country: "SE".into(), zone: "Europe/Stockholm".into(), today };
    let clients = read(Path::new("clients.csv"), &bytes, &options).unwrap();
    assert_eq!((clients.rows.len(), clients.mistakes.len()), (120, 0));
}

#[test]
fn writes_each_file_that_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let told = init(folder.path(), "lab").success();
    insta::assert_snapshot!(String::from_utf8_lossy(&told.get_output().stdout), @r#"
    Wrote 18 files to lab. The company in them is invented: put yours in its
    place, first in config/outreachd.toml. Then:

      cd lab
      outreachd check
      outreachd --as mira.holm@fyrljus.example manager appoint karin.ek@fyrljus.example \
          --name "Karin Ek" --phone 070-1740612 --reason "has the south"
      outreachd --as mira.holm@fyrljus.example manager appoint jonas.berg@fyrljus.example \
          --name "Jonas Berg" --phone 070-1740613 --reason "has the north"
      outreachd import clients.csv
    "#);
    let files: Vec<_> = files(&folder.path().join("lab")).into_iter().collect();
    insta::assert_snapshot!(files.join("\n"), @r"
    .gitignore
    clients.csv
    config/campaigns/kundbrev.toml
    config/campaigns/led-i-lagret.toml
    config/outreachd.toml
    config/token.key
    outreachd.service
    templates/brev/kundbrev.md
    templates/layouts/letter.html
    templates/layouts/letter.txt
    templates/led/avslut.md
    templates/led/intro.md
    templates/led/matning.md
    templates/led/referens.md
    templates/partials/footer.en.md
    templates/partials/footer.sv.md
    templates/partials/signature.en.md
    templates/partials/signature.sv.md
    ");
}

#[test]
fn keeps_key_and_secrets_to_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "lab").success();
    let mode =
        |path: &str| std::fs::metadata(folder.path().join("lab").join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("config/token.key"), mode("config/secrets")), (0o600, 0o700));
}

#[test]
fn refuses_a_folder_that_is_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("lab")).unwrap();
    std::fs::write(folder.path().join("lab/clients.csv"), "mine").unwrap();
    let refused = init(folder.path(), "lab").code(1);
    assert_eq!(
        String::from_utf8_lossy(&refused.get_output().stderr),
        "outreachd: `lab` is not empty: clients.csv is in the way; name a new folder\n"
    );
    assert_eq!(files(folder.path()), ["lab/clients.csv".to_owned()].into());
}

#[test]
fn takes_an_empty_folder_and_a_deep_one() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), ".").success();
    init(folder.path(), "down/there").success();
}
#[test]
fn passes_the_check_without_a_database() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), "lab").success();
    let mut check = Command::cargo_bin("outreachd").unwrap();
    let checked = check.current_dir(folder.path()).args(["--config", "lab/config/outreachd.toml", "check"]).assert();
    let told = String::from_utf8_lossy(&checked.success().get_output().stdout).into_owned();
    assert!(told.contains("led-i-lagret: 5 steps, no mistakes"), "{told}");
    assert!(!folder.path().join("lab/outreachd.db").exists());
}

#[test]
fn prints_commands_that_work_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let told = init(folder.path(), "lab").success();
    let told = String::from_utf8_lossy(&told.get_output().stdout).into_owned();
    let (_, commands) = told.split_once("\n\n").unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_outreachd")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = format!("set -e\n{commands}\noutreachd check\n");
    let ran = Command::new("sh").current_dir(folder.path()).env("PATH", path).args(["-c", &script]).assert().success();
    let told = String::from_utf8_lossy(&ran.get_output().stdout).into_owned();
    assert!(told.contains("120 rows: 120 new, 0 changed, 0 as before; 0 refused"), "{told}");
    assert!(told.contains("each letter rendered for"), "{told}");
}
