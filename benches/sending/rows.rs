//! The rows of the benchmark: each says what it measures, against what, and the goal.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use outreachd::demo::mail_server::MailServer;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::backlog;
use crate::peers::{Distance, Sink, smtp_source};
use crate::worker::{Figures, Job};

/// Each way: a relay in the next town.
const FAR: Duration = Duration::from_millis(10);

/// Letters that go before the clock runs, or a turn's more: SQLite's log takes no more.
const WARM_UP: usize = 1_600;

/// One machine, one sink, one size of letter.
struct Bench {
    folder: tempfile::TempDir,
    sink: Sink,
    bytes: usize,
    quick: bool,
}

/// What one run of ours came to.
struct Run {
    rate: f64,
    figures: Figures,
}

impl Run {
    /// Processor time of a letter, in microseconds.
    fn cpu_us(&self) -> f64 {
        self.figures.cpu_ms as f64 * 1000.0 / self.figures.sent as f64
    }
}

/// Runs the rows that are named, or all.
pub async fn run(quick: bool, names: &[String]) -> Result<()> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let bench = Bench { sink: Sink::start().await?, bytes: letter_bytes(&folder).await?, folder, quick };
    println!("{}", bench.surroundings()?);
    let wanted = |name: &str| names.is_empty() || names.iter().any(|one| name.starts_with(one.as_str()));
    for sessions in [8, 32] {
        if wanted(&format!("rate-{sessions}")) {
            bench.rate(sessions).await?;
        }
    }
    if wanted("dkim") {
        bench.dkim().await?;
    }
    if wanted("distance") {
        bench.distance().await?;
    }
    if wanted("backlog") {
        bench.backlog().await?;
    }
    if wanted("daemons") {
        bench.daemons().await?;
    }
    Ok(())
}

/// The size of the letter as it leaves.
async fn letter_bytes(folder: &tempfile::TempDir) -> Result<usize> {
    let url = format!("sqlite:{}", folder.path().join("one.db").display());
    backlog::seed(&url, 1).await?;
    let server = MailServer::accepting().await?;
    let (url, port) = (url.as_str(), server.addr().port());
    send(&[Job { url, port, sessions: 1, warm_up: 0, limit: 1, keys: None }]).await?;
    let received = server.received();
    Ok(received.first().context("the letter arrived")?.message.len())
}

impl Bench {
    fn surroundings(&self) -> Result<String> {
        let cores = std::thread::available_parallelism()?;
        let synced = fsync_cost(self.folder.path().join("fsync"))?;
        let build = if cfg!(debug_assertions) { ", NOT OPTIMISED" } else { "" };
        Ok(format!(
            "{cores} cores, {} µs to sync 48 kB, letters of {} bytes, SQLite with synchronous=FULL, no DKIM{build}\n\
             a rate is messages a second; ours and smtp-source take turns, figures are medians of {}",
            synced.as_micros(),
            self.bytes,
            self.rounds()
        ))
    }

    fn rounds(&self) -> usize {
        if self.quick { 1 } else { 5 }
    }

    fn letters(&self) -> usize {
        if self.quick { 3_000 } else { 10_000 }
    }

    /// A database with that many letters due; the file is seeded once and copied for each run.
    async fn database(&self, letters: usize) -> Result<PathBuf> {
        let seeded = self.folder.path().join(format!("{letters}.db"));
        if !seeded.exists() {
            backlog::seed(&format!("sqlite:{}", seeded.display()), letters).await?;
        }
        let copy = self.folder.path().join("run.db");
        for ending in ["-wal", "-shm"] {
            let beside = self.folder.path().join(format!("run.db{ending}"));
            if beside.exists() {
                std::fs::remove_file(beside)?;
            }
        }
        std::fs::copy(&seeded, &copy)?;
        std::fs::File::open(&copy)?.sync_all()?;
        Ok(copy)
    }

