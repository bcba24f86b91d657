//! The domains that letters come from: what a receiving server looks up before it
//! takes them. Google, Yahoo and Microsoft refuse bulk mail without SPF and DMARC.

mod dmarc;
mod mx;
mod spf;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures_util::future::join_all;

use crate::config::Config;

use super::names::{Names, Records};
use super::{Check, Finding};

/// Looks each domain up.
pub(super) async fn examine(config: &Config, resolver: Option<SocketAddr>) -> Vec<Check> {
    let names = Names::of(resolver);
    let domains = domains(config);
    let checks = join_all(domains.iter().map(|(from, path)| examine_one(&names, from, path))).await;
    checks.into_iter().flatten().collect()
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

async fn examine_one(names: &Names, from: &str, path: &str) -> Vec<Check> {
    let (mx, spf, dmarc) = tokio::join!(names.mx(from), names.txt(path), find_dmarc(names, from));
    vec![
        judge(mx, mx::judge).of(format!("MX of {from}")),
        judge(spf, |texts| spf::judge_with_path(texts, from, path)).of(format!("SPF of {path}")),
        judge(dmarc, dmarc::judge).of(format!("DMARC of {from}")),
        Finding {
            advice: Some("send a letter to a mailbox of your own and look for dkim=pass in its headers".into()),
            ..Finding::skipped("its key cannot be found without the selector, which the relay that signs knows")
        }
        .of(format!("DKIM of {from}")),
    ]
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
