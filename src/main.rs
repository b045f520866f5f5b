//! The `breakeven` command: parse, do, exit.

fn main() -> std::process::ExitCode {
    breakeven::cli::main()
}
