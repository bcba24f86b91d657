//! A relay that says when its next conversation has come to a certain point, so that the
//! daemon can be killed right there.

use std::sync::{Arc, Condvar, Mutex};

use outreachd::demo::mail_server::{Answer, Facts, Stage};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The test's side.
pub struct Trap {
    shared: Arc<Shared>,
    sprung: UnboundedReceiver<()>,
}

struct Shared {
    armed: Mutex<Option<Armed>>,
    sprung: UnboundedSender<()>,
    holds: Mutex<bool>,
    released: Condvar,
}

struct Armed {
    stage: Stage,
    /// So many conversations pass before it springs.
    passes: u64,
    /// The relay says nothing more until it is released.
    holds: bool,
}

impl Trap {
    /// A trap, and the script in which it lies.
    pub fn new() -> (Self, impl Fn(&Facts<'_>) -> Answer + Send + Sync + 'static) {
        let (tell, sprung) = unbounded_channel();
        let shared = Arc::new(Shared {
            armed: Mutex::default(),
            sprung: tell,
            holds: Mutex::new(false),
            released: Condvar::new(),
        });
        let script = {
            let shared = Arc::clone(&shared);
            move |facts: &Facts<'_>| {
                shared.step_on(facts.stage);
                Answer::Accept
            }
        };
        (Self { shared, sprung }, script)
    }

    /// Springs when `passes` conversations have passed `stage`; one that `holds` stays there.
    pub fn arm(&self, stage: Stage, passes: u64, holds: bool) {
        *self.shared.holds.lock().unwrap() = holds;
        *self.shared.armed.lock().unwrap() = Some(Armed { stage, passes, holds });
    }

    /// Waits until it springs.
    pub async fn sprung(&mut self) {
        self.sprung.recv().await.unwrap();
    }

    /// Lets go who is held.
    pub fn release(&self) {
        *self.shared.holds.lock().unwrap() = false;
        self.shared.released.notify_all();
    }
}

impl Shared {
    fn step_on(&self, stage: Stage) {
        let holds = {
            let mut armed = self.armed.lock().unwrap();
            match armed.as_mut().filter(|armed| armed.stage == stage) {
                None => return,
                Some(armed) if armed.passes > 0 => {
                    armed.passes -= 1;
                    return;
                }
                Some(_) => armed.take().is_some_and(|armed| armed.holds),
            }
        };
        // Without a test that listens, nobody is to be told.
        let _listens = self.sprung.send(());
        if holds {
            tokio::task::block_in_place(|| {
                let held = self.holds.lock().unwrap();
                drop(self.released.wait_while(held, |holds| *holds).unwrap());
            });
        }
    }
}

/// A small generator; the seed is printed, so that a run can be told again.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
