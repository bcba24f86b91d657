//! Files that go with letters: attachments, and pictures that stand in them.
//!
//! A file is what its beginning says it is, not what its name says. Its hash names
//! it in the store and in the mail; a mail never points at a picture on a server,
//! which would tell who opens it.

use std::fmt;
use std::sync::Arc;

use super::sha256_hex;

/// The most a file may have.
pub const MAX_FILE_BYTES: usize = 5 * 1024 * 1024;
/// The most that all files of one letter may have; base64 makes a third more of it.
pub const MAX_LETTER_BYTES: usize = 10 * 1024 * 1024;

/// A kind of file: ending, media type, how such a file begins, and whether it is a picture
/// that every mail program shows.
struct Kind {
    ending: &'static str,
    media_type: &'static str,
    begins: &'static [u8],
    picture: bool,
}

const fn kind(ending: &'static str, media_type: &'static str, begins: &'static [u8], picture: bool) -> Kind {
    Kind { ending, media_type, begins, picture }
}

const KINDS: [Kind; 11] = [
    kind("pdf", "application/pdf", b"%PDF-", false),
    kind("png", "image/png", b"\x89PNG\r\n\x1a\n", true),
    kind("jpg", "image/jpeg", b"\xff\xd8\xff", true),
    kind("jpeg", "image/jpeg", b"\xff\xd8\xff", true),
    kind("gif", "image/gif", b"GIF8", true),
    kind("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04", false),
    kind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK\x03\x04", false),
    kind("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", b"PK\x03\x04", false),
    kind("ics", "text/calendar; charset=utf-8", b"BEGIN:VCALENDAR", false),
    kind("vcf", "text/vcard; charset=utf-8", b"BEGIN:VCARD", false),
    kind("csv", "text/csv; charset=utf-8", b"", false),
];

/// A file that goes with a letter; cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    name: String,
    media_type: &'static str,
    is_picture: bool,
    hash: String,
    bytes: Arc<[u8]>,
}

impl File {
    /// Takes a file's bytes for what its name's ending says.
    ///
    /// # Errors
    /// Says why it does not go with letters; completes the sentence "`name` ...".
    pub fn new(name: &str, bytes: Vec<u8>) -> Result<Self, String> {
        let Some(kind) = kind_of(name) else { return Err(unknown_ending()) };
        if bytes.is_empty() {
            return Err("is empty".to_owned());
        }
        if bytes.len() > MAX_FILE_BYTES {
            return Err(too_large(bytes.len() as u64));
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if !text.starts_with(kind.begins) {
            return Err(format!("is no {}, whatever its name says", kind.ending));
        }
        if kind.media_type.starts_with("text/") && std::str::from_utf8(&bytes).is_err() {
            return Err("is no UTF-8 text".to_owned());
        }
        let hash = sha256_hex(&bytes);
        let (media_type, is_picture) = (kind.media_type, kind.picture);
        Ok(Self { name: name.to_owned(), media_type, is_picture, hash, bytes: bytes.into() })
    }

    /// Its name below the template folder, `bilder/lampa.png`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name without folders, as the recipient sees it.
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }

    /// Its SHA-256 in lower-case hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What is in it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its media type.
    pub(super) fn media_type(&self) -> &'static str {
        self.media_type
    }

    /// Whether it can stand in a letter.
    pub(super) fn is_picture(&self) -> bool {
        self.is_picture
    }

    /// The Content-ID of a picture, without brackets: from its bytes, so that a mail that is
    /// rendered again has the same.
    pub(super) fn content_id(&self) -> String {
        format!("{}@picture", &self.hash[..32])
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({}, {} bytes, {})", self.name, self.bytes.len(), self.hash)
    }
}

/// Whether a file of that name can go with letters.
pub(super) fn is_known(name: &str) -> bool {
    kind_of(name).is_some()
}

/// What is wrong with a file of `bytes` bytes.
pub(super) fn too_large(bytes: u64) -> String {
    let (kb, most) = (bytes / 1024, MAX_FILE_BYTES / 1024);
    format!("has {kb} kB; a file that goes with letters has {most} kB at most")
}

/// What is wrong with a file whose ending nobody knows.
pub(super) fn unknown_ending() -> String {
    format!("does not go with letters; {} do", KINDS.map(|kind| kind.ending).join(", "))
}

fn kind_of(name: &str) -> Option<&'static Kind> {
    const TABLE: &[Kind; 11] = &KINDS;
    let (_, ending) = name.rsplit_once('.')?;
    TABLE.iter().find(|kind| kind.ending.eq_ignore_ascii_case(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_file_for_what_its_beginning_says() {
        let png = File::new("bilder/lampa.PNG", b"\x89PNG\r\n\x1a\n...".to_vec()).unwrap();
        assert_eq!((png.media_type(), png.is_picture(), png.file_name()), ("image/png", true, "lampa.PNG"));
        assert!(!File::new("a/prislista.pdf", b"%PDF-1.7".to_vec()).unwrap().is_picture());
        for (name, bytes) in [
            ("a.pdf", &b"MZ\x90"[..]),
            ("a.png", b"\xff\xd8\xff"),
            ("a.exe", b"MZ\x90"),
            ("a.svg", b"<svg>"),
            ("a.pdf", b""),
            ("a.csv", b"\xe5;\xe4"),
        ] {
            assert!(File::new(name, bytes.to_vec()).is_err(), "{name}");
        }
        let mut large = b"%PDF-".to_vec();
        large.resize(MAX_FILE_BYTES + 1, b'x');
        assert!(File::new("a.pdf", large).unwrap_err().starts_with("has 5120 kB"));
    }
}
