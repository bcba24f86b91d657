//! `demo --once` tells the story that README.md shows, on every machine alike, and
//! `demo` shows it in the browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

const COMMAND: &str = "$ cargo run --release -- demo --once\n";

/// The demo in a temporary folder of its own, so that what it leaves there shows.
fn once(temporary: &Path) -> Output {
    let program = assert_cmd::cargo::cargo_bin!("outreachd");
    // In some other zone: the story is told by the company's clock.
    let mut demo = Command::new(program);
    demo.args(["demo", "--once"]).env("TMPDIR", temporary).env("TZ", "Pacific/Auckland");
    demo.output().expect("the program starts")
}

fn promised() -> String {
    let readme = include_str!("../README.md");
    let (_, behind) = readme.split_once(&format!("```\n{COMMAND}")).expect("README.md shows demo --once");
    behind.split("```").next().expect("the block ends").to_owned()
}

#[test]
fn tells_byte_for_byte_what_the_readme_shows_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().expect("a folder");
    let told = once(temporary.path());
    assert_eq!(String::from_utf8_lossy(&told.stderr), "");
    assert_eq!(String::from_utf8_lossy(&told.stdout), promised());
    assert!(told.status.success());
    assert_eq!(std::fs::read_dir(temporary.path()).expect("it is there").count(), 0);
}

/// The demo that keeps running; killed when dropped.
struct Shown {
    child: Child,
    address: String,
}

impl Shown {
    fn start(temporary: &Path) -> Self {
        let mut demo = Command::new(assert_cmd::cargo::cargo_bin!("outreachd"));
        demo.args(["demo", "--port", "0"]).env("TMPDIR", temporary).stdout(Stdio::piped());
        let mut child = demo.spawn().expect("the program starts");
        let told = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let url = told.map_while(Result::ok).find_map(|line| Some(line.split_once("http://")?.1.to_owned()));
        let address = url.expect("it says where it is shown").split('/').next().expect("an address").to_owned();
        Self { child, address }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        let head =
            format!("{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", self.address);
        stream.write_all(head.as_bytes()).expect("it takes the request");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn end(mut self) -> ExitStatus {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("a process id"), rustix::process::Signal::TERM).expect("it runs");
        self.child.wait().expect("it ends")
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        // One that has ended already cannot be killed.
        drop(self.child.kill());
    }
}

/// What stands between `before` and `after`, the first time.
fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let (_, behind) = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}"));
    behind.split(after).next().expect("split gives one part at least")
}

#[test]
fn shows_each_letter_fax_and_timeline_until_it_is_told_to_end() {
    let temporary = tempfile::tempdir().expect("a folder");
    let shown = Shown::start(temporary.path());
    let overview = shown.ask("GET /");
    assert!(overview.contains("Tuesday 2 March 2027, 07:31") && overview.contains("default-src 'none'"), "{overview}");
    let oskar = overview.split("<a href=\"").find(|part| part.contains(">Oskar Nyman<")).expect("he is there");
    let page = shown.ask(&format!("GET {}", oskar.split('"').next().expect("a path")));
    for words in ["address suppressed", "intro: delivered, 1 page", "in 2 calls", "Vad kostar ljuset i lagret?"] {
        assert!(page.contains(words), "no {words} in {page}");
    }
    assert!(shown.ask(&format!("GET /faxes/{}", between(&page, "\"/faxes/", "#"))).contains("%PDF-1."));
    let letter = shown.ask(&format!("GET /mails/{}", between(&page, "src=\"/mails/", "\"")));
    assert!(letter.contains("sandbox allow-popups") && letter.contains("Hej Oskar!"), "{letter}");
    let asks = shown.ask(&format!("GET /u/{}", between(&letter, "/u/", "\"")));
    assert!(asks.starts_with("HTTP/1.1 200") && asks.contains("<form method=\"post\">"), "{asks}");

    assert!(shown.ask("POST /next-day").starts_with("HTTP/1.1 303"));
    assert!(shown.ask("POST /next-day").starts_with("HTTP/1.1 303"));
    let thursday = shown.ask("GET /");
    assert!(thursday.contains("Thursday 4 March 2027, 18:00"), "{thursday}");
    assert!(between(&thursday, "90 accepted", "<").contains("1 rejected + 0 uncertain"), "{thursday}");

    assert!(shown.end().success());
    assert_eq!(std::fs::read_dir(temporary.path()).expect("it is there").count(), 0);
}
