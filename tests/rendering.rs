//! Letters through the room's public face: from template and data to bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene stops there")]

#[path = "rendering/message.rs"]
mod message;

use jiff::ZonedDateTime;
use outreachd::model::address::{EmailAddress, PhoneNumber};
use outreachd::model::language::Language;
use outreachd::render::{
    Email, FaxDocument, FaxHead, Letter, ListId, MailHead, MistakeKind, RenderError, Rendered, Renderer, Subject,
    TemplateSet, Unsubscribe, email, fax, plain,
};
use serde_json::{Value, json};

fn anna() -> Value {
    json!({
        "contact": { "name": "Anna Lind", "given_name": "Anna", "title": null },
        "account": { "name": "Granvik Verkstad AB", "city": "Granvik", "country": "SE" },
        "owner": { "name": "Karin Ek", "title": "Kundansvarig", "phone": "070-174 06 90" },
        "sender": {
            "company": "Fyrljus AB",
            "legal_name": "Fyrljus AB",
            "postal_address": "Lyktgatan 4, 123 45 Ljusdala",
        },
        "campaign": { "id": "led-i-lagret", "title": "LED i lagret, våren 2027" },
        "links": { "opt_out": "https://ut.fyrljus.example/o/aebagbafaydqqcik" },
    })
}

fn with(path: &str, value: Value) -> Value {
    let mut data = anna();
    *data.pointer_mut(path).expect("the path is in the data") = value;
    data
}

fn letter<'a>(template: &'a str, data: &'a Value) -> Letter<'a> {
    let subject = Subject::Template("En ljusmätning hos {{account.name}}");
    Letter { template, subject, data, language: Language::Sv }
}

fn house() -> Renderer {
    Renderer::new(&TemplateSet::starter()).unwrap()
}

/// A renderer with one letter more, `x`.
fn with_letter(files: &[(&str, &str)]) -> Renderer {
    let mut set = TemplateSet::builtin();
    files.iter().for_each(|(name, text)| set.insert(*name, *text));
    Renderer::new(&set).unwrap()
}

fn date() -> ZonedDateTime {
    "2027-03-01T08:34:09+01:00[Europe/Stockholm]".parse().unwrap()
}

/// The head of a mail that has nothing but what it must have.
fn head_of<'a>(from: &'a EmailAddress, to: &'a EmailAddress, date: &'a ZonedDateTime) -> MailHead<'a> {
    MailHead {
        from_name: "Karin Ek",
        from,
        reply_to: None,
        to_name: "",
        to,
        message_id: "1.x@fyrljus.example",
        date,
        boundary_seed: "1",
        in_reply_to: None,
        references: &[],
        list_id: None,
        unsubscribe: None,
        delivery_token: None,
        feedback_id: None,
        auto_submitted: false,
    }
}

fn mailed(rendered: &Rendered) -> Email {
    let from = EmailAddress::parse("karin.ek@fyrljus.example").unwrap();
    let reply_to = EmailAddress::parse("svar@fyrljus.example").unwrap();
    let to = EmailAddress::parse("anna.lind@granvik.example").unwrap();
    let references = ["1.intro@fyrljus.example".to_owned(), "2.referens@fyrljus.example".to_owned()];
    let head = MailHead {
        from_name: "Karin Ek, Fyrljus",
        from: &from,
        reply_to: Some(&reply_to),
        to_name: "Åsa Öst",
        to: &to,
        message_id: "3.matning@fyrljus.example",
        date: &date(),
        boundary_seed: "42/1",
        in_reply_to: Some("2.referens@fyrljus.example"),
        references: &references,
        list_id: Some(ListId { title: "LED i lagret, våren 2027", id: "led-i-lagret.fyrljus.example" }),
        unsubscribe: Some(Unsubscribe {
            url: "https://ut.fyrljus.example/o/aebagbafaydqqcikaebagbafaydqqcikaebagbafaydqqcik",
            mailto: Some("nej@fyrljus.example?subject=aebagbafaydqqcik"),
        }),
        delivery_token: Some("aibagbafaydqqcik"),
        feedback_id: Some("led-i-lagret:matning:campaign:fyrljus"),
        auto_submitted: false,
    };
    email(rendered, &head).unwrap()
}

