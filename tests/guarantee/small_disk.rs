//! A disk of a few megabytes that fills up.
//!
//! It is a small file system in memory, in a mount namespace of its own, which only root
//! can make. Elsewhere the tests on it say that they are skipped.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set, to the folder of the small disk, in the process that runs within the namespace.
const INSIDE: &str = "OUTREACHD_TEST_SMALL_DISK";

/// Runs the test named `test` once more with a small disk. Inside, gives its folder.
pub fn small_disk(test: &str) -> Option<PathBuf> {
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
pub struct Filler(PathBuf);

impl Filler {
    pub fn fill(folder: &Path) -> Self {
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
