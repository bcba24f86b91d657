//! What systemd is told, by a socket that stands in for it.

use std::path::Path;

use outreachd::demo::mail_server::{MailServer, Options, Stage};
use rustix::process::Signal;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::daemon::{Site, notices, soon};
use crate::support::gate::Gate;

struct ServiceManager(UnboundedReceiver<String>);

impl ServiceManager {
    /// Reads all the time, as systemd does: a few unread datagrams would hold the daemon up.
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        let (tell, heard) = unbounded_channel();
        tokio::spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok(length) = socket.recv(&mut bytes).await {
                let text = String::from_utf8(bytes[..length].to_vec()).unwrap();
                if tell.send(text.trim().to_owned()).is_err() {
                    break;
                }
            }
        });
        Self(heard)
    }

    async fn hears(&mut self) -> String {
        soon("a notification", self.0.recv()).await.unwrap()
    }

    /// The next notification that is no sign of life.
    async fn hears_news(&mut self) -> String {
        loop {
            let heard = self.hears().await;
            if heard != "WATCHDOG=1" {
                return heard;
            }
        }
    }

    async fn hears_a_sign_of_life(&mut self) {
        let heard = self.hears().await;
        assert_eq!(heard, "WATCHDOG=1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tells_systemd_that_it_is_ready_reloads_stops_and_lives_all_the_while() {
    let (gate, script) = Gate::at(Stage::Dot);
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::new(relay.addr().port());
    let path = site.path("notify");
    let mut systemd = ServiceManager::at(&path);
    let daemon = site.run_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "150000")]);
    assert_eq!(systemd.hears_news().await, "READY=1");
    systemd.hears_a_sign_of_life().await;

    daemon.signal(Signal::HUP);
    let reloading = systemd.hears_news().await;
    let at = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).expect("when it began");
    assert!(reloading.starts_with("RELOADING=1\n") && at.parse::<u64>().unwrap() > 0, "{reloading}");
    assert_eq!(systemd.hears_news().await, "READY=1");

    std::fs::write(site.path("outreachd.toml"), "[company\n").unwrap();
    daemon.signal(Signal::HUP);
    assert!(systemd.hears_news().await.starts_with("RELOADING=1\n"));
    assert_eq!(systemd.hears_news().await, "READY=1", "the old one goes on");

    notices(&site.store().await, &["a"]).await;
    gate.reached().await;
    daemon.signal(Signal::TERM);
    assert_eq!(systemd.hears_news().await, "STOPPING=1");
    for _ in 0..3 {
        systemd.hears_a_sign_of_life().await;
    }
    gate.open();
    let (code, said) = daemon.ended().await;
    assert_eq!(code, Some(0), "{}", said.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn gives_systemd_no_sign_of_life_without_its_database() {
    let relay = MailServer::accepting().await.unwrap();
    let site = Site::new(relay.addr().port());
    let path = site.path("notify");
    let mut systemd = ServiceManager::at(&path);
    let mut daemon = site.run_with(&[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "150000")]);
    assert_eq!(systemd.hears_news().await, "READY=1");
    std::fs::rename(site.path("test.db"), site.path("elsewhere.db")).unwrap();
    daemon.says("nothing is begun until the database is there again").await;
    daemon.signal(Signal::HUP);
    assert!(systemd.hears_news().await.starts_with("RELOADING=1\n"));
    // From here on nothing was sent before that line.
    assert_eq!(systemd.hears().await, "READY=1");
    daemon.signal(Signal::TERM);
    assert_eq!(systemd.hears().await, "STOPPING=1", "no sign of life in between");
}
