//! The pages: whether the daemon is ready, and whether clients can follow the links
//! in their letters to it.

use crate::config::Web;
use crate::transport::http::{HttpClient, HttpError, is_loopback, parse_url};

use super::{Check, Finding, limits};

/// A link that no letter has; a proxy passes `/u/` on and keeps the daemon's own paths to itself.
const NO_LETTER: &str = "/u/doctor";

/// What was answered: status and body; or why nothing was.
type Seen = Result<(u16, String), String>;

/// Asks the daemon where it listens, and the same of it where clients come.
pub(super) async fn examine(web: &Web) -> Check {
    let inside = format!("http://{}", reachable(&web.listen));
    let (ready, link, followed) = tokio::join!(
        ask(format!("{inside}/readyz")),
        ask(format!("{inside}{NO_LETTER}")),
        ask(format!("{}{NO_LETTER}", web.public_url)),
    );
    let public_is_here = parse_url(&web.public_url).is_ok_and(|url| is_loopback(&url));
    judge(web, public_is_here, &ready, followed.as_ref().map(|seen| Ok(seen) == link.as_ref())).of("pages")
}

/// An address to listen on everywhere is asked on this machine.
fn reachable(listen: &str) -> String {
    listen.replace("0.0.0.0:", "127.0.0.1:").replace("[::]:", "[::1]:")
}

async fn ask(address: String) -> Seen {
    let asked = async {
        let url = parse_url(&address)?;
        HttpClient::new(&url, limits())?.get(url).await
    };
    let answer = asked.await.map_err(|error: HttpError| error.to_string())?;
    Ok((answer.status, String::from_utf8_lossy(&answer.body).trim_end().to_owned()))
}

/// `followed` is whether what answers at the public address is the daemon itself.
fn judge(web: &Web, public_is_here: bool, ready: &Seen, followed: Result<bool, &String>) -> Finding {
    let (public, listen) = (&web.public_url, &web.listen);
    if public_is_here {
        return Finding::warning(
            format!("public_url {public} leads to this machine alone: no client can follow an opt-out link"),
            "set public_url in [web] to the https address of the proxy in front of `listen`",
        );
    }
    match ready {
        Err(_) => return Finding::skipped(format!("no daemon answers at {listen}")),
        Ok((200, _)) => {}
        Ok((503, complaints)) => {
            return Finding::failed(format!("the daemon is not ready: {complaints}"), "see `journalctl -u outreachd`");
        }
        Ok((status, _)) => {
            return Finding::failed(
                format!("at {listen} another program answers ({status})"),
                "choose another port by listen in [web]",
            );
        }
    }
    let advice = "let the proxy there pass /u/, /d/ and /hooks/ on to `listen`; without it no link in a letter works";
    match followed {
        Ok(true) => Finding::ok(format!("the daemon is ready, and {public} leads to it")),
        Ok(false) => Finding::failed(format!("the daemon is ready, but at {public} something else answers"), advice),
        // From inside the house the outer address may be out of reach though clients reach it.
        Err(why) => Finding::warning(format!("the daemon is ready; {public} is out of reach from here: {why}"), advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    fn state(ready: Seen, followed: Result<bool, &String>) -> State {
        let web = Web { listen: "127.0.0.1:8025".into(), public_url: "https://ut.fyrljus.example".into() };
        judge(&web, false, &ready, followed).state
    }

    #[test]
    fn follows_a_link_as_a_client_would() {
        let (ready, silent) = (|| Ok((200, "ready".to_owned())), "refused".to_owned());
        assert_eq!(state(ready(), Ok(true)), State::Ok);
        assert_eq!(state(ready(), Ok(false)), State::Failed);
        assert_eq!(state(ready(), Err(&silent)), State::Warning);
        assert_eq!(state(Err(silent.clone()), Err(&silent)), State::Skipped);
        assert_eq!(state(Ok((404, String::new())), Ok(true)), State::Failed);
        assert_eq!(state(Ok((503, "stage mailbox is late".to_owned())), Ok(true)), State::Failed);
    }

    #[test]
    fn warns_of_links_that_lead_to_this_machine() {
        assert_eq!(judge(&Web::default(), true, &Ok((200, String::new())), Ok(true)).state, State::Warning);
        assert_eq!(reachable("0.0.0.0:8025"), "127.0.0.1:8025");
    }
}
