//! What `gate` does with its report, in every mode: waivers, output, CI, exit code.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::args::{CiArg, FormatArg, GateReportArgs, OutputArgs};
use super::exit::{DONE, EXPECTATION, Failure, INCOMPARABLE, INCONCLUSIVE, Outcome};
use super::output;
use crate::gate::formats::{self, FORMATS, Look};
use crate::gate::soft::{self, Class};
use crate::gate::waiver::{self, Waiver};
use crate::gate::{Report, RowVerdict};

/// What was asked for, checked before anything is measured: nobody wants to learn of a slip in a
/// waiver after ten minutes.
pub struct Findings<'a> {
    args: &'a GateReportArgs,
    output: &'a OutputArgs,
    waivers: Vec<Waiver>,
    soft: Vec<Class>,
    form: &'static formats::Format,
}

impl<'a> Findings<'a> {
    /// Reads the waivers.
    ///
    /// # Errors
    /// A waiver file that cannot be read or says something wrong; a form that a gate has not.
    pub fn new(args: &'a GateReportArgs, output: &'a OutputArgs) -> Result<Self, Failure> {
        let form = formats::format(output.format.name())
            .filter(|_| output.format != FormatArg::Jsonl)
            .ok_or_else(|| {
                Failure::usage("--format jsonl: a gate has one report; choose --format json")
            })?;
        let waivers = args.waivers.as_deref().map(read_waivers).transpose()?.unwrap_or_default();
        let soft = args.soft.iter().map(|class| class.class()).collect();
        Ok(Self { args, output, waivers, soft, form })
    }

    /// Applies the waivers, writes the report wherever it is wanted and chooses the exit code;
    /// `environment` says that the baseline is of another environment.
    ///
    /// The report stands on standard output and in the CI system before a full disk can hide it.
    ///
    /// # Errors
    /// Output that cannot be written.
    pub fn finish(&self, mut report: Report, environment: bool) -> Outcome {
        waiver::apply(&mut report, &self.waivers, today());
        let against = self.against(&report, environment);
        let blocking = soft::blocking(&against, &self.soft);
        for class in against.iter().filter(|class| !blocking.contains(class)) {
            report.remarks.push(format!(
                "{class} findings are let pass by --soft; without it this would end with {}",
                code(*class)
            ));
        }
        let failing = self.failing();
        let look = output::look(self.output);
        let uninterpretable_fails = blocking.iter().any(|class| code(*class) == INCOMPARABLE);
        let look =
            Look { color: look.color, width: look.width, failing: &failing, uninterpretable_fails };
        self.print(&report, look)?;
        self.tell_ci(&report, look)?;
        if let Some(folder) = &self.output.folder {
            save(&report, look, folder)?;
            output::remark(self.output, &format!("the gate's files are in {}", folder.display()));
        }
        // The worst code wins, in the order broken, regressed, uninterpretable, inconclusive.
        Ok(blocking.first().map_or(DONE, |class| code(*class)))
    }

    /// What stands against the report; inconclusive rows only where they were asked for.
    fn against(&self, report: &Report, environment: bool) -> Vec<Class> {
        let mut against = soft::classes(report, environment);
        if self.args.fail_on.is_none() {
            against.retain(|class| *class != Class::Inconclusive);
        }
        against
    }

    /// Verdicts that test reports and annotations show as failures.
    fn failing(&self) -> Vec<RowVerdict> {
        let mut failing =
            vec![(RowVerdict::Broken, Class::Broken), (RowVerdict::Regressed, Class::Regressed)];
        if self.args.fail_on.is_some() {
            failing.push((RowVerdict::Inconclusive, Class::Inconclusive));
        }
        failing.retain(|(_, class)| !self.soft.contains(class));
        failing.into_iter().map(|(verdict, _)| verdict).collect()
    }

