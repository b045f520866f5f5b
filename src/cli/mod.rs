//! The commands. Only here is anything printed or an exit code chosen.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

mod advise;
mod align;
mod args;
mod classify;
mod compare;
mod cotenants;
mod devices;
mod dossier;
mod exit;
mod fleet;
mod gate;
mod gate_history;
mod gate_report;
mod gate_stored;
mod import;
mod imported;
mod init;
mod interrupt;
mod list;
mod machines;
mod many;
mod measuring;
mod output;
mod paired;
mod place;
mod prices;
mod pricing;
mod program;
mod program_args;
mod program_report;
mod program_workload;
mod progress;
mod promote;
mod reference;
mod report;
mod run;
mod sizes;
mod together;
mod transcode;
mod what_if;

use args::{Cli, Command};
use exit::Outcome;

/// Parses the command line, does what it says, prints one message on failure.
pub fn main() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => execute(&cli),
        Err(unparsed) => said(&unparsed),
    };
    let code = outcome.unwrap_or_else(|failure| {
        if let Some(message) = failure.message {
            // Standard error may be gone as well; the exit code still tells.
            let _ = writeln!(std::io::stderr(), "error: {message}");
        }
        failure.code
    });
    ExitCode::from(code)
}

/// Does what the command line says.
fn execute(cli: &Cli) -> Outcome {
    match &cli.command {
        Command::Advise(args) => advise::run(args, &cli.output),
        Command::Init(args) => init::run(args, &cli.output),
        Command::Devices => devices::run(&cli.output),
        Command::List(args) => list::run(args, &cli.output),
        Command::Run(args) => run::run(args, &cli.output),
        Command::Measure(args) => program::run(args, &cli.output),
        Command::Classify(args) => classify::run(args, &cli.output),
        Command::Compare(args) => compare::run(args, &cli.output),
        Command::Report(args) => report::run(args, &cli.output),
        Command::Gate(args) => gate::run(args, &cli.output),
        Command::Promote(args) => promote::run(args, &cli.output),
        Command::Prices(args) => prices::run(args, &cli.output),
        Command::Place(args) => place::run(args, &cli.output),
        Command::Fleet(args) => fleet::run(args, &cli.output),
        Command::Import(args) => import::run(args, &cli.output),
        Command::Align(args) => align::run(args, &cli.output),
        Command::Transcode(args) => transcode::run(args, &cli.output),
    }
}

/// Prints what the parser has to say instead of a command: help, the version, or a mistake.
fn said(unparsed: &clap::Error) -> Outcome {
    let written = unparsed.print().and_then(|()| std::io::stdout().flush());
    if unparsed.use_stderr() {
        return Ok(exit::USAGE);
    }
    written.map(|()| exit::DONE).map_err(|error| exit::Failure::stdout(&error))
}
