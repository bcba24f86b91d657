//! The fax gateway: reached, and our key accepted; it is asked for a list and sent nothing.

use jiff::Timestamp;

use crate::config::Config;
use crate::model::address::PhoneNumber;
use crate::transport::fax::{FaxError, Gateway};

use super::{Check, Finding, limits};

/// A number of the range set aside for fiction, to which nobody faxes.
const NOBODY: &str = "+46701740605";
/// A reference that no fax of ours carries.
const NOTHING: &str = "outreachd-doctor";

/// Asks for the faxes of this minute to a number.
pub(super) async fn examine(config: &Config, now: Timestamp) -> Check {
    let Some(fax) = &config.fax else {
        return Finding::skipped("no [fax] in the configuration, so no fax is sent").of("fax gateway");
    };
    let number = config.senders.iter().find_map(|sender| sender.fax.clone());
    let number = number.or_else(|| PhoneNumber::from_e164(NOBODY).ok());
    let asked = match (Gateway::with_limits(fax, limits()), number) {
        (Ok(gateway), Some(number)) => gateway.find(&number, now, NOTHING).await.map(drop),
        (Err(error), _) => Err(error),
        (Ok(_), None) => Ok(()),
    };
    judge(&fax.base_url, asked).of("fax gateway")
}

fn judge(base_url: &str, asked: Result<(), FaxError>) -> Finding {
    match asked {
        // A list that is cut off is a list: the key was accepted.
        Ok(()) | Err(FaxError::CutOff) => Finding::ok(format!("{base_url} accepts the key")),
        Err(error @ FaxError::Unknown) => {
            Finding::failed(format!("{base_url}: {error}"), "check the project in base_url")
        }
        Err(error @ FaxError::Http(_)) => Finding::failed(error.to_string(), "check [fax] base_url and the firewall"),
        Err(error) => Finding::from_error(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn names_the_key_that_is_refused() {
        let refused = judge("https://fax.example/v3", Err(FaxError::Key { key: "fyrljus".into(), status: 401 }));
        assert_eq!(refused.state, State::Failed);
        assert_eq!(refused.advice.as_deref(), Some("check [fax] key, secret and the project in base_url"));
        assert_eq!(judge("https://fax.example/v3", Err(FaxError::CutOff)).state, State::Ok);
    }
}
