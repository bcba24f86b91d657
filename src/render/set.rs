//! The texts of a revision: letters, partials and layouts by their file names, and the
//! files that go with its letters.
//!
//! A set is what `apply` stores with a revision, by hash; it holds the house's own
//! layouts too, so that a later version of the program renders the same bytes.
//! It compiles nothing; [`super::Renderer`] does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::RenderError;
use super::file::{self, File};
use super::picture::Files;

const MAX_FILE_BYTES: u64 = 256 * 1024;
const MAX_FILES: usize = 2_000;
const MAX_DEPTH: usize = 8;

/// The house's own layouts and partials; a file of the same name in a user's folder overrides one.
const BUILTIN: [(&str, &str); 6] = [
    ("layouts/letter.html", include_str!("../../templates/layouts/letter.html")),
    ("layouts/letter.txt", include_str!("../../templates/layouts/letter.txt")),
    ("partials/footer.en.md", include_str!("../../templates/partials/footer.en.md")),
    ("partials/footer.sv.md", include_str!("../../templates/partials/footer.sv.md")),
    ("partials/signature.en.md", include_str!("../../templates/partials/signature.en.md")),
    ("partials/signature.sv.md", include_str!("../../templates/partials/signature.sv.md")),
];

/// The letters of the invented company, for `init` and `demo`.
const LETTERS: [(&str, &str); 4] = [
    ("led/avslut.md", include_str!("../../templates/led/avslut.md")),
    ("led/intro.md", include_str!("../../templates/led/intro.md")),
    ("led/matning.md", include_str!("../../templates/led/matning.md")),
    ("led/referens.md", include_str!("../../templates/led/referens.md")),
];

/// Bytes of all files of a folder that are read; those after are told to be too many where
/// a letter names them.
const MAX_FOLDER_BYTES: u64 = 200 * 1024 * 1024;
/// The text of a stored set that says which files belong to it.
const MANIFEST: &str = "files.json";

/// Every template, partial and layout of a revision: file name (`led/intro.md`) to text;
/// and the attachments and pictures of its letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateSet {
    texts: BTreeMap<String, String>,
    files: Files,
}

/// A file in the manifest.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    hash: String,
    bytes: usize,
}

impl TemplateSet {
    /// The `.md`, `.html` and `.txt` files of a folder over the house's own, and the files
    /// beside them that can go with letters.
    ///
    /// Symbolic links and names that begin with a dot are passed over: nothing
    /// outside the folder gets in.
    ///
    /// # Errors
    /// A file that cannot be read, is no UTF-8 or is beyond the caps.
    pub fn read(dir: &Path) -> Result<Self, RenderError> {
        let mut set = Self::builtin();
        let mut reading = Reading { set: &mut set, files_left: MAX_FOLDER_BYTES };
        reading.folder(dir, "", MAX_DEPTH)?;
        Ok(set)
    }

    /// A set as the store holds it; nothing of the house's own is added. Its files come by
    /// [`TemplateSet::add_stored`].
    pub fn from_map(map: BTreeMap<String, String>) -> Self {
        Self { texts: map, files: Files::new() }
    }

    /// The texts with which a set of these files is stored; [`TemplateSet::files`] are stored by hash.
    pub fn with_manifest(mut texts: BTreeMap<String, String>, files: &[&File]) -> BTreeMap<String, String> {
        if files.is_empty() {
            return texts;
        }
        let listed = |file: &&File| {
            let listed = Listed { hash: file.hash().to_owned(), bytes: file.bytes().len() };
            (file.name().to_owned(), listed)
        };
        let manifest: BTreeMap<_, _> = files.iter().map(listed).collect();
        let text = serde_json::to_string_pretty(&manifest).expect("names and numbers are JSON");
        texts.insert(MANIFEST.to_owned(), text);
        texts
    }

    /// Name and hash of each file that a stored set has; none where it has no files.
    pub fn listed(&self) -> Vec<(String, String)> {
        let manifest = self.texts.get(MANIFEST).and_then(|text| serde_json::from_str(text).ok());
        let manifest: BTreeMap<String, Listed> = manifest.unwrap_or_default();
        manifest.into_iter().map(|(name, listed)| (name, listed.hash)).collect()
    }

    /// Adds the files that [`TemplateSet::listed`] names, from their bytes by hash.
    ///
    /// # Errors
    /// The name of one that is not among them, or is not what it was.
    pub fn add_stored(&mut self, stored: &BTreeMap<String, Vec<u8>>) -> Result<(), String> {
        for (name, hash) in self.listed() {
            let file = stored.get(&hash).and_then(|bytes| File::new(&name, bytes.clone()).ok());
            let file = file.filter(|file| file.hash() == hash).ok_or_else(|| name.clone())?;
            self.files.insert(name, Ok(file));
        }
        Ok(())
    }