    fn print(&self, report: &Report, look: Look) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        (self.form.write)(report, look, &mut out)
            .and_then(|()| out.flush())
            .map_err(|error| Failure::stdout(&error))
    }

    /// Job summary and annotations. A summary that cannot be written is a remark: it must not
    /// hide what was found.
    fn tell_ci(&self, report: &Report, look: Look) -> Result<(), Failure> {
        let (name, summary) = match self.args.ci.unwrap_or_else(found_ci) {
            CiArg::None => return Ok(()),
            CiArg::Github => ("github", github_summary(report)),
            CiArg::Azure => ("azure", azure_summary(report, self.output.folder.as_deref())),
        };
        let mut lines = Vec::new();
        if let Some(form) = formats::format(name) {
            (form.write)(report, look, &mut lines).map_err(|error| Failure::stdout(&error))?;
        }
        match summary {
            Ok(command) => lines.extend(command.bytes()),
            Err(problem) => output::remark(self.output, &format!("no job summary: {problem}")),
        }
        // CI systems read both streams; a form for programs must stay alone on its own.
        let people = matches!(self.output.format, FormatArg::Text | FormatArg::Markdown);
        let written =
            if people { io::stdout().write_all(&lines) } else { io::stderr().write_all(&lines) };
        written.map_err(|error| Failure::stdout(&error))
    }
}

/// Today in UTC.
fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

fn code(class: Class) -> u8 {
    match class {
        Class::Broken | Class::Regressed => EXPECTATION,
        Class::Contaminated | Class::Environment | Class::Uninterpretable => INCOMPARABLE,
        Class::Inconclusive => INCONCLUSIVE,
    }
}

fn read_waivers(path: &Path) -> Result<Vec<Waiver>, Failure> {
    let shown = path.display();
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("--waivers {shown}: {error}")))?;
    waiver::parse(&text).map_err(|error| Failure::usage(format!("--waivers {shown}: {error}")))
}

/// The CI system that runs us.
fn found_ci() -> CiArg {
    let says = |name: &str| std::env::var(name).is_ok_and(|v| v.eq_ignore_ascii_case("true"));
    if says("GITHUB_ACTIONS") || std::env::var_os("GITHUB_STEP_SUMMARY").is_some() {
        CiArg::Github
    } else if says("TF_BUILD") {
        CiArg::Azure
    } else {
        CiArg::None
    }
}

/// Appends the page to GitHub's job summary. There is no command to print.
fn github_summary(report: &Report) -> Result<String, String> {
    let path = std::env::var_os("GITHUB_STEP_SUMMARY").ok_or("GITHUB_STEP_SUMMARY is not set")?;
    let path = PathBuf::from(path);
    let written = OpenOptions::new().create(true).append(true).open(&path).and_then(|mut file| {
        write_as("markdown", report, Look::default(), &mut file)?;
        writeln!(file)
    });
    written.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(String::new())
}

/// Writes the page where Azure's agent finds it, and the command that has it shown.
fn azure_summary(report: &Report, folder: Option<&Path>) -> Result<String, String> {
    let temporary = std::env::var_os("AGENT_TEMPDIRECTORY").map(PathBuf::from);
    let folder = folder
        .map(Path::to_path_buf)
        .or(temporary)
        .ok_or("give -o DIR; AGENT_TEMPDIRECTORY is not set")?;
    let told = |error: io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(told)?;
    let path = folder.canonicalize().map_err(told)?.join("gate.md");
    let mut file = File::create(&path).map_err(told)?;
    write_as("markdown", report, Look::default(), &mut file).map_err(told)?;
    Ok(formats::azure_summary(&path.display().to_string()) + "\n")
}

fn write_as(name: &str, report: &Report, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let form = formats::format(name).ok_or_else(|| io::Error::other("no such form"))?;
    (form.write)(report, look, out)
}

/// Every form that has a file, in `folder`.
fn save(report: &Report, look: Look, folder: &Path) -> Result<(), Failure> {
    output::make_folder(folder)?;
    // A file is no terminal.
    let look = Look { color: false, width: None, ..look };
    for form in FORMATS {
        let Some(name) = form.file else { continue };
        let path = folder.join(name);
        File::create(&path)
            .map(BufWriter::new)
            .and_then(|mut file| {
                (form.write)(report, look, &mut file)?;
                file.flush()
            })
            .map_err(|error| Failure::write(&path, &error))?;
    }
    Ok(())
}
