//! The domains that letters come from: what a receiving server looks up before it
//! takes them. Google, Yahoo and Microsoft refuse bulk mail without SPF and DMARC.

mod dkim;
mod dmarc;
mod mx;
mod spf;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures_util::future::join_all;

use crate::config::dkim::DkimKey;
use crate::config::{Config, Dkim, is_aligned};

use super::{Check, Finding};
use crate::dns::{Names, Records};

/// Looks each domain up.
pub(super) async fn examine(config: &Config, resolver: Option<SocketAddr>) -> Vec<Check> {
    let names = Names::of(resolver);
    let domains = domains(config);
    let keys: Vec<_> = config.senders.iter().flat_map(|sender| &sender.dkim).collect();
    let examined = domains.iter().map(|(from, path)| {
        let signed = keys.iter().any(|key| !key.retired && is_aligned(from, &key.domain));
        examine_one(&names, from, path, signed)
    });
    let (checks, keys) = tokio::join!(join_all(examined), join_all(keys.iter().map(|key| examine_key(&names, key))));
    checks.into_iter().flatten().chain(keys).collect()
}

/// Each domain of a From, with the domain of the return path beneath it.
fn domains(config: &Config) -> BTreeSet<(String, String)> {
    let domain = |address: &crate::model::address::EmailAddress| address.domain().to_lowercase();
    let senders = config.senders.iter();
    let senders = senders.map(|sender| (domain(&sender.from), domain(sender.bounces.as_ref().unwrap_or(&sender.from))));
    let digest = config.digest.from.iter().map(|from| (domain(from), domain(from)));
    let mut domains: BTreeSet<_> = senders.collect();
    domains.extend(digest.filter(|(from, _)| !domains.iter().any(|(known, _)| known == from)).collect::<Vec<_>>());
    domains
}

async fn examine_one(names: &Names, from: &str, path: &str, signed: bool) -> Vec<Check> {
    let (mx, spf, dmarc) = tokio::join!(names.mx(from), names.txt(path), find_dmarc(names, from));
    let mut checks = vec![
        judge(mx, mx::judge).of(format!("MX of {from}")),
        judge(spf, |texts| spf::judge_with_path(texts, from, path, signed)).of(format!("SPF of {path}")),
        judge(dmarc, dmarc::judge).of(format!("DMARC of {from}")),
    ];
    if !signed {
        let finding = Finding {
            advice: Some(
                "send a letter to a mailbox of your own and look for dkim=pass in its headers, or sign here: \
                 `outreachd dkim new SELECTOR`"
                    .into(),
            ),
            ..Finding::skipped("no sender has a key here, and the relay's cannot be found without its selector")
        };
        checks.push(finding.of(format!("DKIM of {from}")));
    }
    checks
}

/// A key of ours: that it can be read, and that the DNS has its other half.
async fn examine_key(names: &Names, dkim: &Dkim) -> Check {
    let name = format!("DKIM {} of {}", dkim.selector, dkim.domain);
    let key = match DkimKey::load(dkim) {
        Ok(key) => key,
        Err(error) => return Finding::from_error(error).of(name),
    };
    judge(names.txt(&key.record_name()).await, |texts| dkim::judge(&key, texts)).of(name)
}

/// A subdomain without a record of its own lives by the one above it (RFC 7489 6.6.3).
async fn find_dmarc(names: &Names, domain: &str) -> Records {
    let mut at = domain;
    loop {
        let texts = names.txt(&format!("_dmarc.{at}")).await?;
        match at.split_once('.') {
            Some((_, above)) if texts.is_empty() && above.contains('.') => at = above,
            _ => return Ok(texts),
        }
    }
}

fn judge(records: Records, judge: impl FnOnce(&[String]) -> Finding) -> Finding {
    match records {
        Ok(records) => judge(&records),
        Err(_) => Finding::skipped("no answer from the resolver"),
    }
}
