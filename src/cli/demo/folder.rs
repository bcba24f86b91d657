//! A folder that is there while the demo runs, and gone after it.

use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The folder; dropping it removes it with everything in it.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes one that nobody else may enter.
    pub(super) fn make() -> io::Result<Self> {
        let base = std::env::temp_dir().canonicalize()?;
        for number in 0..1000 {
            let path = base.join(format!("outreachd-demo-{}-{number}", std::process::id()));
            // Never one that is there already: whose it is, nobody knows.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, "a thousand folders of the demo are there already"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about one that cannot be removed; the system empties the place.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nothing_behind() {
        let folder = Folder::make().unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("x"), "y").unwrap();
        assert_ne!(Folder::make().unwrap().path(), path);
        drop(folder);
        assert!(!path.exists());
    }
}
