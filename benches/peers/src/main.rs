//! Our kernels and the best libraries in turns, on the same inputs, in one process.

mod alignment;
mod arms;
mod cases;
mod crates;
mod roofline;
mod shown;
mod transcode;
mod turns;

use std::os::unix::process::CommandExt;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use breakeven::backend::Backend;
use breakeven::backend::cpu::CpuBackend;
use clap::{Parser, ValueEnum};
use roofline::Roofline;

/// Runs our kernels and the best libraries in turns and says who is faster.
#[derive(Parser)]
#[command(name = "breakeven-peers", max_term_width = 100)]
struct Arguments {
    /// Families to compare: matmul, convolution, alignment, transcode; without any, all of them
    family: Vec<String>,
    /// Threads (repeatable) [default: all]
    #[arg(long, value_name = "N")]
    threads: Vec<usize>,
    /// Ours on 2, 4, 8 … and all threads beside ours on one, instead of peers
    #[arg(long, conflicts_with = "threads")]
    scaling: bool,
    /// Only cases whose key matches, * and ? allowed
    #[arg(long, value_name = "GLOB", default_value = "*")]
    case: String,
    /// Seconds for each case and peer
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds: f64,
    /// Form of the result on standard output
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Default, PartialEq, ValueEnum)]
enum Format {
    /// A table.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// How long the threads of libraries wait for more work before they sleep. By default longer than a
/// turn: those of one arm would take the processor from the other.
const CALM: &[(&str, &str)] = &[
    ("KMP_BLOCKTIME", "1"),
    ("GOMP_SPINCOUNT", "100000"),
    ("OPENBLAS_THREAD_TIMEOUT", "18"),
    // Not for calm: libjpeg-turbo writes a marker after every row of MCUs, as ours does.
    ("TJ_RESTART", "1"),
];

/// Starts this program again under [`CALM`], which libraries read when they are loaded.
///
/// # Errors
/// A system that cannot start it again.
fn calm() -> Result<()> {
    if CALM.iter().all(|(name, _)| std::env::var_os(name).is_some()) {
        return Ok(());
    }
    let program = std::env::current_exe().context("this program's own path")?;
    let mut again = std::process::Command::new(program);
    again.args(std::env::args_os().skip(1)).envs(CALM.iter().copied());
    Err(again.exec()).context("this program could not be started again")
}

/// 2, 4, 8 … threads, and `all`.
///
/// # Errors
/// A single one.
fn scaling(all: usize) -> Result<Vec<usize>> {
    if all < 2 {
        bail!("--scaling: there is one thread here; give a machine with more");
    }
    let powers = std::iter::successors(Some(2), |threads| Some(threads * 2));
    Ok(powers.take_while(|threads| *threads < all).chain([all]).collect())
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    calm()?;
    let mut rows = Vec::new();
    let ended = measure(&arguments, &mut rows);
    // What was measured before a case failed is shown all the same.
    if ended.is_err() {
        eprintln!("incomplete: {} rows before an error", rows.len());
    }
    match arguments.format {
        _ if rows.is_empty() && ended.is_err() => {}
        Format::Text => shown::table(&rows),
        Format::Json => println!("{}", serde_json::to_string_pretty(&rows)?),
    }
    ended
}

/// Adds what all cases that `arguments` choose give.
///
/// # Errors
/// Bad arguments; a case of which ours fails or is wrong, or a peer fails or goes wrong between its turns.
fn measure(arguments: &Arguments, rows: &mut Vec<arms::Row>) -> Result<()> {
    if !(0.1..=600.0).contains(&arguments.seconds) {
        bail!("--seconds {}: give 0.1 to 600", arguments.seconds);
    }
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match arguments.threads.as_slice() {
        _ if arguments.scaling => scaling(all)?,
        [] => vec![all],
        given => given.to_vec(),
    };
    let compare = if arguments.scaling { arms::with_one_thread } else { arms::with_peers };
    let budget = Duration::from_secs_f64(arguments.seconds);
    for threads in threads {
        let id = format!("cpu:{threads}");
        let device = CpuBackend.open(&id)?.info().clone();
        let plan = cases::planned(&arguments.family, &arguments.case, &device)?;
        let roofline = Roofline::measured(&device)?;
        for jobs in plan.jobs.chunk_by(|a, b| a.case_key == b.case_key) {
            eprintln!("{}, {threads} threads", jobs[0].case_key);
            let found = compare(jobs, &device, budget, &roofline);
            rows.extend(found.with_context(|| jobs[0].case_key.clone())?);
        }
        if !arguments.scaling {
            shown::missing(&plan.skips);
        }
    }
    Ok(())
}
