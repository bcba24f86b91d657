//! What goes over the wire when all is well, and refusals that keep the session.

use outreachd::demo::mail_server::{Answer, Facts, MailServer, Options, Stage};
use outreachd::transport::Verdict;
use outreachd::transport::smtp::Message;

use crate::support::*;

#[tokio::test]
async fn hands_a_letter_over_in_one_group_of_commands() {
    let server = MailServer::accepting().await.unwrap();
    let mut session = session(&clear(server.addr())).await;
    let Verdict::Accepted(reply) = send(&mut session, "anna@granvik.example", LETTER).await else { panic!() };
    let received = server.wait_for(1).await;
    assert_eq!(reply.text, format!("250 2.0.0 Ok: queued as {}", received[0].queue_id));
    assert_eq!((reply.code, reply.enhanced.as_deref()), (250, Some("2.0.0")));
    assert_eq!(received[0].message, LETTER);
    assert_eq!(
        (received[0].from.as_str(), received[0].to.as_slice()),
        ("ut+42@fyrljus.example", &["anna@granvik.example".to_owned()][..])
    );
    assert!(received[0].pipelined);
    assert_eq!(received[0].from_parameters, "RET=HDRS ENVID=attempt-42");
    assert_eq!(received[0].to_parameters, "NOTIFY=FAILURE,DELAY ORCPT=rfc822;anna@granvik.example");
    assert_eq!(session.sent(), 1);
    session.quit().await;
    assert_eq!(server.commands(), ["EHLO", "MAIL", "RCPT", "DATA", "QUIT"]);
}

#[tokio::test]
async fn waits_for_each_answer_where_pipelining_is_not_offered() {
    let options = Options { pipelining: false, dsn: false, max_size_bytes: Some(10_000), ..Options::default() };
    let server = MailServer::start(|_| Answer::Accept, options).await.unwrap();
    let mut session = session(&clear(server.addr())).await;
    for _ in 0..2 {
        assert!(matches!(send(&mut session, "anna@granvik.example", LETTER).await, Verdict::Accepted(_)));
    }
    let received = server.wait_for(2).await;
    assert!(received.iter().all(|received| !received.pipelined && received.to_parameters.is_empty()));
    assert_eq!(received[0].from_parameters, format!("SIZE={}", LETTER.len()));
}

#[tokio::test]
async fn dots_at_the_start_of_lines_arrive_as_they_were_written() {
    let server = MailServer::accepting().await.unwrap();
    let mut session = session(&clear(server.addr())).await;
    let message = b"Subject: .\r\n\r\n.\r\n..\r\n.a\r\n...\r\n\r\n.\r\n";
    assert!(matches!(send(&mut session, "anna@granvik.example", message).await, Verdict::Accepted(_)));
    assert_eq!(server.wait_for(1).await[0].message, message);
}

#[tokio::test]
async fn a_refused_recipient_leaves_the_session_usable() {
    for pipelining in [true, false] {
        let script = |facts: &Facts<'_>| match (facts.stage, facts.to) {
            (Stage::Recipient, "oskar@bergtorp.example") => Answer::no_such_user(),
            _ => Answer::Accept,
        };
        let server = MailServer::start(script, Options { pipelining, ..Options::default() }).await.unwrap();
        let mut session = session(&clear(server.addr())).await;
        let Verdict::Rejected(reply) = send(&mut session, "oskar@bergtorp.example", LETTER).await else { panic!() };
        assert_eq!((reply.code, reply.enhanced.as_deref()), (550, Some("5.1.1")));
        assert!(session.is_usable());
        assert!(matches!(send(&mut session, "anna@granvik.example", LETTER).await, Verdict::Accepted(_)));
        let received = server.wait_for(1).await;
        assert_eq!((received.len(), received[0].session, &received[0].to[0][..]), (1, 1, "anna@granvik.example"));
        assert_eq!(server.commands().iter().filter(|verb| *verb == "RSET").count(), 1);
    }
}

