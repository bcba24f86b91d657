//! `outreachd demo`: show the main job with an invented company, on this machine only.

mod folder;
mod house;

use std::net::Ipv4Addr;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::session::block_on;
use super::{CommandError, Session, output};
use crate::demo::pages::{self, Order, Site};
use crate::demo::{company, story};

use folder::Folder;
use house::House;

/// Where the pages are, if it is free.
const PORT: u16 = 8025;

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
        // A signal ends it wherever it stands; the folder goes in any case.
        tokio::select! {
            shown = show(&folder, &args) => Ok(shown.map(|()| ExitCode::SUCCESS)?),
            signal = interrupted() => {
                signal.context("cannot wait for signals")?;
                Ok(if args.once { ExitCode::FAILURE } else { ExitCode::SUCCESS })
            }
        }
    })
}

/// Tells the story, and then shows it until the end of the world.
async fn show(folder: &Folder, args: &Args) -> anyhow::Result<()> {
    let listener = listen(args).await?;
    let url = format!("http://{}", listener.local_addr().context("cannot listen")?);
    let mut house = House::set_up(folder.path(), url.clone()).await?;
    if args.once {
        house.serve(listener, Router::new());
        let told = tell(&mut house).await;
        house.close().await;
        told?;
        return output::lines(&[story::LAST]);
    }
    let (orders, mut ordered) = mpsc::channel(1);
    let (store, clock, servers) = (house.store.clone(), house.clock.clone(), house.servers.clone());
    house.serve(listener, pages::router(Site { store, clock, servers, orders }));
    tell(&mut house).await?;
    output::lines(&[format!("Every letter, fax page and timeline: {url}/ (until Ctrl-C)")])?;
    while let Some(Order { until, done }) = ordered.recv().await {
        let lived = house.live(until).await.map_err(|error| format!("{error:#}"));
        // A browser that has gone does not want to know.
        drop(done.send(lived));
    }
    Ok(())
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

/// The port that was asked for; else the usual one or, where that is taken, one of the next.
async fn listen(args: &Args) -> anyhow::Result<TcpListener> {
    let ports = match (args.once, args.port) {
        (true, _) => 0..=0,
        (false, Some(port)) => port..=port,
        (false, None) => PORT..=PORT + 20,
    };
    let mut last = None;
    for port in ports {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(anyhow!("cannot listen on 127.0.0.1:{port}: {error}; name another by --port")),
        }
    }
    Err(last.unwrap_or_else(|| anyhow!("there is no port to listen on")))
}

/// Waits for Ctrl-C, or for whoever ends programs otherwise.
async fn interrupted() -> std::io::Result<()> {
    let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
    Ok(())
}
