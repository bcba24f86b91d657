//! A relay that waits at one stage until the test lets it go on.

use std::sync::{Mutex, mpsc};

use outreachd::demo::mail_server::{Answer, Facts, Stage};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::daemon::soon;

/// The test's side of the relay.
pub struct Gate {
    reached: tokio::sync::Mutex<UnboundedReceiver<()>>,
    go: mpsc::Sender<()>,
}

impl Gate {
    /// A gate, and the script that stands before it at `stage`.
    pub fn at(stage: Stage) -> (Self, impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static) {
        let (tell, reached): (UnboundedSender<()>, _) = unbounded_channel();
        let (go, gone) = mpsc::channel();
        let gone = Mutex::new(gone);
        let script = move |facts: &Facts<'_>| {
            if facts.stage == stage {
                // Without a test that listens, the gate stands open.
                let _listens = tell.send(());
                // Told to the runtime, which else may lose the one thread that waits for its sockets.
                let _closed = tokio::task::block_in_place(|| gone.lock().unwrap().recv());
            }
            Answer::Accept
        };
        (Self { reached: tokio::sync::Mutex::new(reached), go }, script)
    }

    /// Waits until a mail stands before the gate.
    pub async fn reached(&self) {
        soon("a mail at the gate", async { self.reached.lock().await.recv().await }).await.unwrap();
    }

    /// Lets one mail through.
    pub fn let_one(&self) {
        self.go.send(()).unwrap();
    }

    /// Lets everything through from now on.
    pub fn open(self) {
        drop(self);
    }
}