fn faxed(rendered: &Rendered) -> Result<FaxDocument, RenderError> {
    let to = PhoneNumber::parse("070-174 06 12", Some("SE")).unwrap();
    let (from_fax, from_phone) = (
        PhoneNumber::parse("070-174 06 91", Some("SE")).unwrap(),
        PhoneNumber::parse("070-174 06 90", Some("SE")).unwrap(),
    );
    let head = FaxHead {
        to_name: "Oskar Nyman",
        to_company: "Bergtorp Logistik AB",
        to: &to,
        from_name: "Karin Ek",
        from_company: "Fyrljus AB",
        from_address: "Lyktgatan 4, 123 45 Ljusdala",
        from_fax: Some(&from_fax),
        from_phone: Some(&from_phone),
        date: &date(),
        reference: "F-1042",
        language: Language::Sv,
        opt_out: "Vill du inte ha fler fax? Ring 070-174 06 90 eller faxa 070-174 06 91 och uppge F-1042.",
    };
    fax(rendered, &head)
}

#[test]
fn renders_every_letter_of_the_house() {
    for name in ["led/intro", "led/referens", "led/matning", "led/avslut"] {
        let rendered = house().letter(&letter(name, &anna())).unwrap();
        insta::with_settings!({ snapshot_suffix => name.replace('/', "-"), omit_expression => true }, {
            insta::assert_snapshot!("text", format!("{}\n\n{}", rendered.subject, rendered.text));
            insta::assert_snapshot!("html", rendered.html);
        });
    }
}

#[test]
fn builds_the_mail_as_the_standards_want_it() {
    let rendered = house().letter(&letter("led/matning", &anna())).unwrap();
    let mail = mailed(&rendered);
    let text = String::from_utf8(mail.bytes.clone()).unwrap();
    insta::assert_snapshot!("mail", text.replace("\r\n", "\n"));
    assert!(text.is_ascii() && text.split("\r\n").all(|line| !line.contains(['\r', '\n'])));
    // A link cannot be folded.
    assert!(text.split("\r\n").all(|line| line.len() <= 78 || line.starts_with("List-Unsubscribe: <https:")));
    let read = mail_parser::MessageParser::default().parse(&mail.bytes).unwrap();
    assert_eq!(read.subject(), Some("En ljusmätning hos Granvik Verkstad AB"));
    assert_eq!(read.body_text(0).unwrap().trim_end(), rendered.text.replace('\n', "\r\n").trim_end());
    assert_eq!(read.body_html(0).unwrap().trim_end(), rendered.html.replace('\n', "\r\n").trim_end());
    assert_eq!(read.to().unwrap().first().unwrap().name(), Some("Åsa Öst"));
}

#[test]
fn renders_the_same_bytes_from_the_same_inputs() {
    let once = house().letter(&letter("led/intro", &anna())).unwrap();
    let again = house().letter(&letter("led/intro", &anna())).unwrap();
    assert_eq!(mailed(&once), mailed(&again));
    assert_eq!(faxed(&once).unwrap(), faxed(&again).unwrap());
    let other = house().letter(&letter("led/intro", &with("/account/city", json!("Bergtorp")))).unwrap();
    assert_ne!(mailed(&once).sha256, mailed(&other).sha256);
    assert_ne!(faxed(&once).unwrap().sha256, faxed(&other).unwrap().sha256);
}

