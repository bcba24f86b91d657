//! `outreachd login NAME`: a person's consent to a login by OAuth, asked for once.

use std::process::ExitCode;

use anyhow::anyhow;

use super::session::block_on;
use super::{CommandError, Session, output};
use crate::config::{Config, OAuth, OAuthFlow};
use crate::oauth::{Consent, OAuthError};

/// The arguments of `outreachd login`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It leaves a token in a file beside the key file, which only this user can read; the daemon
uses it from then on and needs no restart. Run it as the daemon's user, or as root.")]
pub struct Args {
    /// The id of a relay or a mailbox that has `oauth`, or relay/ID or mailbox/ID
    #[arg(value_name = "NAME")]
    name: String,

    /// Sign in by a browser on this machine instead of by a code on another device
    #[arg(long)]
    browser: bool,

    /// The port of 127.0.0.1 to which the browser comes back [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    let (account, username) = find(&config, &args.name).map_err(|message| anyhow!(message))?;
    if account.flow == OAuthFlow::Application {
        return Err(
            anyhow!("{} signs in by itself (flow = \"application\"); nobody needs to log in", account.login).into()
        );
    }
    block_on(async { Ok(ask(account, username, &args).await?) })?;
    let kept = account.token_file.display();
    output::lines(&[format!("{}: logged in; the token is in {kept}. Try it: outreachd doctor", account.login)])?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(account: &OAuth, username: &str, args: &Args) -> anyhow::Result<()> {
    let consent = Consent::new(account)?;
    if args.browser || account.flow == OAuthFlow::Browser {
        return Ok(by_browser(&consent, username, args.port).await?);
    }
    by_code(&consent, username).await
}

async fn by_code(consent: &Consent, username: &str) -> anyhow::Result<()> {
    let code = consent.ask_for_code().await?;
    let minutes = code.good_for.as_secs() / 60;
    output::lines(&[
        format!("Open {} on any device, enter the code", code.page),
        String::new(),
        format!("    {}", code.user_code),
        String::new(),
        format!("and sign in as {username}. The code is good for {minutes} minutes; waiting."),
    ])?;
    Ok(consent.wait_for_code(&code).await?)
}

async fn by_browser(consent: &Consent, username: &str, port: u16) -> Result<(), OAuthError> {
    let browser = consent.open_browser(port).await?;
    let port = browser.port;
    // Where nobody reads, nobody opens it either, and the wait ends by itself.
    drop(output::lines(&[
        format!("Open this address in a browser on this machine and sign in as {username}:"),
        String::new(),
        format!("    {}", browser.address),
        String::new(),
        format!("From another machine, run this there first: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE"),
    ]));
    consent.wait_for_browser(browser).await
}

/// The login that is meant, and who signs in.
fn find<'c>(config: &'c Config, name: &str) -> Result<(&'c OAuth, &'c str), String> {
    let relays = config.relays.iter().map(|relay| (&relay.id, &relay.oauth, &relay.username));
    let mailboxes = config.mailboxes.iter().map(|mailbox| (&mailbox.id, &mailbox.oauth, &mailbox.username));
    let logins: Vec<_> = relays
        .chain(mailboxes)
        .filter_map(|(id, oauth, username)| Some((id, oauth.as_ref()?, username.as_deref()?)))
        .collect();
    let meant: Vec<_> = logins.iter().copied().filter(|(id, oauth, _)| *id == name || oauth.login == name).collect();
    match meant[..] {
        [(_, oauth, username)] => Ok((oauth, username)),
        [] if logins.is_empty() => Err("no relay and no mailbox has `oauth`; passwords need no login".to_owned()),
        [] => Err(format!("nothing with `oauth` is called `{name}`; there is {}", names(&logins))),
        [..] => Err(format!("`{name}` is a relay and a mailbox; write relay/{name} or mailbox/{name}")),
    }
}

fn names(logins: &[(&String, &OAuth, &str)]) -> String {
    logins.iter().map(|(_, oauth, _)| oauth.login.as_str()).collect::<Vec<_>>().join(", ")
}
