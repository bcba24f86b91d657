//! Bytes to text: finds out how a file's characters were written.
//!
//! Never guesses by language. A file that mixes encodings is refused, since a
//! wrong guess would put mojibake into letters without anybody seeing it.

use std::fmt;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::ImportError;

/// How a file's characters were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// UTF-16, little end first: Excel's "Unicode text".
    Utf16Le,
    /// UTF-16, big end first.
    Utf16Be,
    /// Windows-1252, of which Latin-1 is a part: Excel's plain "CSV" in Western Europe.
    Windows1252,
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Utf8 => "UTF-8",
            Self::Utf16Le => "UTF-16 LE",
            Self::Utf16Be => "UTF-16 BE",
            Self::Windows1252 => "Windows-1252",
        })
    }
}

/// Formats that people hand in instead of CSV, by their first bytes.
const FOREIGN: [(&[u8], Option<&str>); 5] = [
    (b"PK\x03\x04", None),
    (b"\xd0\xcf\x11\xe0", None),
    (b"%PDF-", Some("a PDF")),
    (b"{\\rtf", Some("an RTF document")),
    (b"\x1f\x8b", Some("compressed")),
];

/// Decodes a file to text without its byte order mark.
///
/// # Errors
/// The file is empty, is no text, or mixes encodings.
pub fn decode(bytes: &[u8]) -> Result<(String, Encoding), ImportError> {
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Err(name.map_or(ImportError::Spreadsheet, ImportError::NotText));
    }
    let (text, encoding) = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (utf8(rest)?, Encoding::Utf8),
        [0xff, 0xfe, rest @ ..] => (utf16(rest, Encoding::Utf16Le)?, Encoding::Utf16Le),
        [0xfe, 0xff, rest @ ..] => (utf16(rest, Encoding::Utf16Be)?, Encoding::Utf16Be),
        _ => match unmarked_utf16(bytes) {
            Some(encoding) => (utf16(bytes, encoding)?, encoding),
            None => unmarked(bytes)?,
        },
    };
    if text.trim().is_empty() {
        return Err(ImportError::Empty);
    }
    Ok((text, encoding))
}

/// UTF-8 that says so by its mark.
fn utf8(bytes: &[u8]) -> Result<String, ImportError> {
    let text = str::from_utf8(bytes).map_err(|error| mixed(bytes, error.valid_up_to()))?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// Which UTF-16 a file without a mark is: in Western text every second byte is zero.
fn unmarked_utf16(bytes: &[u8]) -> Option<Encoding> {
    let sample = &bytes[..bytes.len().min(4096)];
    let zeros = |from: usize| sample.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let many = (sample.len() / 4).max(2);
    match (even, odd) {
        (even, odd) if odd >= many && even * 8 < odd => Some(Encoding::Utf16Le),
        (even, odd) if even >= many && odd * 8 < even => Some(Encoding::Utf16Be),
        _ => None,
    }
}

fn utf16(bytes: &[u8], encoding: Encoding) -> Result<String, ImportError> {
    let decoder = if encoding == Encoding::Utf16Be { UTF_16BE } else { UTF_16LE };
    let (text, broken) = decoder.decode_without_bom_handling(bytes);
    if broken {
        let at = text.find('\u{fffd}').unwrap_or(text.len());
        return Err(ImportError::BrokenUtf16 { line: text[..at].matches('\n').count() + 1 });
    }
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// UTF-8 if it is that throughout, Windows-1252 if it hardly ever is.
fn unmarked(bytes: &[u8]) -> Result<(String, Encoding), ImportError> {
    let error = match str::from_utf8(bytes) {
        Ok(text) => return Ok((text.to_owned(), Encoding::Utf8)),
        Err(error) => error,
    };
    let (mut good, mut bad) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    // In Windows-1252 two letters that happen to form UTF-8 ("Ã¥") are next to never seen.
    if good > bad {
        return Err(mixed(bytes, error.valid_up_to()));
    }
    let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
    Ok((text.into_owned(), Encoding::Windows1252))
}

fn mixed(bytes: &[u8], at: usize) -> ImportError {
    ImportError::MixedEncoding { line: bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str, big: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    }

    #[test]
    fn reads_one_text_in_every_encoding() {
        let text = "Företag;Ort\nSöderholm Kyl AB;Åre\n";
        let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let cases = [
            (text.as_bytes().to_vec(), Encoding::Utf8),
            ([b"\xef\xbb\xbf", text.as_bytes()].concat(), Encoding::Utf8),
            (wide(&format!("\u{feff}{text}"), false), Encoding::Utf16Le),
            (wide(&format!("\u{feff}{text}"), true), Encoding::Utf16Be),
            (wide(text, false), Encoding::Utf16Le),
            (wide(text, true), Encoding::Utf16Be),
            (latin, Encoding::Windows1252),
        ];
        for (bytes, encoding) in cases {
            assert_eq!(decode(&bytes), Ok((text.to_owned(), encoding)));
        }
    }

    #[test]
    fn refuses_a_file_glued_from_two_encodings() {
        let bytes = [b"Ort\n".as_slice(), "Söderköping Åmål\n".as_bytes(), b"V\xe4xj\n"].concat();
        assert_eq!(decode(&bytes), Err(ImportError::MixedEncoding { line: 3 }));
        assert_eq!(decode(b"\xef\xbb\xbfOrt\nV\xe4xj\n"), Err(ImportError::MixedEncoding { line: 2 }));
    }

    #[test]
    fn names_what_is_no_text() {
        assert_eq!(decode(b"PK\x03\x04rest"), Err(ImportError::Spreadsheet));
        assert_eq!(decode(b"%PDF-1.7"), Err(ImportError::NotText("a PDF")));
        assert_eq!(decode(b"\xef\xbb\xbf \r\n"), Err(ImportError::Empty));
        assert_eq!(decode(&[0xff, 0xfe, b'a', 0, b'\n', 0, 0x3d, 0xd8]), Err(ImportError::BrokenUtf16 { line: 2 }));
    }

    #[test]
    fn keeps_a_lone_nul_for_the_field_that_holds_it() {
        let (text, encoding) = decode(b"company;name\nGranvik\0;Anna\n").unwrap();
        assert_eq!((text.contains('\0'), encoding), (true, Encoding::Utf8));
    }
}
