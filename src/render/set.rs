//! The texts of a revision: letters, partials and layouts by their file names.
//!
//! A set is what `apply` stores with a revision, by hash; it holds the house's own
//! layouts too, so that a later version of the program renders the same bytes.
//! It compiles nothing; [`super::Renderer`] does.

use std::collections::BTreeMap;
use std::path::Path;

use super::RenderError;

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

/// Every template, partial and layout of a revision: file name (`led/intro.md`) to text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateSet(BTreeMap<String, String>);

impl TemplateSet {
    /// The `.md`, `.html` and `.txt` files of a folder over the house's own.
    ///
    /// Symbolic links and names that begin with a dot are passed over: nothing
    /// outside the folder gets in.
    ///
    /// # Errors
    /// A file that cannot be read, is no UTF-8 or is beyond the caps.
    pub fn read(dir: &Path) -> Result<Self, RenderError> {
        let mut set = Self::builtin();
        read_folder(dir, "", MAX_DEPTH, &mut set.0)?;
        Ok(set)
    }

    /// A set as the store holds it; nothing of the house's own is added.
    pub fn from_map(map: BTreeMap<String, String>) -> Self {
        Self(map)
    }

    /// The house's own layouts and partials.
    pub fn builtin() -> Self {
        Self(BUILTIN.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    /// The house's own and the letters of the invented company, for `init` and `demo`.
    pub fn starter() -> Self {
        let mut set = Self::builtin();
        set.0.extend(LETTERS.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        set
    }

    /// Adds a text, or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.insert(name.into(), text.into());
    }

    /// The text of a file name.
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// File names and texts, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

fn read_folder(dir: &Path, prefix: &str, depth: usize, into: &mut BTreeMap<String, String>) -> Result<(), RenderError> {
    let failed = |source| RenderError::Read { path: dir.to_owned(), source };
    if depth == 0 {
        return Err(RenderError::TooMuch { path: dir.to_owned(), what: "folders in folders, more than 8 deep" });
    }
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            read_folder(&entry.path(), &format!("{prefix}{name}/"), depth - 1, into)?;
        } else if kind.is_file() && Kind::of(name).is_some() {
            into.insert(format!("{prefix}{name}"), read_file(&entry.path())?);
        }
        if into.len() > MAX_FILES {
            return Err(RenderError::TooMuch { path: dir.to_owned(), what: "more than 2000 templates" });
        }
    }
    Ok(())
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
