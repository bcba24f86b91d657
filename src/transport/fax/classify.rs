//! The gateway's error codes as our own kinds.
//!
//! The key is (errorType, errorCode): 133 means one thing for a call and another
//! for a document. A specific row stands before the range it lies in.

use crate::model::response::FaxResult;

/// What kind of end an error is; what nobody knows counts as a bad line, which
/// is tried again a little and then given up.
///
/// Source: Sinch Fax v3, "Error messages", and the labels of its official SDK.
pub fn classify(error_type: &str, code: i64) -> FaxResult {
    match (error_type, code) {
        ("DOCUMENT_CONVERSION_ERROR", _) | (_, 113) => FaxResult::Document,
        ("FAX_ERROR", 133) => FaxResult::Blocked,
        // Cancelled by a person at the gateway: whoever did it did not want it sent.
        (_, 75) => FaxResult::Blocked,
        (_, 46) => FaxResult::Account,
        (_, 17) => FaxResult::Busy,
        (_, 16 | 30 | 48) => FaxResult::NoAnswer,
        (_, 13 | 14 | 132) => FaxResult::NotAFax,
        // Only of a call: the same numbers among FAX_ERROR are a T.30 engine's own codes
        // (49 is a dropped call there), and this kind marks the client's record for good.
        ("CALL_ERROR", 34 | 49) => FaxResult::BadNumber,
        (_, 7 | 25 | 31 | 32 | 68) => FaxResult::Incompatible,
        // 6, 8, 10-12, 15, 18-29, 38-44, 60, 63 and whatever is new.
        _ => FaxResult::Line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_row_of_the_table() {
        let rows: [(FaxResult, &[i64]); 6] = [
            (FaxResult::Busy, &[17]),
            (FaxResult::NoAnswer, &[16, 30, 48]),
            (FaxResult::NotAFax, &[13, 14, 132]),
            (FaxResult::Incompatible, &[7, 25, 31, 32, 68]),
            (FaxResult::Account, &[46]),
            (FaxResult::Document, &[113]),
        ];
        for (kind, codes) in rows {
            for code in codes {
                assert_eq!(classify("FAX_ERROR", *code), kind, "{code}");
                assert_eq!(classify("CALL_ERROR", *code), kind, "{code}");
            }
        }
        let line = [6, 8, 10, 11, 12, 15, 43, 60, 63].into_iter().chain(18..=24).chain(26..=29).chain(38..=44);
        for code in line {
            assert_eq!(classify("FAX_ERROR", code), FaxResult::Line, "{code}");
        }
    }

    #[test]
    fn tells_one_code_of_two_types_apart() {
        assert_eq!(classify("FAX_ERROR", 133), FaxResult::Blocked);
        assert_eq!(classify("DOCUMENT_CONVERSION_ERROR", 133), FaxResult::Document);
        assert_eq!(classify("DOCUMENT_CONVERSION_ERROR", 17), FaxResult::Document);
        assert_eq!(classify("CALL_ERROR", 133), FaxResult::Line);
        for code in [34, 49] {
            assert_eq!(classify("CALL_ERROR", code), FaxResult::BadNumber);
            assert_eq!(classify("FAX_ERROR", code), FaxResult::Line);
        }
    }

    #[test]
    fn takes_a_specific_row_before_the_range_around_it() {
        assert_eq!(classify("FAX_ERROR", 25), FaxResult::Incompatible);
        assert_eq!(classify("FAX_ERROR", -1), FaxResult::Line);
    }
}
