//! `outreachd demo`: show the main job with an invented company, on this machine only.

mod folder;
mod house;

use std::process::ExitCode;

use anyhow::{Context, anyhow};
use axum::Router;
use tokio::net::TcpListener;

use super::session::block_on;
use super::{CommandError, Session, output};
use crate::demo::{company, story};

use folder::Folder;
use house::House;

/// The arguments of `outreachd demo`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Sample clients, a mail server and a fax gateway inside the program, answers and bounces that come back, and a clock that jumps: from an import on Wednesday 24 February 2027 to the manager's digest on Tuesday 2 March. Then it shows every letter, fax page and timeline in the browser, until Ctrl-C. Nothing leaves this machine, and nothing stays on it."
)]
pub struct Args {
    /// Tell the story, check that it came out as it must, and end
    #[arg(long)]
    once: bool,

    /// The port of the pages, on this machine only [default: 8025, or the next one that is free]
    #[arg(long, value_name = "N", conflicts_with = "once")]
    port: Option<u16>,
}

/// Runs the command.
pub(super) fn run(_session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let folder = Folder::make().context("cannot make a folder for the demo")?;
    block_on(async {
        let port = if args.once { 0 } else { args.port.unwrap_or(8025) };
        let listener = TcpListener::bind(("127.0.0.1", port)).await.context("cannot listen")?;
        let url = format!("http://{}", listener.local_addr().context("cannot listen")?);
        let mut house = House::set_up(folder.path(), url).await?;
        house.serve(listener, Router::new());
        tell(&mut house).await?;
        house.close().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Lets the story happen and tells it.
async fn tell(house: &mut House) -> anyhow::Result<()> {
    let opening = house.open().await?;
    output::lines(&story::opening(&opening))?;
    house.live(company::end_of_story()).await?;
    let ending = story::read(&house.store, house.clock.now()).await?;
    output::lines(&story::ending(&ending))?;
    match story::mistakes(&opening, &ending).as_slice() {
        [] => Ok(()),
        mistakes => Err(anyhow!("the story did not come out as it must: {}", mistakes.join("; "))),
    }
}
