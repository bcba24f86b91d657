//! What differs between the clients of a letter: their words, apart from the pattern in which
//! they have any.
//!
//! Clients of one pattern have words in the same fields, so the same branches of a template
//! hold for them, and the same letter comes out but for the words. A letter is rendered once
//! for a pattern, with a stand-in in each field: one private-use character, which Markdown,
//! HTML and handlebars take for a letter that means nothing.

use serde_json::Value;

use super::mention::{blank, find};

/// The first stand-in: plane 15, behind the code points that `shield` uses.
pub(super) const FIRST: u32 = 0xF_0200;
/// Stand-ins at most; fields beyond are part of the pattern.
pub(super) const MOST: usize = 0x200;

/// One client's words, in the order of their stand-ins.
#[derive(Debug, Default)]
pub(super) struct Words<'a> {
    /// Equal for clients who get the same letter but for their words.
    pub(super) pattern: String,
    pub(super) words: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// What `data` has in the fields at `paths`.
    pub(super) fn of(data: &'a Value, paths: &[Vec<String>]) -> Self {
        let mut own = Self { pattern: String::with_capacity(paths.len()), words: Vec::with_capacity(paths.len()) };
        for path in paths {
            match find(data, path) {
                Some(value @ Value::String(words)) if !blank(value) && own.words.len() < MOST => {
                    own.pattern.push('w');
                    own.words.push(words);
                }
                // Their fields have paths of their own, where anything looks at them.
                Some(Value::Object(fields)) if !fields.is_empty() => own.pattern.push('o'),
                Some(value) => own.pattern.push_str(&format!("{value},")),
                None => own.pattern.push('-'),
            }
        }
        own
    }
}

/// The data of a form: a stand-in for all words at `paths`, what else stands there as it is, and
/// nothing at any other place. So one client's words can never stand in another's letter, not
/// even where a template looked at a field that nobody told of.
pub(super) fn stand_ins(data: &Value, paths: &[Vec<String>]) -> Value {
    let mut out = bare(data);
    let mut next = FIRST;
    for path in paths {
        let at = path.iter().try_fold(&mut out, |value, name| value.get_mut(name));
        let (Some(at), Some(value)) = (at, find(data, path)) else { continue };
        match value {
            Value::Object(fields) if !fields.is_empty() => {}
            Value::String(_) if !blank(value) && next < FIRST + MOST as u32 => {
                *at = char::from_u32(next).map(String::from).into();
                next += 1;
            }
            value => *at = value.clone(),
        }
    }
    out
}

/// The fields of the data, with nothing in them.
fn bare(data: &Value) -> Value {
    match data {
        Value::Object(fields) if !fields.is_empty() => {
            Value::Object(fields.iter().map(|(name, value)| (name.clone(), bare(value))).collect())
        }
        Value::Object(_) => data.clone(),
        _ => Value::Null,
    }
}

/// Every field of the data.
pub(super) fn every_path(data: &Value) -> Vec<Vec<String>> {
    let Value::Object(groups) = data else { return Vec::new() };
    let mut paths = Vec::new();
    for (name, value) in groups {
        let below = every_path(value);
        if below.is_empty() {
            paths.push(vec![name.clone()]);
        }
        paths.extend(below.into_iter().map(|mut path| {
            path.insert(0, name.clone());
            path
        }));
    }
    paths
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keeps_only_the_pattern_and_nobodys_words() {
        let data = json!({ "contact": { "name": "Anna", "title": null, "note": " " }, "account": { "name": "Granvik", "size": 7 } });
        let path = |path: &str| path.split('.').map(str::to_owned).collect::<Vec<_>>();
        let paths = ["account.size", "contact.name", "contact.note", "contact.title"].map(path);
        let own = Words::of(&data, &paths);
        assert_eq!((own.pattern.as_str(), own.words), ("7,w\" \",null,", vec!["Anna"]));
        let expected = json!({
            "contact": { "name": "\u{F0200}", "title": null, "note": " " },
            "account": { "name": null, "size": 7 },
        });
        assert_eq!(stand_ins(&data, &paths), expected, "no path leads to the account's name");
    }
}
