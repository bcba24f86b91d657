//! What is no right token, no right body, no friendly name.

use super::*;

#[tokio::test]
async fn answers_every_wrong_token_with_the_same_404_until_there_are_too_many() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let good = pages.token(TokenPurpose::OptOut, delivery.0);
    let mut forged = good.clone();
    forged.replace_range(20..21, if good.as_bytes()[20] == b'a' { "b" } else { "a" });
    let wrong = [
        format!("/u/{forged}"),
        format!("/u/{}", &good[..good.len() - 1]),
        format!("/u/{good}a"),
        "/u/%ff%fe".to_owned(),
        "/u/..%2f..%2fetc%2fpasswd".to_owned(),
        format!("/u/{}", pages.token(TokenPurpose::Digest, delivery.0)),
        format!("/u/{}", pages.token(TokenPurpose::OptOut, delivery.0 + 99)),
        format!("/d/{good}"),
        format!("/d/{}", pages.token(TokenPurpose::Digest, 7)),
    ];
    let mut answers = Vec::new();
    for path in &wrong {
        let response = pages.get(path).await;
        answers.push((response.status(), response.text().await.unwrap()));
    }
    for path in [format!("/u/{forged}"), format!("/hooks/fax/{good}"), "/hooks/fax/x".to_owned()] {
        answers.push(pages.form(&format!("{}{path}", pages.base), ONE_CLICK).await);
    }
    let gone = format!("{}/u/{}", pages.base, pages.token(TokenPurpose::OptOut, delivery.0 + 99));
    for body in [ONE_CLICK, "page=1", "less=1", "undo=1", "before=1"] {
        answers.push(pages.form(&gone, body).await);
    }
    for (answer, path) in answers.iter().zip(&wrong) {
        assert_eq!(answer.0, 404, "{path}");
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one of them tells more: {answers:#?}");
    assert_untouched(&database.store, contact).await;

    let mut last = StatusCode::NOT_FOUND;
    for _ in 0..60 {
        last = pages.get(&format!("/u/{forged}")).await.status();
    }
    assert_eq!(last, 429);
    assert_eq!(pages.get(&format!("/u/{good}")).await.status(), 200, "a genuine token is never in the way");
    assert_eq!(pages.get(&format!("/u/{}", good.to_uppercase())).await.status(), 200, "mail servers fold case");
}

#[tokio::test]
async fn escapes_hostile_names() {
    let database = sqlite().await;
    let hostile =
        ClientRecord { email: Some("&#39;<x>@granvik.example".replace(['<', '>', ';'], "'")), ..client("Sara Wik") };
    let (app, delivery, _) = one_letter(&database.store, hostile).await;
    let mut config = (*app.config).clone();
    config.company.name = Line::parse("Ljus & <script>alert('1')</script>\"><b>").unwrap();
    let pages = Pages::with(&app, config).await;
    let url = pages.opt_out_url(delivery);
    let asked = pages.client.get(&url).send().await.unwrap().text().await.unwrap();
    for page in [asked, pages.form(&url, "page=1").await.1, pages.form(&url, "undo=1").await.1] {
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(page.contains("Ljus &amp; &lt;script&gt;"), "{page}");
        assert!(page.contains("&amp;***@granvik.example"), "{page}");
    }
}

#[tokio::test]
async fn refuses_a_body_that_is_too_large() {
    let database = sqlite().await;
    let (app, delivery, contact) = one_letter(&database.store, client("Sara Wik")).await;
    let pages = Pages::open(&app).await;
    let url = pages.opt_out_url(delivery);
    let response = pages.post(&url, FORM, "x".repeat(20_000)).await;
    assert_eq!(response.status(), 413);
    // Without a length in front it is counted as it comes.
    let host = pages.base.trim_start_matches("http://");
    let mut socket = tokio::net::TcpStream::connect(host).await.unwrap();
    let path = url.trim_start_matches(&pages.base);
    let head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n");
    let body = format!("4e20\r\n{}\r\n0\r\n\r\n", "x".repeat(20_000));
    socket.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_untouched(&database.store, contact).await;
}