#[test]
fn keeps_hostile_data_literal_in_every_part() {
    let hostile = "<b>X</b> [x](http://evil.example) # h **f** {{links}} &lt; \u{202e}\r\nBcc: a@b.example";
    let shown = "<b>X</b> [x](http://evil.example) # h **f** {{links}} &lt;   Bcc: a@b.example";
    let data = with("/account/city", json!(hostile));
    let renderer = with_letter(&[("x.md", "# {{account.city}}\n\n{{account.city}}\n\n- {{account.city}}\n")]);
    let subject = Subject::Template("{{account.city}}");
    let rendered = renderer.letter(&Letter { subject, ..letter("x", &data) }).unwrap();
    assert_eq!(rendered.subject, shown);
    assert_eq!(
        rendered.text.replace('\n', " ").matches("<b>X</b> [x](http://evil.example) # h **f** {{links}}").count(),
        3
    );
    assert_eq!(
        rendered.html.matches("&lt;b&gt;X&lt;/b&gt; [x](http://evil.example) # h **f** {{links}} &amp;lt;").count(),
        3
    );
    assert!(!rendered.html.contains("href=\"http://evil.example"));
    insta::assert_debug_snapshot!("hostile-blocks", rendered.blocks);
    let mail = mailed(&rendered);
    assert!(!String::from_utf8(mail.bytes).unwrap().contains("\nBcc"));
}

#[test]
fn does_not_render_a_threads_subject_again() {
    let data = anna();
    let subject = Subject::Thread("Ljus hos {{owner.phone}} {{{");
    let rendered = house().letter(&Letter { subject, ..letter("led/referens", &data) }).unwrap();
    assert_eq!(rendered.subject, "Re: Ljus hos {{owner.phone}} {{{");
    for answer in ["Re: x", "SV: x", "Sv: x"] {
        let subject = Subject::Thread(answer);
        assert_eq!(house().letter(&Letter { subject, ..letter("led/referens", &data) }).unwrap().subject, answer);
    }
}

#[test]
fn points_at_the_variable_that_a_contact_has_nothing_in() {
    for gap in [Value::Null, json!(""), json!("  "), json!("\u{202e}")] {
        let mistake = house().letter(&letter("led/intro", &with("/account/city", gap))).unwrap_err();
        assert_eq!(mistake.kind, MistakeKind::Empty { path: "account.city".into() });
        assert_eq!(
            (mistake.template.as_str(), mistake.line, mistake.column, mistake.width),
            ("led/intro.md", 3, 40, 12)
        );
        assert_eq!(mistake.to_string(), "led/intro.md:3:40: `account.city` is empty");
        assert!(mistake.excerpt.starts_with("Jag mäter gärna"));
    }
}

