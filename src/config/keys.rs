//! The key file: what signs the tokens in letters, made once and kept for years.
//!
//! One `id:hex` line a key, newest last; the newest signs, all verify. A key that
//! is lost makes every opt-out link that went out worthless, so a file that cannot
//! be read is never replaced by a new one.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};

use super::secret::{SecretError, read_private};
use crate::model::token::TokenKeys;

/// Bytes of a new key.
const KEY_BYTES: usize = 32;
/// Bytes that a key must have at least, for a MAC of 128 bits.
const LEAST_BYTES: usize = 16;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file is there and cannot be read, or everybody can read it.
    #[error("the key file: {0}")]
    Secret(#[from] SecretError),
    /// The file cannot be written.
    #[error("cannot write the key file `{}`: {source}; name a place this user may write by key_file in [files]", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Chance(getrandom::Error),
    /// The file is not of the form that this program writes.
    #[error("the key file `{}` has a wrong line {line}: {why}; bring back the file as it was, from a backup", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file has no line.
    #[error("the key file `{}` is empty; bring it back from a backup, or remove it if no letter ever went out", .0.display())]
    Empty(PathBuf),
}

/// The keys in the file at `path`; a file with one new key is made if there is none.
///
/// # Errors
/// The file cannot be read or made, can be read by everyone, or has a wrong line.
pub fn load_or_create(path: &Path) -> Result<TokenKeys, KeyError> {
    // Of two programs that begin at once, one makes the file and both read it.
    if !path.try_exists().unwrap_or(true) {
        create(path)?;
    }
    load(path)
}

/// The keys in the file at `path`, which must be there.
///
/// # Errors
/// The file cannot be read, can be read by everyone, or has a wrong line.
pub fn load(path: &Path) -> Result<TokenKeys, KeyError> {
    let text = read_private(path)?;
    let mut keys: Vec<(u8, Vec<u8>)> = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (id, key) =
            parse_line(line).map_err(|why| KeyError::Line { path: path.to_owned(), line: index + 1, why })?;
        if keys.iter().any(|(known, _)| *known == id) {
            return Err(KeyError::Line { path: path.to_owned(), line: index + 1, why: "its id is given twice" });
        }
        keys.push((id, key));
    }
    if keys.is_empty() { Err(KeyError::Empty(path.to_owned())) } else { Ok(TokenKeys::new(keys)) }
}

fn parse_line(line: &str) -> Result<(u8, Vec<u8>), &'static str> {
    let (id, hex) = line.trim().split_once(':').ok_or("a key is `id:hex`")?;
    let id = id.parse().map_err(|_| "its id is no number from 0 to 255")?;
    let key = HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).map_err(|_| "its key is not hexadecimal")?;
    if key.len() < LEAST_BYTES { Err("its key is shorter than 16 bytes") } else { Ok((id, key)) }
}

/// Makes the file, whole or not at all, and never over another.
fn create(path: &Path) -> Result<(), KeyError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key).map_err(KeyError::Chance)?;
    let failed = |source| KeyError::Write { path: path.to_owned(), source };
    let draft = draft_of(path);
    let written = write_draft(&draft, &format!("1:{}\n", HEXLOWER.encode(&key)));
    // A link takes no name that is taken, which a rename would.
    let linked = written.and_then(|()| match std::fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = std::fs::remove_file(&draft);
    linked.map_err(failed)?;
    removed.map_err(failed)?;
    sync_folder(path).map_err(failed)
}

fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

fn write_draft(draft: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    // Links that are already in somebody's letter must survive a loss of power.
    file.sync_all()
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::model::token::TokenPurpose;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.key");
        (folder, path)
    }

    fn write(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn makes_a_private_file_once_and_reads_it_again() {
        let (folder, path) = folder();
        let token = load_or_create(&path).unwrap().sign(TokenPurpose::OptOut, 7);
        assert_eq!(load_or_create(&path).unwrap().verify(TokenPurpose::OptOut, &token), Some(7));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the draft was left behind");
    }

    #[test]
    fn gives_two_files_different_keys() {
        let ((_one, first), (_two, second)) = (folder(), folder());
        let token = load_or_create(&first).unwrap().sign(TokenPurpose::OptOut, 7);
        assert_eq!(load_or_create(&second).unwrap().verify(TokenPurpose::OptOut, &token), None);
    }

    #[test]
    fn signs_with_the_last_line_and_verifies_with_all() {
        let (_folder, path) = folder();
        write(&path, &format!("1:{}\n", "a1".repeat(32)), 0o600);
        let old = load(&path).unwrap().sign(TokenPurpose::OptOut, 7);
        write(&path, &format!("1:{}\n2:{}\n", "a1".repeat(32), "B2".repeat(32)), 0o640);
        let both = load(&path).unwrap();
        assert_eq!(both.verify(TokenPurpose::OptOut, &old), Some(7));
        assert_ne!(both.sign(TokenPurpose::OptOut, 7), old);
    }

    #[test]
    fn refuses_a_file_that_everyone_can_read() {
        let (_folder, path) = folder();
        write(&path, &format!("1:{}\n", "a1".repeat(32)), 0o644);
        assert!(matches!(load_or_create(&path), Err(KeyError::Secret(SecretError::WorldReadable(_)))));
    }

    #[test]
    fn keeps_a_file_that_it_cannot_read() {
        let (_folder, path) = folder();
        for (text, why) in [
            ("", "is empty"),
            ("a1a1\n", "a key is `id:hex`"),
            ("300:a1\n", "no number from 0 to 255"),
            ("1:xyz\n", "not hexadecimal"),
            ("1:a1a1\n", "shorter than 16 bytes"),
            (
                "1:a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1\n\n1:a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1",
                "line 3: its id is given twice",
            ),
        ] {
            write(&path, text, 0o600);
            let said = load_or_create(&path).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
