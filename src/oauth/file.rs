//! The refresh token on disk: a private file, written whole or not at all.
//!
//! Providers give a new refresh token with each use and may forget the old one, so a
//! half-written file would cost a person's visit. Its time of change is when the token
//! was last used, which is what providers count idleness from.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::OAuthError;

#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    refresh_token: String,
}

const VERSION: u32 = 1;

/// The token in the file of `login`; none if the file is not there.
pub(super) fn read(path: &Path, login: &str) -> Result<Option<SecretString>, OAuthError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(OAuthError::File { path: path.to_owned(), source }),
    };
    match serde_json::from_str::<Kept>(&text) {
        Ok(kept) if kept.version == VERSION && !kept.refresh_token.is_empty() => Ok(Some(kept.refresh_token.into())),
        Ok(_) | Err(_) => Err(OAuthError::Damaged { path: path.to_owned(), login: login.to_owned() }),
    }
}

/// Puts the token in the place of the one before.
pub(super) fn write(path: &Path, token: &SecretString) -> Result<(), OAuthError> {
    let kept = Kept { version: VERSION, refresh_token: token.expose_secret().to_owned() };
    let text = serde_json::to_string(&kept).expect("two plain fields are JSON");
    replace(path, &text).map_err(|source| OAuthError::File { path: path.to_owned(), source })
}

/// When the token was last used, by the time at which its file was written.
pub fn last_used(path: &Path) -> Option<Timestamp> {
    std::fs::metadata(path).ok()?.modified().ok().and_then(|at| Timestamp::try_from(at).ok())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = draft_of(path);
    let written = write_draft(&draft, text, &owner(path, folder)?).and_then(|()| std::fs::rename(&draft, path));
    if let Err(error) = written {
        // What is left of a full disk must not stand in the way of the next try.
        drop(std::fs::remove_file(&draft));
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// Whose the file is to be. A doctor run by root must leave it to the daemon's own user.
fn owner(path: &Path, folder: &Path) -> io::Result<(u32, u32)> {
    let before = std::fs::metadata(path).or_else(|_| std::fs::metadata(folder))?;
    Ok((before.uid(), before.gid()))
}

fn write_draft(draft: &Path, text: &str, (user, group): &(u32, u32)) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(draft)?;
    file.write_all(text.as_bytes())?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (*user, *group) {
        // Only root may give a file away; everybody else keeps it.
        drop(fchown(&file, Some(*user), Some(*group)));
    }
    file.sync_all()
}

/// A name of this process alone, so that two that write at once do not mix.
fn draft_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn replaces_the_token_and_keeps_it_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oauth-relay-main.json");
        assert!(read(&path, "relay/main").unwrap().is_none());
        for token in ["first", "second"] {
            write(&path, &token.into()).unwrap();
            assert_eq!(read(&path, "relay/main").unwrap().unwrap().expose_secret(), token);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the draft was left behind");
        assert!(last_used(&path).is_some());
    }

    #[test]
    fn says_to_log_in_again_where_the_file_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oauth-relay-main.json");
        for text in ["", "{", "{\"version\":1,\"refresh_token\":\"\"}", "{\"version\":9,\"refresh_token\":\"x\"}"] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path, "relay/main").unwrap_err().to_string();
            assert!(error.ends_with("run `outreachd login relay/main` again"), "{error}");
        }
    }
}