#[tokio::test]
async fn a_greylisted_recipient_is_for_later_and_then_taken() {
    let script = |facts: &Facts<'_>| match facts.stage {
        Stage::Recipient if facts.named_before == 0 => Answer::greylisted(),
        _ => Answer::Accept,
    };
    let server = MailServer::start(script, Options::default()).await.unwrap();
    let mut session = session(&clear(server.addr())).await;
    let Verdict::Retry(reply) = send(&mut session, "anna@granvik.example", LETTER).await else { panic!() };
    assert_eq!((reply.code, reply.enhanced.as_deref()), (451, Some("4.7.1")));
    assert!(matches!(send(&mut session, "anna@granvik.example", LETTER).await, Verdict::Accepted(_)));
}

#[tokio::test]
async fn a_refusal_after_the_dot_is_the_letters_own() {
    let server = server_that(Stage::Dot, Answer::policy()).await;
    let mut session = session(&clear(server.addr())).await;
    let Verdict::Rejected(reply) = send(&mut session, "anna@granvik.example", LETTER).await else { panic!() };
    assert_eq!((reply.code, reply.enhanced.as_deref()), (554, Some("5.7.1")));
    assert!(session.is_usable());
    assert_eq!((session.sent(), server.received().len()), (0, 0));
}

#[tokio::test]
async fn a_refused_sender_says_nothing_about_the_recipients_address() {
    let server = server_that(Stage::Mail, Answer::Reply("550 5.1.0 sender refused".to_owned())).await;
    let mut session = session(&clear(server.addr())).await;
    let Verdict::Rejected(reply) = send(&mut session, "anna@granvik.example", LETTER).await else { panic!() };
    assert_eq!((reply.code, reply.enhanced), (550, None));
    assert!(session.is_usable());
}

#[tokio::test]
async fn refuses_an_oversized_letter_before_mail() {
    let options = Options { max_size_bytes: Some(10), ..Options::default() };
    let server = MailServer::start(|_| Answer::Accept, options).await.unwrap();
    let mut session = session(&clear(server.addr())).await;
    let Verdict::Rejected(reply) = send(&mut session, "anna@granvik.example", LETTER).await else { panic!() };
    assert_eq!((reply.code, reply.enhanced.as_deref()), (552, Some("5.3.4")));
    assert!(session.is_usable());
    session.quit().await;
    assert_eq!(server.commands(), ["EHLO", "QUIT"]);
}

#[tokio::test]
async fn smuggles_nothing() {
    let server = MailServer::accepting().await.unwrap();
    let mut session = session(&clear(server.addr())).await;
    let message = b"Subject: x\r\n\r\na\n.\r\nMAIL FROM:<chef@fyrljus.example>\r\n";
    assert!(Message::check(message).is_err());
    assert!(matches!(send(&mut session, "anna@granvik.example", message).await, Verdict::Rejected(_)));
    session.quit().await;
    assert_eq!(server.commands(), ["EHLO", "QUIT"]);
    assert_eq!(server.received().len(), 0);
}

#[tokio::test]
async fn serves_many_sessions_at_a_time() {
    let server = MailServer::accepting().await.unwrap();
    let relay = clear(server.addr());
    let sessions = (0..100).map(|number| {
        let relay = relay.clone();
        tokio::spawn(async move {
            let mut session = session(&relay).await;
            for letter in 0..5 {
                let to = format!("k{number}.{letter}@granvik.example");
                assert!(matches!(send(&mut session, &to, LETTER).await, Verdict::Accepted(_)));
            }
            session.quit().await;
        })
    });
    for session in sessions.collect::<Vec<_>>() {
        session.await.unwrap();
    }
    let received = server.wait_for(500).await;
    let recipients: std::collections::HashSet<_> = received.iter().map(|received| received.to[0].clone()).collect();
    let ids: std::collections::HashSet<_> = received.iter().map(|received| received.queue_id.clone()).collect();
    assert_eq!((recipients.len(), ids.len()), (500, 500));
    server.shutdown().await;
}
