//! A key of our own, from `dkim new` to what `doctor` says of it.

use super::*;

/// The program run in the world's folder.
fn outreachd(world: &World, arguments: &[&str]) -> std::process::Output {
    let mut command = assert_cmd::Command::cargo_bin("outreachd").unwrap();
    command.args(arguments).arg("--config").arg(world.path("outreachd.toml")).output().unwrap()
}

fn json(output: &std::process::Output) -> serde_json::Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A name server with the records of a company and one more.
async fn with_record(record: &str) -> SocketAddr {
    let mut records = COMPLETE.to_vec();
    records.push(("2027a._domainkey.fyrljus.example.", RecordType::TXT, record.to_owned().leak()));
    name_server(records.leak()).await
}

#[tokio::test]
async fn a_new_key_signs_as_soon_as_the_dns_knows_it() {
    let relay = MailServer::accepting().await.unwrap();
    let world = World::new(relay.addr());
    std::fs::write(world.path("outreachd.toml"), world.source()).unwrap();
    let made = json(&outreachd(&world, &["--json", "dkim", "new", "2027a"]));
    assert_eq!(made["name"], "2027a._domainkey.fyrljus.example");
    let mode = std::fs::metadata(world.path("dkim-2027a.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = outreachd(&world, &["dkim", "new", "2027a"]);
    assert!(!again.status.success(), "a key was written over another");

    let source = world
        .source()
        .replace("[[relay]]", "dkim = [{ selector = \"2027a\", key = { file = \"dkim-2027a.pem\" } }]\n[[relay]]");
    std::fs::write(world.path("outreachd.toml"), &source).unwrap();
    let shown = json(&outreachd(&world, &["--json", "dkim", "show"]));
    assert_eq!(shown[0]["record"], made["record"]);
    let config = config::parse(&world.path("outreachd.toml"), &source, &[]).unwrap();
    let examine = async |resolver| examine(&config, &Situation { now: now(), resolver: Some(resolver) }).await;
    let name = "DKIM 2027a of fyrljus.example";
    let known = examine(with_record(made["record"].as_str().unwrap()).await).await;
    assert_eq!(state(&known, name), State::Ok, "{:?}", find(&known, name));
    assert!(!known.iter().any(|check| check.name == "DKIM of fyrljus.example"), "{known:?}");
    for resolver in [name_server(COMPLETE).await, with_record("v=DKIM1; p=").await] {
        let finding = &find(&examine(resolver).await, name).finding.clone();
        assert!(finding.state == State::Failed && finding.advice.is_some(), "{finding:?}");
    }
    world.chmod("dkim-2027a.pem", 0o644);
    let open = examine(name_server(COMPLETE).await).await;
    assert_eq!(find(&open, name).finding.advice.as_deref(), Some("run chmod 600 on it"));
}

#[test]
fn a_new_key_comes_with_what_to_do_next() {
    let world = World::new("127.0.0.1:25".parse().unwrap());
    std::fs::write(world.path("outreachd.toml"), world.source()).unwrap();
    let said = outreachd(&world, &["dkim", "new", "2027e", "--ed25519"]);
    let said = String::from_utf8(said.stdout).unwrap();
    let folder = world.path("").display().to_string();
    let key = said.split("p=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    insta::assert_snapshot!(said.replace(&folder, "").replace(&key, "KEY"), @r#"
    The private key is in dkim-2027e.pem; it signs in your name, keep it as a password.

    1. Put this into the DNS of fyrljus.example:

    2027e._domainkey.fyrljus.example. IN TXT (
        "v=DKIM1; k=ed25519; p=KEY"
    )

    2. Name the key in [[sender]] `fyrljus` of outreachd.toml:

    dkim = [{ selector = "2027e", key = { file = "dkim-2027e.pem" } }]

    3. When `outreachd doctor` finds the record, reload the daemon.
    "#);
    let refused = outreachd(&world, &["dkim", "new", "2027_e"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a selector has a-z, 0-9 and -"));
}

#[test]
fn a_key_for_another_domain_is_a_mistake() {
    let world = World::new("127.0.0.1:25".parse().unwrap());
    let source = |domain: &str| {
        let dkim =
            format!("dkim = [{{ selector = \"a\", domain = \"{domain}\", key = {{ env = \"K\" }} }}]\n[[relay]]");
        world.source().replace("[[relay]]", &dkim)
    };
    let parsed = |domain: &str| config::parse(&world.path("outreachd.toml"), &source(domain), &[]);
    assert!(parsed("fyrljus.example").is_ok() && parsed("ut.fyrljus.example").is_ok());
    let Err(config::ConfigError::Mistakes(mistakes)) = parsed("fyrkant.example") else { panic!("it was taken") };
    assert!(mistakes[0].message.contains("does not count for DMARC"), "{mistakes:?}");
}
