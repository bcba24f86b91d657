//! `outreachd tasks`: what a person has to do about a client, and that it is done.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::session::block_on;
use super::{CommandError, Session, layout, output};
use crate::model::address::EmailAddress;
use crate::model::id::TaskId;
use crate::model::user::User;
use crate::store::{Store, TaskRow};

/// The arguments of `outreachd tasks`.
#[derive(Debug, clap::Args)]
#[command(after_help = "A task comes from an answer, a call in a campaign, a dead address. The digest repeats it
until it is done.

Examples:
  outreachd tasks list karin.ek@fyrljus.example
  outreachd tasks done 1099511627800")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List open tasks, by the day they are due
    List {
        /// Only this manager's
        #[arg(value_name = "MANAGER")]
        manager: Option<String>,
    },
    /// Say that a task is done
    Done {
        /// Its id, from `tasks list`
        #[arg(value_name = "ID")]
        id: i64,
    },
}

/// Runs the command.
pub(super) fn run(session: &Session, args: Args) -> Result<ExitCode, CommandError> {
    let config = session.config()?;
    block_on(async {
        let store = session.existing_store(&config).await?;
        match args.what {
            What::List { manager } => list(session, &store, manager.as_deref()).await,
            What::Done { id } => {
                store.finish_task(&session.act(), TaskId(id)).await.map_err(anyhow::Error::from)?;
                output::lines(&[format!("Task {id} is done.")])?;
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

async fn list(session: &Session, store: &Store, manager: Option<&str>) -> Result<ExitCode, CommandError> {
    let users = store.users().await.map_err(anyhow::Error::from)?;
    let user = manager.map(|manager| find(&users, manager)).transpose()?;
    let tasks = store.tasks(user.map(|user| user.id), None).await.map_err(anyhow::Error::from)?;
    if session.json {
        output::json(&tasks)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = std::io::stdout().lock();
    for task in &tasks {
        writeln!(out, "{}", line(task, &users)).map_err(anyhow::Error::from)?;
    }
    if tasks.is_empty() {
        writeln!(out, "Nothing is open.").map_err(anyhow::Error::from)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn find<'a>(users: &'a [User], manager: &str) -> anyhow::Result<&'a User> {
    let email = EmailAddress::parse(manager).with_context(|| format!("`{manager}`"))?;
    let found = users.iter().find(|user| user.email.folded() == email.folded());
    found.with_context(|| format!("`{manager}` was never appointed; `outreachd manager list` names them"))
}

/// `1099511627800  2027-03-02  Karin Ek  Ring Anna Lind`, of at most 80 columns.
fn line(task: &TaskRow, users: &[User]) -> String {
    let owner = users.iter().find(|user| Some(user.id) == task.user).map_or("the operator", |user| user.name.as_str());
    layout::cut(&format!("{}  {}  {owner}: {}", task.id, task.due_on, task.note), layout::WIDTH)
}
