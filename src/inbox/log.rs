//! A log that grows: its new lines, a page at a time.
//!
//! The cursor is `inode:offset:mark`, the mark being a hash of the file's first bytes, so
//! that a log which was rotated, cut short or put in the place of another is known. What
//! was left unread of a rotated one is read where it lies now, as long as it lies beside
//! the new one and is not packed. A log that is not there is an error; a line without an
//! end waits for it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::postfix::{self, QueueLine};

/// Bytes of one page.
const PAGE: u64 = 1 << 20;
/// Bytes at a file's beginning that it is known by.
const MARK: u64 = 64;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file is not there or not readable.
    #[error("cannot read the log `{}`: {source}; it must be a file this user can read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The log of a relay's Postfix.
#[derive(Clone, Debug)]
pub struct RelayLog(PathBuf);

/// Some lines of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPage {
    /// What those say that say anything.
    pub lines: Vec<QueueLine>,
    /// The position behind them.
    pub cursor: String,
    /// There is more to read at once.
    pub more: bool,
}

/// Where reading goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place<'a> {
    inode: u64,
    offset: u64,
    mark: &'a str,
}

impl<'a> Place<'a> {
    fn parse(cursor: &'a str) -> Option<Self> {
        let (inode, rest) = cursor.split_once(':')?;
        let (offset, mark) = rest.split_once(':')?;
        Some(Self { inode: inode.parse().ok()?, offset: offset.parse().ok()?, mark })
    }
}

impl RelayLog {
    /// The log at `path`; it is opened anew for each page.
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Reads what stands behind `cursor`, or from the beginning.
    ///
    /// # Errors
    /// The file cannot be read now; the next call tries afresh.
    pub async fn read(&self, cursor: Option<&str>) -> Result<LogPage, LogError> {
        let (path, cursor) = (self.0.clone(), cursor.map(str::to_owned));
        let work = tokio::task::spawn_blocking(move || read(&path, cursor.as_deref()));
        let read = work.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        read.map_err(|source| LogError::Read { path: self.0.clone(), source })
    }
}

fn read(path: &Path, cursor: Option<&str>) -> io::Result<LogPage> {
    let mut file = open(path)?;
    let inode = file.metadata()?.ino();
    let Some(place) = cursor.and_then(Place::parse) else { return page(&mut file, 0) };
    if place.inode == inode {
        // Cut short, or another log that got the same inode: from its beginning.
        let offset = if is_same(&mut file, &place)? { place.offset } else { 0 };
        return page(&mut file, offset);
    }
    if let Some(mut rotated) = find_rotated(path, &place)? {
        let rest = page(&mut rotated, place.offset)?;
        if rest.cursor != cursor.unwrap_or_default() {
            return Ok(LogPage { more: true, ..rest });
        }
    }
    page(&mut file, 0)
}

/// Only a plain file: a pipe would keep us waiting at the door.
fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no plain file"));
    }
    File::open(path)
}

/// The log's older self beside it, under the name that rotation gave it.
fn find_rotated(path: &Path, place: &Place<'_>) -> io::Result<Option<File>> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_ours = entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes());
        // Gone since, or not ours to look at: it is not the one.
        if is_ours && entry.metadata().is_ok_and(|meta| meta.is_file() && meta.ino() == place.inode) {
            let mut file = open(&entry.path())?;
            return Ok(is_same(&mut file, place)?.then_some(file));
        }
    }
    Ok(None)
}

fn is_same(file: &mut File, place: &Place<'_>) -> io::Result<bool> {
    Ok(file.metadata()?.len() >= place.offset && mark(file, place.offset)? == place.mark)
}

fn mark(file: &mut File, offset: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.by_ref().take(MARK.min(offset)).read_to_end(&mut bytes)?;
    Ok(HEXLOWER.encode(&Sha256::digest(&bytes)[..4]))
}

