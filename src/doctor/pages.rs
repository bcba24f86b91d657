//! The pages: whether clients can follow the links in their letters.

use url::Url;

use crate::config::Web;
use crate::transport::http::{HttpClient, is_loopback, parse_url};

use super::{Check, Finding, limits};

/// What became of asking for `/healthz`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Healthy,
    Status(u16),
    Silent(String),
}

impl Seen {
    fn describe(&self) -> String {
        match self {
            Self::Healthy => "all is well".to_owned(),
            Self::Status(status) => format!("it answers {status}"),
            Self::Silent(why) => why.clone(),
        }
    }
}

/// Asks for the daemon's health where it listens and where clients come.
pub(super) async fn examine(web: &Web) -> Check {
    let inside = ask(&format!("http://{}", reachable(&web.listen))).await;
    let outside = ask(&web.public_url).await;
    let public_is_here = parse_url(&web.public_url).is_ok_and(|url| is_loopback(&url));
    judge(web, public_is_here, &outside, &inside).of("pages")
}

/// An address to listen on everywhere is asked on this machine.
fn reachable(listen: &str) -> String {
    listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
}

async fn ask(base: &str) -> Seen {
    let asked = async {
        let url: Url = parse_url(&format!("{base}/healthz"))?;
        HttpClient::new(&url, limits())?.get(url).await
    };
    match asked.await {
        Ok(answer) if answer.status == 200 => Seen::Healthy,
        Ok(answer) => Seen::Status(answer.status),
        Err(error) => Seen::Silent(error.to_string()),
    }
}

fn judge(web: &Web, public_is_here: bool, outside: &Seen, inside: &Seen) -> Finding {
    let (public, listen) = (&web.public_url, &web.listen);
    if public_is_here {
        return Finding::warning(
            format!("public_url {public} leads to this machine alone: no client can follow an opt-out link"),
            "set public_url in [web] to the https address of the proxy in front of `listen`",
        );
    }
    match (outside, inside) {
        (Seen::Healthy, _) => Finding::ok(format!("{public} answers")),
        (outside, Seen::Healthy) => Finding::warning(
            format!("the daemon answers at {listen}, {public} does not from here: {}", outside.describe()),
            "check the proxy and the name; without them no client can opt out by the link",
        ),
        (_, Seen::Status(status)) => Finding::failed(
            format!("at {listen} somebody answers {status}, so it is another program or the daemon is not well"),
            "look into `journalctl -u outreachd`",
        ),
        (_, Seen::Silent(_)) => Finding::skipped(format!("no daemon answers at {listen}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn state(outside: Seen, inside: Seen) -> State {
        let web = Web { listen: "127.0.0.1:8025".into(), public_url: "https://ut.fyrljus.example".into() };
        judge(&web, false, &outside, &inside).state
    }

    #[test]
    fn asks_the_proxy_before_the_daemon() {
        let silent = || Seen::Silent("refused".into());
        assert_eq!(state(Seen::Healthy, silent()), State::Ok);
        assert_eq!(state(silent(), Seen::Healthy), State::Warning);
        assert_eq!(state(Seen::Status(502), silent()), State::Skipped);
        assert_eq!(state(Seen::Status(503), Seen::Status(503)), State::Failed);
    }

    #[test]
    fn warns_of_links_that_lead_to_this_machine() {
        assert_eq!(judge(&Web::default(), true, &Seen::Healthy, &Seen::Healthy).state, State::Warning);
        assert_eq!(reachable("0.0.0.0:8025"), "127.0.0.1:8025");
    }
}
