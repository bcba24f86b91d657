//! The secrets that the configuration names: there, and for nobody else to read.

use crate::config::keys::{self, KeyError};
use crate::config::{Config, SecretError, SecretRef};

use super::{Check, Finding};

/// Reads each secret and says which cannot be had.
pub(super) fn examine(config: &Config) -> Check {
    let url = config.database.url_file.iter().cloned().map(SecretRef::File);
    let relays = config.relays.iter().filter_map(|relay| relay.password.clone());
    let mailboxes = config.mailboxes.iter().filter_map(|mailbox| mailbox.password.clone());
    let fax = config.fax.iter().map(|fax| fax.secret.clone());
    let secrets: Vec<_> = url.chain(relays).chain(mailboxes).chain(fax).collect();
    let problems: Vec<_> = secrets.iter().filter_map(|secret| secret.reveal().err()).collect();
    let key_file = &config.files.key_file;
    // It is made at the first start, so there is nothing to say before.
    let key = if key_file.exists() { keys::load(key_file).err() } else { None };
    judge(secrets.len(), &problems, key.as_ref()).of("configuration")
}

fn judge(secrets: usize, problems: &[SecretError], key: Option<&KeyError>) -> Finding {
    let said: Vec<_> = problems.iter().map(ToString::to_string).chain(key.map(ToString::to_string)).collect();
    if said.is_empty() {
        let secrets = match secrets {
            0 => "no secret in it".to_owned(),
            1 => "1 secret, private".to_owned(),
            many => format!("{many} secrets, all private"),
        };
        return Finding::ok(format!("no mistakes; {secrets}"));
    }
    let advice = if problems.iter().any(is_credential) {
        "a credential is there only for the daemon; to look by hand, set CREDENTIALS_DIRECTORY to the folder of its file"
    } else {
        "give each secret a file of its own, owned by whom the daemon runs as, mode 600"
    };
    Finding::failed(said.join(", "), advice)
}

fn is_credential(problem: &SecretError) -> bool {
    matches!(problem, SecretError::Read { path, .. } if path.to_string_lossy().starts_with("credential:"))
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn counts_secrets_and_names_what_is_missing() {
        assert_eq!(judge(2, &[], None).line, "no mistakes; 2 secrets, all private");
        let unset = SecretError::Unset("RELAY".into());
        let finding = judge(2, &[unset, SecretError::WorldReadable("/etc/x".into())], None);
        assert_eq!(finding.state, State::Failed);
        assert_eq!(
            finding.line,
            "secret variable `RELAY` is not set, secret `/etc/x` is readable by everyone; run chmod 600 on it"
        );
    }

    #[test]
    fn says_how_to_look_at_credentials_by_hand() {
        let absent = SecretRef::File("credential:relay".into()).reveal().unwrap_err();
        assert!(judge(1, &[absent], None).advice.unwrap().contains("CREDENTIALS_DIRECTORY"));
    }
}