/// The whole lines from `offset` on, as many as fit a page.
fn page(file: &mut File, offset: u64) -> io::Result<LogPage> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.by_ref().take(PAGE).read_to_end(&mut bytes)?;
    let is_full = bytes.len() as u64 == PAGE;
    let end = match bytes.iter().rposition(|b| *b == b'\n') {
        Some(last) => last + 1,
        // No line of a log is that long; what it is, is passed over.
        None if is_full => bytes.len(),
        None => 0,
    };
    let lines = bytes[..end].split(|b| *b == b'\n').filter_map(|line| postfix::parse(&String::from_utf8_lossy(line)));
    let lines = lines.collect();
    let offset = offset + end as u64;
    let cursor = format!("{}:{offset}:{}", file.metadata()?.ino(), mark(file, offset)?);
    Ok(LogPage { lines, cursor, more: is_full })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn line(queue_id: &str) -> String {
        format!("Mar  1 08:34:10 mail postfix/cleanup[91]: {queue_id}: message-id=<x@fyrljus.example>\n")
    }

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn ids(page: &LogPage) -> Vec<&str> {
        fn id(line: &QueueLine) -> &str {
            match line {
                QueueLine::Named { queue_id, .. } | QueueLine::Queued { queue_id, .. } => queue_id,
            }
        }
        page.lines.iter().map(id).collect()
    }

    #[test]
    fn reads_new_whole_lines_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.log");
        assert!(read(&path, None).is_err(), "there is no log yet");
        append(&path, &format!("{}{}", line("AAAAA1"), &line("BBBBB2")[..30]));
        let first = read(&path, None).unwrap();
        assert_eq!(ids(&first), ["AAAAA1"]);
        assert_eq!(read(&path, Some(&first.cursor)).unwrap(), LogPage { lines: vec![], ..first.clone() });
        append(&path, &line("BBBBB2")[30..]);
        assert_eq!(ids(&read(&path, Some(&first.cursor)).unwrap()), ["BBBBB2"]);
        assert_eq!(ids(&read(&path, Some("no cursor")).unwrap()), ["AAAAA1", "BBBBB2"]);
    }

    #[test]
    fn reads_the_rest_of_a_rotated_log_before_the_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.log");
        append(&path, &line("AAAAA1"));
        let mut cursor = read(&path, None).unwrap().cursor;
        append(&path, &line("BBBBB2"));
        fs::rename(&path, folder.path().join("mail.log.1")).unwrap();
        append(&path, &line("CCCCC3"));
        let mut found = Vec::new();
        for _ in 0..3 {
            let page = read(&path, Some(&cursor)).unwrap();
            found.extend(ids(&page).into_iter().map(str::to_owned));
            cursor = page.cursor;
        }
        assert_eq!(found, ["BBBBB2", "CCCCC3"]);
        // Packed or gone: what it held is lost, the new one is read.
        fs::remove_file(folder.path().join("mail.log.1")).unwrap();
        fs::rename(&path, folder.path().join("packed")).unwrap();
        append(&path, &line("DDDDD4"));
        assert_eq!(ids(&read(&path, Some(&cursor)).unwrap()), ["DDDDD4"]);
    }

    #[test]
    fn begins_again_where_a_log_was_cut_short_even_if_it_has_grown_since() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.log");
        append(&path, &line("AAAAA1"));
        let cursor = read(&path, None).unwrap().cursor;
        let other = line("BBBBB2").replace("Mar  1", "Mar  2");
        fs::write(&path, &other).unwrap();
        assert_eq!(ids(&read(&path, Some(&cursor)).unwrap()), ["BBBBB2"]);
        append(&path, &line("CCCCC3"));
        assert_eq!(ids(&read(&path, Some(&cursor)).unwrap()), ["BBBBB2", "CCCCC3"]);
    }

    #[test]
    fn passes_over_what_is_no_line_with_a_page_of_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mail.log");
        fs::write(&path, vec![0xff; (PAGE * 2) as usize + 10]).unwrap();
        append(&path, &format!("\n{}", line("AAAAA1")));
        let (mut cursor, mut found) = (None, Vec::new());
        for _ in 0..4 {
            let page = read(&path, cursor.as_deref()).unwrap();
            found.extend(ids(&page).into_iter().map(str::to_owned));
            cursor = Some(page.cursor);
        }
        assert_eq!(found, ["AAAAA1"]);
        assert!(read(folder.path(), None).is_err(), "a folder is no log");
    }
}