    /// Ours: a backlog of `letters`, of which `job` sends some.
    async fn ours(&self, letters: usize, job: Job<'_>) -> Result<Run> {
        let file = self.database(letters).await?;
        let url = format!("sqlite:{}", file.display());
        let run = send(&[Job { url: &url, ..job }]).await?;
        let mut conn = SqliteConnection::connect(&url).await?;
        let accepted: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM delivery WHERE state = 'accepted' AND tries = 1")
            .fetch_one(&mut conn)
            .await?;
        conn.close().await?;
        let Figures { warm, sent, .. } = run.figures;
        ensure!(usize::try_from(accepted)? == warm + sent, "{accepted} accepted, {warm} and {sent} sent");
        Ok(run)
    }

    /// So many letters over so many sessions, unsigned, to the sink.
    fn job(&self, sessions: usize, limit: usize) -> Job<'static> {
        Job { url: "", port: self.sink.port, sessions, warm_up: WARM_UP, limit, keys: None }
    }

    async fn rate(&self, sessions: usize) -> Result<()> {
        let (mut ours, mut theirs, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        let letters = self.letters();
        for _ in 0..self.rounds() {
            let run = self.ours(letters + WARM_UP, self.job(sessions, letters)).await?;
            cpu.push(run.cpu_us());
            ours.push(run.rate);
            theirs.push(smtp_source(self.sink.port, sessions, letters, self.bytes).await?);
        }
        row(&format!("rate-{sessions}"), &ours, &theirs, 70);
        println!("           {:.0} µs of processor time a letter", median(&cpu));
        Ok(())
    }

    /// The same with a signature of each kind: they cost what they cost, and nothing else.
    async fn dkim(&self) -> Result<()> {
        let (sessions, letters) = (32, self.letters());
        let folder = self.folder.path().to_str().context("the folder's name is text")?;
        backlog::make_keys(self.folder.path())?;
        let (mut plain, mut signed, mut rate) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds() {
            let job = self.job(sessions, letters);
            plain.push(self.ours(letters + WARM_UP, job).await?.cpu_us());
            let run = self.ours(letters + WARM_UP, Job { keys: Some(folder), ..job }).await?;
            signed.push(run.cpu_us());
            rate.push(run.rate);
        }
        println!(
            "{:<10} {:.0}/s; {:.0} µs a letter signed, {:.0} unsigned: {:.0} more (goal some 300)",
            "dkim",
            median(&rate),
            median(&signed),
            median(&plain),
            median(&signed) - median(&plain)
        );
        Ok(())
    }

    /// The relay 20 ms away: what pipelining is for.
    async fn distance(&self) -> Result<()> {
        let (sessions, letters) = (8, if self.quick { 200 } else { 600 });
        let proxy = Distance::start(self.sink.port, FAR).await?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds() {
            let job = Job { port: proxy.port, warm_up: 0, ..self.job(sessions, letters) };
            ours.push(self.ours(letters, job).await?.rate);
            theirs.push(smtp_source(proxy.port, sessions, letters, self.bytes).await?);
        }
        row("distance", &ours, &theirs, 150);
        Ok(())
    }

    /// A large backlog against a small one: the rate holds and memory stays flat.
    async fn backlog(&self) -> Result<()> {
        let (small, large) = if self.quick { (3_000, 50_000) } else { (10_000, 1_000_000) };
        let (mut few, mut many, mut early, mut peak) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.rounds() {
            few.push(self.ours(small + WARM_UP, self.job(8, small)).await?.rate);
            let run = self.ours(large, self.job(8, small)).await?;
            many.push(run.rate);
            early.push(run.figures.early_kb as f64 / 1024.0);
            peak.push(run.figures.peak_kb as f64 / 1024.0);
        }
        println!(
            "{:<10} {large} due: {:.0}, {small} due: {:.0}, ratio {:.0} % (goal 90 %)",
            "backlog",
            median(&many),
            median(&few),
            100.0 * median(&many) / median(&few)
        );
        println!(
            "           {:.0} MiB after a tenth, {:.0} MiB at most (goal below 100, flat)",
            median(&early),
            median(&peak)
        );
        Ok(())
    }

    /// Two daemons on one PostgreSQL against one.
    async fn daemons(&self) -> Result<()> {
        let Ok(server) = std::env::var("OUTREACHD_TEST_DATABASE_URL") else {
            println!(
                "daemons    skipped: OUTREACHD_TEST_DATABASE_URL names no PostgreSQL whose user may make databases"
            );
            return Ok(());
        };
        let letters = self.letters();
        let (mut one, mut two) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds() {
            for (daemons, rates) in [(1, &mut one), (2, &mut two)] {
                let url = fresh_database(&server).await?;
                backlog::seed(&url, letters).await?;
                // Daemons share their relay's sessions: there must be enough for two.
                let job = Job { url: &url, warm_up: 0, ..self.job(32, letters) };
                let run = send(&vec![job; daemons]).await?;
                ensure!(run.figures.sent == letters, "{} of {letters} sent", run.figures.sent);
                rates.push(run.rate);
            }
        }
        println!(
            "{:<10} PostgreSQL, two: {:.0}, one: {:.0}, ratio {:.0} % (goal over 100 %)",
            "daemons",
            median(&two),
            median(&one),
            100.0 * median(&two) / median(&one)
        );
        Ok(())
    }
}