#[test]
fn finds_all_gaps_at_once_in_letter_signature_footer_and_subject() {
    let mut data = with("/account/city", Value::Null);
    data["owner"]["name"] = json!("");
    data["links"]["opt_out"] = Value::Null;
    let renderer = house();
    let subject = Subject::Template("Till {{contact.title}}");
    let found = renderer.mistakes(&Letter { subject, ..letter("led/intro", &data) });
    let found: Vec<_> = found.iter().map(ToString::to_string).collect();
    insta::assert_debug_snapshot!(found, @r#"
    [
        "led/intro.md:3:40: `account.city` is empty",
        "partials/signature.sv.md:3:5: `owner.name` is empty",
        "partials/footer.sv.md:3:142: `links.opt_out` is empty",
        "subject:1:8: `contact.title` is empty",
    ]
    "#);
}

#[test]
fn guesses_what_a_misspelt_variable_was_meant_to_be() {
    let renderer = with_letter(&[("x.md", "{{#if account.ctiy}}i {{account.ctiy}}{{/if}}\n")]);
    let mistake = renderer.letter(&letter("x", &anna())).unwrap_err();
    let meant = Some("account.city".to_owned());
    assert_eq!(mistake.kind, MistakeKind::Missing { path: "account.ctiy".into(), meant });
    assert_eq!((mistake.line, mistake.column), (1, 7));
}

#[test]
fn asks_only_for_what_this_contact_would_read() {
    let source =
        "{{#if contact.title}}Som {{contact.title}}.{{else}}{{account.city}}{{/if}} {{or contact.title \"ni\"}}";
    let renderer = with_letter(&[("x.md", source)]);
    let rendered = renderer.letter(&letter("x", &anna())).unwrap();
    assert!(rendered.text.starts_with("Granvik ni\n"), "{}", rendered.text);
    let rendered = renderer.letter(&letter("x", &with("/contact/title", json!("VD")))).unwrap();
    assert!(rendered.text.starts_with("Som VD. VD\n"), "{}", rendered.text);
}

#[test]
fn greets_in_the_letters_language_by_first_name_or_whole_name() {
    let renderer = with_letter(&[("x.md", "{{greeting}}")]);
    let first_line = |data: &Value, language| {
        let rendered = renderer.letter(&Letter { language, ..letter("x", data) }).unwrap();
        rendered.text.lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line(&anna(), Language::Sv), "Hej Anna!");
    assert_eq!(first_line(&anna(), Language::En), "Dear Anna,");
    assert_eq!(first_line(&with("/contact/given_name", Value::Null), Language::Sv), "Hej Anna Lind!");
    let nameless = with("/contact", json!({ "name": null, "given_name": "" }));
    let mistake = renderer.letter(&letter("x", &nameless)).unwrap_err();
    assert_eq!(mistake.to_string(), "x.md:1:3: `contact.name` is empty");
}

#[test]
fn takes_a_part_from_the_file_that_lies_beside_the_letter() {
    let renderer = with_letter(&[
        ("x.md", "Brev"),
        ("x.html", "<p><img src=\"https://a.example/b.png\" alt=\"\">{{account.city}}</p>"),
        ("x.txt", "Text till {{account.city}}\n"),
        ("x.fax.md", "Fax till {{account.city}}"),
    ]);
    let rendered = renderer.letter(&letter("x", &with("/account/city", json!("<Å>")))).unwrap();
    assert!(rendered.html.contains("alt=\"\">&lt;Å&gt;</p>") && rendered.html.contains("Tacka nej här</a>"));
    assert!(rendered.text.starts_with("Text till <Å>\n\n-- \nFyrljus AB, Lyktgatan 4"));
    assert!(format!("{:?}", rendered.blocks).contains("Fax till <Å>"));
}

#[test]
fn refuses_a_letter_without_what_the_law_wants() {
    let renderer = with_letter(&[("x.md", "Hej"), ("x.html", "<!doctype html><p>Hej</p>")]);
    let mistake = renderer.letter(&letter("x", &anna())).unwrap_err();
    assert_eq!(
        mistake.to_string(),
        "layouts/letter.html:1:1: the html part leaves out `sender.legal_name`, which the law wants"
    );
    let renderer =
        with_letter(&[("x.md", "Hej"), ("partials/footer.sv.md", "{{sender.legal_name}}, {{links.opt_out}}")]);
    let mistake = renderer.letter(&letter("x", &anna())).unwrap_err();
    assert!(mistake.to_string().contains("leaves out `sender.postal_address`"), "{mistake}");
}

#[test]
fn tells_what_is_wrong_with_a_template_before_any_contact() {
    let mut set = TemplateSet::builtin();
    for (name, text) in [
        ("a.md", "Hej {{{account.name}}}"),
        ("b.md", "Hej {{account.name"),
        ("c.md", "{{shout account.name}}"),
        ("d.md", &"{{#if a}}".repeat(100)),
        ("e.md", "{{#if account.city}}\nx"),
        ("f.md", "{{*inline \"x\"}}"),
    ] {
        set.insert(name, text);
    }
    let found: Vec<_> = Renderer::new(&set).err().unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("template-mistakes", found.join("\n"));
    let mut set = TemplateSet::builtin();
    set.insert("a.md", "{{> nowhere}}");
    set.insert("partials/one.md", "{{> two}}");
    set.insert("partials/two.md", "{{> one}}");
    set.insert("layouts/letter.txt", "{{content}}");
    (0..9).for_each(|n| set.insert(format!("partials/p{n}.md"), format!("{{{{> p{}}}}}", n + 1).repeat(10)));
    set.insert("partials/p9.md", "");
    let found: Vec<_> = Renderer::new(&set).err().unwrap().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("set-mistakes", found.join("\n"));
}

#[test]
fn stops_a_letter_that_grows_without_end() {
    let renderer = with_letter(&[("x.md", &"{{> p}} ".repeat(900)), ("partials/p.md", &"x".repeat(1000))]);
    let mistake = renderer.letter(&letter("x", &anna())).unwrap_err();
    assert!(mistake.to_string().contains("more than 512 kB"), "{mistake}");
}

#[test]
fn sets_a_letter_on_one_page_and_a_long_one_on_several() {
    let intro = house().letter(&letter("led/intro", &anna())).unwrap();
    let one = faxed(&intro).unwrap();
    assert_eq!((one.pages, one.unprintable), (1, 0));
    assert!(one.pdf.starts_with(b"%PDF-") && one.pdf.len() < 60_000, "{}", one.pdf.len());
    let renderer = with_letter(&[("x.md", &"Jag mäter gärna ljuset i ert lager.\n\n".repeat(80))]);
    assert_eq!(faxed(&renderer.letter(&letter("x", &anna())).unwrap()).unwrap().pages, 3);
    let renderer = with_letter(&[("x.md", &"x\n\n".repeat(1000))]);
    let endless = faxed(&renderer.letter(&letter("x", &anna())).unwrap());
    assert!(matches!(endless, Err(RenderError::TooManyPages(_))));
}

#[test]
fn counts_what_the_fax_cannot_print() {
    let renderer = with_letter(&[("x.md", "Hej \u{1F600} 日本")]);
    assert_eq!(faxed(&renderer.letter(&letter("x", &anna())).unwrap()).unwrap().unprintable, 3);
}

#[test]
fn wraps_a_composed_digest_without_touching_its_words() {
    let from = EmailAddress::parse("dagens@fyrljus.example").unwrap();
    let to = EmailAddress::parse("karin.ek@fyrljus.example").unwrap();
    let head = MailHead {
        from_name: "outreachd",
        from: &from,
        reply_to: None,
        to_name: "Karin Ek",
        to: &to,
        message_id: "digest.1@fyrljus.example",
        date: &date(),
        boundary_seed: "digest/1",
        in_reply_to: None,
        references: &[],
        list_id: None,
        unsubscribe: None,
        delivery_token: None,
        feedback_id: None,
        auto_submitted: true,
    };
    let text = "God morgon Karin. I går: 48 mejl.\n.\nFrån: x\n";
    let mail = plain("1 att ringa, 2 att rätta", text, None, &head).unwrap();
    insta::assert_snapshot!(String::from_utf8(mail.bytes.clone()).unwrap().replace("\r\n", "\n"), @r#"
    Date: Mon, 01 Mar 2027 08:34:09 +0100
    From: outreachd <dagens@fyrljus.example>
    To: "Karin Ek" <karin.ek@fyrljus.example>
    Subject: 1 att ringa, 2 att =?utf-8?b?csOkdHRh?=
    Message-ID: <digest.1@fyrljus.example>
    Auto-Submitted: auto-generated
    MIME-Version: 1.0
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: quoted-printable

    God morgon Karin. I g=C3=A5r: 48 mejl.
    .
    Fr=C3=A5n: x
    "#);
    let read = mail_parser::MessageParser::default().parse(&mail.bytes).unwrap();
    assert_eq!(read.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), text.trim_end());
}
