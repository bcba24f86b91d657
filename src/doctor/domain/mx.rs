//! MX: whether answers find their way to the domain.

use super::Finding;

/// Judges the hosts that take the domain's mail.
pub(super) fn judge(hosts: &[String]) -> Finding {
    // RFC 7505: a lone dot says that the domain takes no mail.
    if hosts.iter().any(|host| host == ".") {
        return Finding::failed("it says that it takes no mail", "remove the null MX, or write from another domain");
    }
    match hosts {
        [] => Finding::failed(
            "there is none, so answers cannot come back and many servers refuse the letter",
            "add an MX record for the domain",
        ),
        [host] => Finding::ok(host.trim_end_matches('.')),
        [host, others @ ..] => Finding::ok(format!("{} and {} more", host.trim_end_matches('.'), others.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::State;
    use super::*;

    #[test]
    fn wants_a_host_that_takes_answers() {
        assert_eq!(judge(&["mx.fyrljus.example.".into()]), Finding::ok("mx.fyrljus.example"));
        assert_eq!(judge(&[]).state, State::Failed);
        assert_eq!(judge(&[".".into()]).state, State::Failed);
    }
}