async fn fresh_database(server: &str) -> Result<String> {
    let name = "outreachd_bench_sending";
    let mut admin = PgConnection::connect(server).await?;
    sqlx::raw_sql("DROP DATABASE IF EXISTS outreachd_bench_sending").execute(&mut admin).await?;
    sqlx::raw_sql("CREATE DATABASE outreachd_bench_sending").execute(&mut admin).await?;
    let mut url = url::Url::parse(server)?;
    url.set_path(name);
    Ok(url.into())
}

/// Starts a worker for each job, lets them go together and waits for all.
async fn send(jobs: &[Job<'_>]) -> Result<Run> {
    let mut workers = Vec::new();
    for job in jobs {
        workers.push(start(job).await?);
    }
    let begun = Instant::now();
    for (child, _) in &mut workers {
        child.stdin.as_mut().context("its input is piped")?.write_all(b"go\n").await?;
    }
    let mut figures = Vec::new();
    for (_, lines) in &mut workers {
        let line = lines.next_line().await?.context("the worker ended without figures")?;
        figures.push(serde_json::from_str::<Figures>(&line)?);
    }
    let took = begun.elapsed().as_secs_f64();
    for (child, _) in &mut workers {
        ensure!(child.wait().await?.success(), "a worker failed");
    }
    let sent = figures.iter().map(|one| one.sent).sum();
    let first = *figures.first().context("there is a worker")?;
    Ok(Run { rate: sent as f64 / took, figures: Figures { sent, ..first } })
}

async fn start(job: &Job<'_>) -> Result<(Child, Lines<BufReader<ChildStdout>>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["worker", &serde_json::to_string(job)?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
    ensure!(lines.next_line().await?.as_deref() == Some("ready"), "the worker did not start");
    Ok((child, lines))
}

fn row(name: &str, ours: &[f64], theirs: &[f64], goal: u32) {
    println!(
        "{name:<10} ours {:.0}, smtp-source {:.0}, ratio {:.0} % (goal {goal} %)",
        median(ours),
        median(theirs),
        100.0 * median(ours) / median(theirs)
    );
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What one commit's sync costs here: the median of 100.
fn fsync_cost(path: PathBuf) -> Result<Duration> {
    use std::os::unix::fs::FileExt;
    let (file, block) = (std::fs::File::create(path)?, vec![7; 48 * 1024]);
    let mut took = Vec::new();
    for number in 0..100 {
        let begun = Instant::now();
        file.write_all_at(&block, number * 48 * 1024)?;
        file.sync_data()?;
        took.push(begun.elapsed());
    }
    took.sort();
    Ok(took[took.len() / 2])
}
