//! A Maildir: files in `new` and `cur`, read where they lie.
//!
//! Files do not come in the order of their names or times: a slow delivery can
//! appear behind a quick one, and a mail program renames what it shows. So the
//! cursor is the highest change time seen (of the file's inode, which a move into
//! the folder sets), and each fetch looks [`OVERLAP`] back. What was given out
//! before is remembered once the caller comes back with its cursor; after a
//! restart the overlap is given again, under the same keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{InboxError, MOST_BYTES, RawMail, headers_only};

/// Microseconds that a file may come late by.
const OVERLAP: i64 = 600 * 1_000_000;
/// Bytes of a message too large that are looked at for its headers.
const HEADER_BYTES: u64 = 256 << 10;
/// Bytes after which a fetch ends early.
const BATCH_BYTES: usize = 64 << 20;

/// A Maildir that is read.
pub struct MaildirInbox {
    folder: Arc<Folder>,
    /// Unique names that the caller has taken.
    taken: BTreeSet<String>,
    /// What the last fetch gave out, in order: unique name and cursor.
    given: Vec<(String, String)>,
}

struct Folder {
    id: String,
    path: PathBuf,
}

/// A file by its unique name.
#[derive(Clone, Debug)]
struct Entry {
    changed: i64,
    path: PathBuf,
}

impl MaildirInbox {
    /// Opens a Maildir for the mailbox `id`.
    ///
    /// # Errors
    /// `new` or `cur` is not there or not readable.
    pub fn open(id: &str, path: &Path) -> Result<Self, InboxError> {
        let folder = Folder { id: id.to_owned(), path: path.to_owned() };
        folder.list()?;
        Ok(Self { folder: Arc::new(folder), taken: BTreeSet::new(), given: Vec::new() })
    }

    pub(super) async fn fetch(&mut self, cursor: Option<&str>, limit: usize) -> Result<Vec<RawMail>, InboxError> {
        self.take_given(cursor);
        let high = cursor.and_then(|cursor| cursor.split_once('/')).and_then(|(high, _)| high.parse().ok());
        let folder = Arc::clone(&self.folder);
        let taken = self.taken.clone();
        let work = tokio::task::spawn_blocking(move || folder.fetch(&taken, high, limit));
        let (mails, present) = work.await.map_err(|error| InboxError::Maildir {
            id: self.folder.id.clone(),
            path: self.folder.path.clone(),
            source: io::Error::other(error),
        })??;
        self.taken.retain(|name| present.contains(name));
        self.given = mails.iter().map(|mail| (unique_of(&mail.key), mail.cursor.clone())).collect();
        Ok(mails)
    }

    /// Messages up to the one whose cursor came back are taken; the others were
    /// not stored and are given again.
    fn take_given(&mut self, cursor: Option<&str>) {
        let upto = self.given.iter().position(|(_, given)| Some(given.as_str()) == cursor);
        if let Some(last) = upto {
            self.taken.extend(self.given.drain(..=last).map(|(name, _)| name));
        }
        self.given.clear();
    }
}

fn unique_of(key: &str) -> String {
    key.trim_start_matches("maildir:").to_owned()
}

impl Folder {
    fn fail(&self, path: &Path, source: io::Error) -> InboxError {
        InboxError::Maildir { id: self.id.clone(), path: path.to_owned(), source }
    }

    /// Every message in `new` and `cur` by its unique name.
    fn list(&self) -> Result<BTreeMap<String, Entry>, InboxError> {
        let mut entries = BTreeMap::new();
        // `new` first: a file that a mail program moves to `cur` meanwhile is then
        // seen twice rather than never.
        for place in ["new", "cur"] {
            let path = self.path.join(place);
            for file in fs::read_dir(&path).map_err(|error| self.fail(&path, error))? {
                let file = file.map_err(|error| self.fail(&path, error))?;
                let name = file.file_name().to_string_lossy().into_owned();
                // Gone since: it was moved, and is seen at its new place.
                let Ok(meta) = file.metadata() else { continue };
                if name.starts_with('.') || !meta.is_file() {
                    continue;
                }
                let unique = name.split(':').next().unwrap_or_default().to_owned();
                let changed = meta.ctime() * 1_000_000 + meta.ctime_nsec() / 1_000;
                entries.insert(unique, Entry { changed, path: file.path() });
            }
        }
        Ok(entries)
    }

    /// The next messages, and the names of all that are there.
    fn fetch(
        &self,
        taken: &BTreeSet<String>,
        high: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<RawMail>, BTreeSet<String>), InboxError> {
        let entries = self.list()?;
        let since = high.map_or(i64::MIN, |high| high.saturating_sub(OVERLAP));
        let mut due: Vec<(&String, &Entry)> =
            entries.iter().filter(|(name, entry)| entry.changed >= since && !taken.contains(*name)).collect();
        due.sort_by(|(a, x), (b, y)| x.changed.cmp(&y.changed).then_with(|| a.cmp(b)));
        let (mut mails, mut bytes) = (Vec::new(), 0);
        let mut high = high.unwrap_or(i64::MIN);
        for (name, entry) in due.into_iter().take(limit) {
            let Some(content) = read_message(&entry.path).map_err(|error| self.fail(&entry.path, error))? else {
                continue;
            };
            bytes += content.len();
            high = high.max(entry.changed);
            mails.push(RawMail { key: format!("maildir:{name}"), bytes: content, cursor: format!("{high}/{name}") });
            if bytes > BATCH_BYTES {
                break;
            }
        }
        Ok((mails, entries.into_keys().collect()))
    }
}

/// The message in a file; none where the file has just been moved.
fn read_message(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    let mut bytes = Vec::new();
    if size > MOST_BYTES as u64 {
        file.take(HEADER_BYTES).read_to_end(&mut bytes)?;
        return Ok(Some(headers_only(&bytes, size)));
    }
    file.take(MOST_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
