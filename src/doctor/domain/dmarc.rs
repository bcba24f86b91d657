//! DMARC (RFC 7489): what the domain asks of servers that get a forged letter.

use super::Finding;

/// Judges the texts at `_dmarc`.
pub(super) fn judge(texts: &[String]) -> Finding {
    let records: Vec<_> = texts.iter().map(|text| text.to_lowercase()).filter(|text| is_dmarc(text)).collect();
    let [record] = records.as_slice() else {
        return match records.len() {
            0 => Finding::failed(
                "there is no DMARC record, so large providers refuse the letter",
                "add a TXT record at _dmarc, to begin with `v=DMARC1; p=none; rua=mailto:<an address of yours>`",
            ),
            many => {
                Finding::failed(format!("there are {many} DMARC records, which counts as none"), "keep one of them")
            }
        };
    };
    match policy(record) {
        Some("none") => Finding::ok("p=none: accepted, and reports come; p=quarantine would protect the name"),
        Some(policy @ ("quarantine" | "reject")) => Finding::ok(format!("p={policy}")),
        Some(other) => Finding::failed(format!("`p={other}` is no policy"), "use p=none, p=quarantine or p=reject"),
        None => Finding::failed("the record has no policy", "add p=none, p=quarantine or p=reject"),
    }
}

fn is_dmarc(text: &str) -> bool {
    text.split(';').next().is_some_and(|version| version.split_whitespace().collect::<String>() == "v=dmarc1")
}

fn policy(record: &str) -> Option<&str> {
    let tags = record.split(';').filter_map(|tag| tag.split_once('='));
    tags.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == "p").map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::super::super::State;
    use super::*;

    fn state(texts: &[&str]) -> State {
        judge(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).state
    }

    #[test]
    fn wants_one_record_with_a_policy() {
        assert_eq!(state(&["v=DMARC1; p=none; rua=mailto:d@fyrljus.example"]), State::Ok);
        assert_eq!(state(&["v = DMARC1 ;p = reject"]), State::Ok);
        assert_eq!(state(&["v=DMARC1; sp=reject"]), State::Failed);
        assert_eq!(state(&["v=DMARC1; p=maybe"]), State::Failed);
        assert_eq!(state(&["v=DMARC1; p=none", "v=DMARC1; p=none"]), State::Failed);
        assert_eq!(state(&["v=spf1 -all"]), State::Failed);
    }
}
