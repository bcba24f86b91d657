//! The daemon on a disk that fills up in the middle of a mail.
//!
//! The disk is a small file system in memory, in a mount namespace of its own, which
//! only root can make. Elsewhere these tests say that they are skipped.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use outreachd::demo::mail_server::{MailServer, Options, Stage};
use outreachd::model::delivery::DeliveryState;

use crate::gate::Gate;
use crate::support::daemon::{ANY_PORT, Site, configuration, deliveries, notices, soon};

/// Set, to the folder of the small disk, in the process that runs within the namespace.
const INSIDE: &str = "OUTREACHD_TEST_SMALL_DISK";

/// Runs the test named `test` once more with a small disk. Inside, gives its folder.
fn small_disk(test: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(INSIDE) {
        return Some(folder.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=4m,mode=700 tmpfs \"$0\" 2>/dev/null || exit 77; exec \"$@\"";
    let again = Command::new("unshare")
        .args(["--mount", "sh", "-c", mount])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, folder.path())
        .status();
    match again.map(|status| status.code()) {
        Ok(Some(0)) => {}
        Ok(Some(101)) => panic!("it failed on the small disk; see above"),
        _ => {
            let _ = writeln!(std::io::stderr(), "skipped: {test} needs root, to mount a small disk");
        }
    }
    None
}

/// Takes all the room that is left; gives it back when dropped.
struct Filler(PathBuf);

impl Filler {
    fn fill(folder: &Path) -> Self {
        let path = folder.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [64 << 10, 4 << 10, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_before_the_handoff_lets_no_body_leave() {
    let Some(folder) = small_disk("small_disk::a_full_disk_before_the_handoff_lets_no_body_leave") else { return };
    let (gate, script) = Gate::at(Stage::Data);
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::at(&folder);
    site.configure(&configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", ""));
    let store = site.store().await;
    notices(&store, &["a", "b"]).await;
    let mut daemon = site.run();
    gate.reached().await;
    let filler = Filler::fill(&folder);
    gate.let_one();
    let line = daemon.says("no handoff can be written, so nothing leaves: ").await;
    assert!(line.contains("the disk is full; make room"), "{line}");
    daemon.says("stage deliver: cannot deliver: the disk is full").await;
    assert_eq!(relay.received().len(), 0);
    assert_eq!(relay.commands().iter().filter(|command| *command == "DATA").count(), 1, "the relay is left alone");
    drop(filler);
    gate.open();
    soon("the mails when there is room", relay.wait_for(2)).await;
    daemon.stop().await;
    assert_eq!(relay.received().len(), 2, "each once");
    assert!(deliveries(&store).await.iter().all(|row| (row.state, row.tries) == (DeliveryState::Accepted, 1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_after_the_body_keeps_the_result_and_begins_nothing() {
    let Some(folder) = small_disk("small_disk::a_full_disk_after_the_body_keeps_the_result_and_begins_nothing") else {
        return;
    };
    let (gate, script) = Gate::at(Stage::Dot);
    let relay = MailServer::start(script, Options::default()).await.unwrap();
    let site = Site::at(&folder);
    site.configure(&configuration(relay.addr().port(), ANY_PORT, "tls = \"none\"", ""));
    let store = site.store().await;
    notices(&store, &["a", "b", "c"]).await;
    let mut daemon = site.run();
    gate.reached().await;
    let filler = Filler::fill(&folder);
    gate.open();
    let line = daemon.says("nothing leaves until they are written: ").await;
    assert!(line.contains("1 results are kept") && line.contains("the disk is full; make room"), "{line}");
    assert_eq!(deliveries(&store).await[0].state, DeliveryState::Handoff, "as a restart would find it");
    assert_eq!(relay.received().len(), 1, "nothing new begins");
    drop(filler);
    daemon.says("1 results that had waited are written").await;
    soon("the other mails", relay.wait_for(3)).await;
    daemon.stop().await;
    assert_eq!(relay.received().len(), 3, "each once");
    assert!(deliveries(&store).await.iter().all(|row| (row.state, row.tries) == (DeliveryState::Accepted, 1)));
}