    /// Adds a file, as a folder would have it.
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) {
        self.files.insert(name.to_owned(), File::new(name, bytes));
    }

    /// The files that lie beside the templates, those that cannot go with letters with the reason.
    pub fn files(&self) -> impl Iterator<Item = (&str, Result<&File, &str>)> {
        self.files.iter().map(|(name, file)| (name.as_str(), file.as_ref().map_err(String::as_str)))
    }

    /// The files by name, for the engine.
    pub(super) fn all_files(&self) -> &Files {
        &self.files
    }

    /// The house's own layouts and partials.
    pub fn builtin() -> Self {
        let texts = BUILTIN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Self { texts: texts.collect(), files: Files::new() }
    }

    /// The house's own and the letters of the invented company, for `init` and `demo`.
    pub fn starter() -> Self {
        let mut set = Self::builtin();
        set.texts.extend(LETTERS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        set
    }

    /// The set without these texts; its files stay.
    pub fn without(&self, names: &BTreeSet<String>) -> Self {
        let mut rest = self.clone();
        rest.texts.retain(|name, _| !names.contains(name));
        rest
    }

    /// Adds a text, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.texts.insert(name.into(), text.into());
    }

    /// The text of a file name.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// File names and texts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

/// A folder that is being read.
struct Reading<'a> {
    set: &'a mut TemplateSet,
    files_left: u64,
}

impl Reading<'_> {
    fn folder(&mut self, dir: &Path, prefix: &str, depth: usize) -> Result<(), RenderError> {
        let failed = |source| RenderError::Read { path: dir.to_owned(), source };
        if depth == 0 {
            return Err(RenderError::TooMuch { path: dir.to_owned(), what: "folders in folders, more than 8 deep" });
        }
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let file_name = entry.file_name();
            let Some(name) = file_name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let kind = entry.file_type().map_err(failed)?;
            let full = format!("{prefix}{name}");
            if kind.is_dir() {
                self.folder(&entry.path(), &format!("{full}/"), depth - 1)?;
            } else if kind.is_file() && Kind::of(name).is_some() {
                self.set.texts.insert(full, read_file(&entry.path())?);
            } else if kind.is_file() && file::is_known(name) {
                let read = self.beside(&full, &entry.path());
                self.set.files.insert(full, read);
            }
            if self.set.texts.len() + self.set.files.len() > MAX_FILES {
                return Err(RenderError::TooMuch { path: dir.to_owned(), what: "more than 2000 templates and files" });
            }
        }
        Ok(())
    }

    /// What is wrong with a file is said where a letter names it: it may lie there unused.
    fn beside(&mut self, name: &str, path: &Path) -> Result<File, String> {
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
        let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
        if bytes > file::MAX_FILE_BYTES as u64 {
            return Err(file::too_large(bytes));
        }
        let left = self.files_left.checked_sub(bytes);
        self.files_left = left.ok_or("lies among too many files; the folder may have 200 MB of them")?;
        File::new(name, std::fs::read(path).map_err(unreadable)?)
    }
}

fn read_file(path: &Path) -> Result<String, RenderError> {
    let failed = |source| RenderError::Read { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(RenderError::TooMuch { path: path.to_owned(), what: "more than 256 kB" });
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// What a template is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Markdown: the letter itself, a partial, a fax page.
    Markdown,
    /// HTML: the layout, or a part that replaces what would be made from Markdown.
    Html,
    /// Plain text: the same.
    Text,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Markdown, Self::Html, Self::Text];

    /// The kind of a file, by its ending.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "md" => Some(Self::Markdown),
            "html" => Some(Self::Html),
            "txt" => Some(Self::Text),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_a_folder_override_the_house_and_nothing_else_in() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("partials")).unwrap();
        std::fs::write(dir.path().join("partials/signature.sv.md"), "Hälsningar").unwrap();
        std::fs::write(dir.path().join("notes.toml"), "x").unwrap();
        std::fs::write(dir.path().join(".hidden.md"), "x").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("outside.md")).unwrap();
        let set = TemplateSet::read(dir.path()).unwrap();
        assert_eq!(set.find("partials/signature.sv.md"), Some("Hälsningar"));
        let names: Vec<_> = set.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, TemplateSet::builtin().iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>());
    }

    #[test]
    fn refuses_a_file_beyond_the_cap() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("big.md"), "x".repeat(300 * 1024)).unwrap();
        assert!(matches!(TemplateSet::read(dir.path()), Err(RenderError::TooMuch { .. })));
    }
}
