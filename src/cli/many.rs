//! `classify --format jsonl`: each verdict is written as soon as it is judged, so that any number
//! of workloads takes the memory of a few.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::OnceLock;

use rayon::prelude::*;

use super::args::{ClassifyArgs, OutputArgs, ProviderArg};
use super::classify::{Court, Loaded, expand, load_one, options, records};
use super::exit::{DONE, Failure, Outcome};
use super::{output, pricing, what_if};
use crate::classify::{Basis, all_too_slow};
use crate::cost::evidence;
use crate::report;

/// Workloads judged side by side before their verdicts are written.
const AT_ONCE: usize = 64;
/// Names told where `--expect` is not met, or no size is fast enough.
const TOLD: usize = 10;

/// What is kept of a verdict once it is written.
struct Judged {
    line: Vec<u8>,
    name: String,
    verdict: String,
    costed: bool,
    too_slow: Option<String>,
}

/// Judges the workloads in order, a line each; with `-o`, the lines go to a file there as well.
pub fn run(args: &ClassifyArgs, output: &OutputArgs) -> Outcome {
    let names = expand(&args.workloads)?;
    let records = records(args)?;
    let mut catalog = pricing::catalog(&args.price.prices)?.catalog;
    let options = options(&args.price, ProviderArg::Azure, &catalog)?;
    what_if::prices(&args.price.what_if, &mut catalog, &options)?;
    let devices = evidence::devices(records.iter().map(|(_, record)| record), &catalog);
    let basis = Basis { devices: &devices, catalog: &catalog, options: &options, ranked: false };
    let court = Court { basis, price: &args.price, explain: args.explain };
    let all = OnceLock::new();
    let mut out = Out::new(output)?;
    let (mut others, mut costed, mut too_slow) = (Vec::new(), false, Vec::new());
    for some in names.chunks(AT_ONCE) {
        let judged: Vec<Result<Judged, Failure>> =
            some.par_iter().map(|name| judged(&court, name, &names, &all)).collect();
        for one in judged {
            let one = one?;
            out.write(&one.line)?;
            costed |= one.costed;
            too_slow.extend(one.too_slow.filter(|_| too_slow.len() < TOLD));
            if args.expect.is_some_and(|expected| expected.name() != one.verdict) {
                others.push(format!("{} is {}", one.name, one.verdict));
            }
        }
    }
    out.finish()?;
    match args.expect {
        Some(expected) if !others.is_empty() => {
            let more = match others.len().saturating_sub(TOLD) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            others.truncate(TOLD);
            let told = others.join(", ");
            Err(Failure::expectation(format!("--expect {}: {told}{more}", expected.name())))
        }
        None if !costed => Err(super::classify::nothing_comparable(&too_slow)),
        _ => Ok(DONE),
    }
}

/// The verdict on the workload called `name` as a line. All workloads (`names`) are read only where
/// one of them names a co-tenant, which may be any of the others.
fn judged(
    court: &Court,
    name: &str,
    names: &[String],
    all: &OnceLock<Vec<Loaded>>,
) -> Result<Judged, Failure> {
    let given = || {
        if let Some(all) = all.get() {
            return Ok(all.as_slice());
        }
        let read = names.iter().map(|name| load_one(name)).collect::<Result<Vec<_>, _>>()?;
        Ok(all.get_or_init(|| read).as_slice())
    };
    let verdict = court.verdict(&load_one(name)?, given)?;
    let mut line = Vec::new();
    report::verdict_line(&verdict, &mut line)
        .map_err(|error| Failure::internal(error.to_string()))?;
    Ok(Judged {
        line,
        costed: verdict.best_gpu.is_some() || verdict.best_cpu.is_some(),
        too_slow: all_too_slow(&verdict),
        verdict: report::verdict_name(verdict.verdict),
        name: verdict.workload,
    })
}

/// Standard output and, with `-o`, `report.jsonl` in that folder.
struct Out {
    shown: BufWriter<io::StdoutLock<'static>>,
    kept: Option<(std::path::PathBuf, BufWriter<File>)>,
}

impl Out {
    fn new(output: &OutputArgs) -> Result<Self, Failure> {
        let kept = match &output.folder {
            None => None,
            Some(folder) => {
                output::make_folder(folder)?;
                let path = folder.join("report.jsonl");
                let file = File::create(&path).map_err(|error| Failure::write(&path, &error))?;
                Some((path, BufWriter::new(file)))
            }
        };
        Ok(Self { shown: BufWriter::new(io::stdout().lock()), kept })
    }

    fn write(&mut self, line: &[u8]) -> Result<(), Failure> {
        self.shown.write_all(line).map_err(|error| Failure::stdout(&error))?;
        match &mut self.kept {
            Some((path, file)) => file.write_all(line).map_err(|e| Failure::write(path, &e)),
            None => Ok(()),
        }
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.shown.flush().map_err(|error| Failure::stdout(&error))?;
        match &mut self.kept {
            Some((path, file)) => file.flush().map_err(|e| Failure::write(path, &e)),
            None => Ok(()),
        }
    }
}
