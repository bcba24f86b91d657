//! Pictures in a letter's HTML: what names a file of the revision becomes `cid:`,
//! and the file goes with the mail (RFC 2392, RFC 2387).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::file::File;

/// The source of a picture, in either kind of quotes.
static SOURCE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?is)<img\b[^>]*?\ssrc\s*=\s*(?:"([^"]*)"|'([^']*)')"#).expect("the pattern is a constant")
});

/// Files of a set by name; some are there and cannot go with a letter, and say why.
pub(super) type Files = BTreeMap<String, Result<File, String>>;

/// A name that stands for no picture, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoPicture {
    pub(super) name: String,
    pub(super) why: String,
}

/// The HTML with `cid:` for each picture of the set, and the pictures, each once.
pub(super) fn embed(html: String, files: &Files) -> Result<(String, Vec<File>), NoPicture> {
    if !html.contains("<img") && !html.contains("<IMG") {
        return Ok((html, Vec::new()));
    }
    let (mut out, mut at, mut pictures) = (String::with_capacity(html.len()), 0, Vec::<File>::new());
    for found in SOURCE.captures_iter(&html) {
        let Some(source) = found.get(1).or(found.get(2)) else { continue };
        let Some(name) = named(source.as_str()) else { continue };
        let picture = find(name, files)?;
        out.push_str(&html[at..source.start()]);
        out.push_str("cid:");
        out.push_str(&picture.content_id());
        at = source.end();
        if !pictures.iter().any(|known| known.hash() == picture.hash()) {
            pictures.push(picture.clone());
        }
    }
    out.push_str(&html[at..]);
    Ok((out, pictures))
}

/// The file that a source names; none where it points at something outside the mail.
fn named(source: &str) -> Option<&str> {
    let source = source.trim();
    if let Some(name) = source.strip_prefix("cid:") {
        return Some(name);
    }
    let outside = source.starts_with("//") || source.split('/').next().is_some_and(|head| head.contains(':'));
    if outside { None } else { Some(source.trim_start_matches("./")) }
}

fn find<'f>(name: &str, files: &'f Files) -> Result<&'f File, NoPicture> {
    let no = |why: String| NoPicture { name: name.to_owned(), why };
    match files.get(name) {
        Some(Ok(file)) if file.is_picture() => Ok(file),
        Some(Ok(_)) => Err(no(format!("`{name}` is no picture; png, jpg and gif are"))),
        Some(Err(why)) => Err(no(format!("`{name}` {why}"))),
        None => Err(no(format!("there is no picture `{name}` in the template folder"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        let png = File::new("bilder/lampa.png", b"\x89PNG\r\n\x1a\n1".to_vec());
        let pdf = File::new("a.pdf", b"%PDF-1".to_vec());
        [("bilder/lampa.png".to_owned(), png), ("a.pdf".to_owned(), pdf)].into()
    }

    #[test]
    fn puts_each_picture_in_once_whichever_way_it_is_named() {
        let html = "<img src=\"bilder/lampa.png\"><IMG alt='x' src='cid:bilder/lampa.png'>\
                    <img src=\"https://a.example/b.png\"><a href=\"a.pdf\">";
        let (embedded, pictures) = embed(html.to_owned(), &files()).unwrap();
        assert_eq!(embedded.matches("cid:").count(), 2);
        assert!(embedded.contains("https://a.example/b.png") && embedded.contains("href=\"a.pdf\""));
        assert!(embedded.contains(&format!("src=\"cid:{}\"", pictures[0].content_id())));
        assert_eq!(pictures.len(), 1);
    }

    #[test]
    fn says_which_picture_is_not_there_or_none() {
        for (source, said) in [
            ("bilder/lmapa.png", "there is no picture `bilder/lmapa.png` in the template folder"),
            ("a.pdf", "`a.pdf` is no picture; png, jpg and gif are"),
            ("../etc/x.png", "there is no picture `../etc/x.png` in the template folder"),
        ] {
            let refused = embed(format!("<img src=\"{source}\">"), &files()).unwrap_err();
            assert_eq!((refused.name.as_str(), refused.why.as_str()), (source, said));
        }
    }
}
