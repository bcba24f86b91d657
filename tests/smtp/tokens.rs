//! B9, the part with tokens: shown, renewed, refused.

use outreachd::config::{OAuth, OAuthFlow, Relay};
use outreachd::demo::mail_server::{Answer, MailServer, Options};
use outreachd::transport::Verdict;
use tempfile::TempDir;

use crate::app_support::identity::{Identity, keep_refresh_token};
use crate::support::*;

const NAME: &str = "ut@fyrljus.example";

/// A relay that takes one token alone.
async fn server(mechanisms: &'static str, token: &str) -> MailServer {
    let login = Some((NAME.to_owned(), token.to_owned()));
    MailServer::start(|_| Answer::Accept, Options { login, mechanisms, ..Options::default() }).await.unwrap()
}

fn relay_with(server: &MailServer, account: &OAuth) -> Relay {
    Relay { username: Some(NAME.into()), oauth: Some(account.clone()), ..clear(server.addr()) }
}

async fn account() -> (Identity, OAuth, TempDir) {
    let (identity, folder) = (Identity::start().await, TempDir::new().unwrap());
    let account = identity.account(OAuthFlow::Device, folder.path());
    keep_refresh_token(&account, "refresh-0");
    (identity, account, folder)
}

#[tokio::test]
async fn b9_logs_in_by_a_token_in_both_forms() {
    for mechanisms in ["PLAIN XOAUTH2", "OAUTHBEARER"] {
        let (_identity, account, _folder) = account().await;
        let server = server(mechanisms, "access-1").await;
        let mut session = session(&relay_with(&server, &account)).await;
        assert!(matches!(send(&mut session, "anna@granvik.example", LETTER).await, Verdict::Accepted(_)));
    }
}

#[tokio::test]
async fn b9_makes_one_token_for_all_sessions_and_keeps_the_new_refresh_token() {
    let (identity, account, _folder) = account().await;
    let server = server("XOAUTH2", "access-1").await;
    let connector = outreachd::transport::smtp::Connector::new(&relay_with(&server, &account)).unwrap();
    let (one, two, three) = tokio::join!(connector.connect(), connector.connect(), connector.connect());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(identity.book().asked.len(), 1, "the token was made once");
    let kept = std::fs::read_to_string(&account.token_file).unwrap();
    assert!(kept.contains("refresh-1"), "{kept}");
}

#[tokio::test]
async fn b9_makes_another_token_once_when_the_relay_refuses_the_first() {
    let (identity, account, _folder) = account().await;
    let second = server("XOAUTH2", "access-2").await;
    assert!(session(&relay_with(&second, &account)).await.is_usable());
    assert_eq!(identity.book().given, 2);

    keep_refresh_token(&account, "refresh-2");
    let none = server("XOAUTH2", "access-99").await;
    let error = connect_error(&relay_with(&none, &account)).await;
    assert!(error.to_string().contains("refused the token (535 5.7.8); check that `username`"), "{error}");
    assert!(error.is_permanent());
    assert_eq!(identity.book().given, 4, "not again and again");
    assert_eq!(none.commands(), ["EHLO", "AUTH", "AUTH"]);
}

#[tokio::test]
async fn b9_renews_a_token_before_it_runs_out() {
    let (identity, account, _folder) = account().await;
    identity.book().life_s = 0;
    let server = server("XOAUTH2", "access-1").await;
    let connector = outreachd::transport::smtp::Connector::new(&relay_with(&server, &account)).unwrap();
    assert!(connector.connect().await.is_ok());
    let error = connector.connect().await.err().unwrap();
    assert!(error.reply().is_some(), "the second session showed another token: {error}");
    assert!(identity.book().given >= 2);
}

#[tokio::test]
async fn b9_says_to_log_in_where_there_is_no_token_or_a_dead_one() {
    let (identity, account, _folder) = account().await;
    let server = server("XOAUTH2", "access-1").await;
    keep_refresh_token(&account, "withdrawn");
    let dead = connect_error(&relay_with(&server, &account)).await;
    assert!(dead.to_string().ends_with("run `outreachd login relay/main`") && dead.is_permanent(), "{dead}");
    std::fs::remove_file(&account.token_file).unwrap();
    let none = connect_error(&relay_with(&server, &account)).await;
    assert!(none.to_string().contains("nobody has logged in to relay/main yet") && none.is_permanent(), "{none}");
    keep_refresh_token(&account, "refresh-0");
    identity.book().refusal = Some((503, "temporarily_unavailable"));
    let busy = connect_error(&relay_with(&server, &account)).await;
    assert!(busy.to_string().contains("trouble of its own") && !busy.is_permanent(), "{busy}");
}

#[tokio::test]
async fn b9_shows_a_long_token_in_an_answer_of_its_own() {
    let (_identity, account, _folder) = account().await;
    // RFC 5321 4.5.3.1.4 ends a command line at 512 bytes, and a name of 400 makes it longer.
    let name = format!("{}@fyrljus.example", "u".repeat(400));
    let options =
        Options { login: Some((name.clone(), "access-1".into())), mechanisms: "XOAUTH2", ..Options::default() };
    let server = MailServer::start(|_| Answer::Accept, options).await.unwrap();
    let relay = Relay { username: Some(name), ..relay_with(&server, &account) };
    assert!(session(&relay).await.is_usable());
}
