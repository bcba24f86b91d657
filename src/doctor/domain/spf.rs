//! SPF (RFC 7208): which servers may send under the return path's domain, and
//! whether that domain counts for the one clients see.

use crate::config::is_aligned;

use super::Finding;

/// Judges the texts of the return path's domain.
fn judge(texts: &[String]) -> Finding {
    let records: Vec<_> = texts.iter().map(|text| text.to_lowercase()).filter(|text| is_spf(text)).collect();
    let [record] = records.as_slice() else {
        return match records.len() {
            0 => Finding::failed(
                "there is no SPF record, so large providers refuse the letter",
                "add a TXT record such as `v=spf1 include:<the relay's> ~all`; the relay's manual says which",
            ),
            many => Finding::failed(
                format!("there are {many} SPF records, which counts as none (RFC 7208 4.5)"),
                "put them together into one",
            ),
        };
    };
    let redirects = record.split_ascii_whitespace().any(|term| term.starts_with("redirect="));
    match record.split_ascii_whitespace().find(|term| term.trim_start_matches(['+', '-', '~', '?']) == "all") {
        Some(all @ ("-all" | "~all")) => Finding::ok(format!("one record, ends with {all}")),
        Some("?all") => Finding::warning("it ends with ?all, which protects nothing", "end it with ~all or -all"),
        Some(_) => Finding::failed("it ends with +all: everybody may write in your name", "end it with ~all or -all"),
        None if redirects => Finding::ok("one record, which leads to another"),
        None => Finding::warning("it has no all at its end, which protects nothing", "end it with ~all or -all"),
    }
}

/// The same, and whether a pass would count for DMARC: only aligned to From it does, which
/// matters where no signature of ours does (`signed`).
pub(super) fn judge_with_path(texts: &[String], from: &str, path: &str, signed: bool) -> Finding {
    let finding = judge(texts);
    if finding.state != super::super::State::Ok || signed || is_aligned(from, path) {
        return finding;
    }
    Finding::warning(
        format!("{}; but letters come from {from}, so it does not count for DMARC", finding.line),
        format!("set `bounces` to an address at {from} or below it, unless DKIM signs as {from}"),
    )
}

fn is_spf(text: &str) -> bool {
    text == "v=spf1" || text.starts_with("v=spf1 ")
}

#[cfg(test)]
mod tests {
    use super::super::super::State;
    use super::*;

    fn state(texts: &[&str]) -> State {
        judge(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).state
    }

    #[test]
    fn wants_one_record_that_ends_with_a_no() {
        assert_eq!(state(&["unrelated", "v=spf1 include:relay.example ~all"]), State::Ok);
        assert_eq!(state(&["V=SPF1 mx -ALL"]), State::Ok);
        assert_eq!(state(&["v=spf1 redirect=_spf.relay.example"]), State::Ok);
        assert_eq!(state(&["v=spf1 mx ?all"]), State::Warning);
        assert_eq!(state(&["v=spf1 mx"]), State::Warning);
        for everybody in ["v=spf1 +all", "v=spf1 all"] {
            assert_eq!(state(&[everybody]), State::Failed);
        }
        assert_eq!(state(&["v=spf1 -all", "v=spf1 mx -all"]), State::Failed);
        assert_eq!(state(&["v=spf10 -all"]), State::Failed);
        assert_eq!(state(&[]), State::Failed);
    }

    #[test]
    fn wants_the_return_path_under_the_domain_that_clients_see() {
        let texts = ["v=spf1 mx -all".to_owned()];
        let state = |path| judge_with_path(&texts, "fyrljus.example", path, false).state;
        assert_eq!(state("fyrljus.example"), State::Ok);
        assert_eq!(state("studs.fyrljus.example"), State::Ok);
        assert_eq!(state("notfyrljus.example"), State::Warning);
        assert_eq!(state("relay.example"), State::Warning);
        assert_eq!(judge_with_path(&texts, "fyrljus.example", "relay.example", true).state, State::Ok);
        assert_eq!(judge_with_path(&[], "fyrljus.example", "relay.example", true).state, State::Failed);
    }
}
