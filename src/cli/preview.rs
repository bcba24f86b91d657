//! `outreachd preview`: show the exact letter or fax that one contact would get.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;

use super::{CommandError, Session, output, session};
use crate::campaign::check;
use crate::campaign::preview::{Preview, Wanted, letter};
use crate::model::text::tame;
use crate::store::{Client, Store};

/// The arguments of `outreachd preview`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Renders the letter of one step for one contact, from the files as they are, with the contact's own data. Nothing is sent. Message-ID and opt-out link are stand-ins. It is signed by the sender's DKIM keys as the daemon would sign it, or the head says why not."
)]
pub struct Args {
    /// The campaign's id
    campaign: String,

    /// The step's id
    step: String,

    /// The contact: e-mail address, number in the CSV file, or a part of the name
    #[arg(long)]
    contact: String,

    /// This variant instead of the one the contact falls to
    #[arg(long)]
    variant: Option<String>,

    /// The fax page instead of the mail
    #[arg(long, requires = "out")]
    fax: bool,

    /// Write the whole message (.eml) or page (.pdf) to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    let files = check::files(&config.files.campaigns, &config.files.templates, Some(&config));
    let file = files.folder.campaigns.iter().find(|file| file.campaign.id == args.campaign);
    let ids: Vec<_> = files.folder.campaigns.iter().map(|file| file.campaign.id.as_str()).collect();
    let file =
        file.with_context(|| format!("there is no campaign `{}`; there are {}", args.campaign, ids.join(", ")))?;
    session::block_on(async {
        let store = session.existing_store(&config).await?;
        let client = find_client(&store, &args.contact).await?;
        let wanted = Wanted { step: &args.step, variant: args.variant.as_deref(), by_fax: args.fax };
        let preview = letter(&files, file, wanted, &client, &config, session.now()).map_err(anyhow::Error::from)?;
        if let Some(out) = &args.out {
            std::fs::write(out, &preview.bytes).with_context(|| format!("cannot write `{}`", out.display()))?;
        }
        if session.json {
            output::json(&preview)?;
        } else {
            output::lines(&shown(&preview, args.out.is_some()))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

async fn find_client(store: &Store, text: &str) -> anyhow::Result<Client> {
    let found = store.search_contacts(text, 6).await?;
    let [only] = found.as_slice() else {
        let clients = store.clients(&found).await?;
        // An exact address comes first, whoever else's name holds the same text.
        let exact =
            |client: &&Client| client.contact.email.as_ref().is_some_and(|email| email.folded() == text.to_lowercase());
        if let Some(client) = clients.iter().find(exact) {
            return Ok(client.clone());
        }
        if clients.is_empty() {
            anyhow::bail!("there is no contact `{text}`");
        }
        let names = clients.iter().map(|client| format!("{}, {}", client.contact.name, client.account.name));
        anyhow::bail!("`{text}` may be {}; say which", names.collect::<Vec<_>>().join("; "));
    };
    Ok(store.get_client(*only).await?)
}

/// The head and the text; a file that was written is not printed again.
fn shown(preview: &Preview, is_written: bool) -> Vec<String> {
    let mut lines = vec![format!("From:     {}", tame(&preview.from))];
    lines.extend(preview.reply_to.as_ref().map(|address| format!("Reply-To: {address}")));
    lines.push(format!("To:       {}", tame(&preview.to)));
    lines.push(format!("Subject:  {}", tame(&preview.subject)));
    lines.extend(preview.variant.as_ref().map(|variant| format!("Variant:  {variant}")));
    lines.extend(preview.files.iter().map(|file| format!("With:     {}", tame(file))));
    lines.extend((!preview.signed.is_empty()).then(|| format!("Signed:   {}", preview.signed.join(", "))));
    lines.extend(preview.unsigned.as_ref().map(|why| format!("Unsigned: {}", tame(why))));
    lines.extend(preview.pages.map(|pages| format!("Pages:    {pages}")));
    if !is_written {
        lines.push(String::new());
        lines.extend(preview.text.lines().map(tame));
    }
    lines
}
