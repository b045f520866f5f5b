//! The CSV of measurements: reading, with every complaint by file and line, and writing.

use std::io::Write;
use std::path::Path;

use breakeven_kernels::params::nearest;

use super::{Device, ImportError, Refused, Row};

/// The columns in the order written; the first eight must be there.
pub const COLUMNS: [&str; 14] = [
    "provider",
    "sku",
    "device",
    "workload",
    "unit",
    "throughput_per_s",
    "source",
    "measured_at",
    "units_per_job",
    "latency_s",
    "concurrency",
    "p10_per_s",
    "p90_per_s",
    "notes",
];
const REQUIRED: usize = 8;
/// What a number may be, so that arithmetic on it stays finite: a unit in 30,000 years, and a
/// thousand times the operations of the fastest VM.
const LEAST: f64 = 1e-12;
const MOST: f64 = 1e21;

/// The measurements of one file or several.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// Lines that can be used.
    pub rows: Vec<Row>,
    /// Lines that cannot, with the reason.
    pub refused: Vec<Refused>,
}

impl Table {
    /// Reads the file at `path`. `today` (`YYYY-MM-DD`) bounds the dates.
    ///
    /// # Errors
    /// A file that cannot be read, or whose header is not that of the format.
    pub fn read(path: &Path, today: &str) -> Result<Self, ImportError> {
        let text =
            std::fs::read(path).map_err(|source| ImportError::Io { path: path.into(), source })?;
        Self::parse(&text, &path.display().to_string(), today)
    }

    /// Reads the text of the file called `file`.
    ///
    /// # Errors
    /// A header that is not that of the format, or no line under it.
    pub fn parse(text: &[u8], file: &str, today: &str) -> Result<Self, ImportError> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let header = reader
            .headers()
            .map_err(|error| ImportError::unusable(format!("{file}:1"), what(&error)))?
            .clone();
        check_header(&header, file)?;
        let mut table = Self::default();
        let mut lines = Lines { text, at: 0, line: 1 };
        for record in reader.records() {
            let position = match &record {
                Ok(record) => record.position(),
                Err(error) => error.position(),
            };
            let place = format!("{file}:{}", lines.line_of(position));
            match record {
                Ok(record) => match row(&header, &record, &place, today) {
                    Ok(row) => table.rows.push(row),
                    Err(problem) => table.refused.push(Refused { place, problem }),
                },
                Err(error) => table.refused.push(Refused { place, problem: what(&error) }),
            }
        }
        if table.rows.is_empty() && table.refused.is_empty() {
            return Err(ImportError::unusable(
                file,
                "holds no measurement; write one line a measurement under the header",
            ));
        }
        Ok(table)
    }

    /// Adds the lines of `other`.
    pub fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
        self.refused.extend(other.refused);
    }

    /// Refuses lines that cannot be used.
    ///
    /// # Errors
    /// [`ImportError::Refused`] with the first of them and the places of the others.
    pub fn whole(&self) -> Result<(), ImportError> {
        match self.refused.split_first() {
            None => Ok(()),
            Some((first, others)) => Err(ImportError::Refused {
                first: first.clone(),
                others: others.iter().map(|refused| refused.place.clone()).collect(),
            }),
        }
    }

    /// Writes the rows as CSV.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write) -> std::io::Result<()> {
        let mut csv = csv::Writer::from_writer(out);
        csv.write_record(COLUMNS).map_err(std::io::Error::from)?;
        for row in &self.rows {
            csv.write_record(row.cells()).map_err(std::io::Error::from)?;
        }
        csv.flush()
    }
}

impl Row {
    /// The cells in the order of [`COLUMNS`]; empty where not known.
    pub fn cells(&self) -> [String; 14] {
        let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
        [
            self.provider.clone(),
            self.sku.clone(),
            self.device.name().to_owned(),
            self.workload.clone(),
            self.unit.clone(),
            self.throughput_per_s.to_string(),
            self.source.clone(),
            self.measured_at.clone(),
            number(self.units_per_job),
            number(self.latency_s),
            number(self.concurrency),
            number(self.p10_per_s),
            number(self.p90_per_s),
            self.notes.clone(),
        ]
    }
}

/// Numbers of lines. The reader's own are one too low after a Windows line end.
struct Lines<'a> {
    text: &'a [u8],
    /// Where `line` begins.
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line on which the record at `position` begins; the last one where it is not known.
    fn line_of(&mut self, position: Option<&csv::Position>) -> usize {
        let byte = position.map_or(self.at, |p| p.byte() as usize).clamp(self.at, self.text.len());
        let ends = self.text[byte..].iter().take_while(|b| matches!(**b, b'\r' | b'\n')).count();
        let begin = byte + ends;
        self.line += self.text[self.at..begin].iter().filter(|b| **b == b'\n').count();
        self.at = begin;
        self.line
    }
}

/// What the CSV reader complains about, without its own way of giving the place.
fn what(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => format!(
            "{len} fields where the header has {expected_len}; write a text with a comma in \
             quotes and leave an unknown value empty"
        ),
        csv::ErrorKind::Utf8 { .. } => "is not UTF-8 text; save the file as UTF-8".into(),
        _ => error.to_string(),
    }
}

fn check_header(header: &csv::StringRecord, file: &str) -> Result<(), ImportError> {
    let wrong = |problem: String| Err(ImportError::unusable(format!("{file}:1"), problem));
    let all = || COLUMNS[..REQUIRED].join(",");
    if header.len() == 1 && header.iter().any(|name| name.contains([';', '\t'])) {
        return wrong("has no commas between its columns; save the file with commas".into());
    }
    for (index, name) in header.iter().enumerate() {
        if !COLUMNS.contains(&name) {
            let hint = nearest(name, COLUMNS.iter().copied())
                .map(|n| format!(", did you mean `{n}`?"))
                .unwrap_or_default();
            return wrong(format!(
                "no column `{name}`{hint}; the header is {} and, where known, {}",
                all(),
                COLUMNS[REQUIRED..].join(",")
            ));
        }
        if header.iter().take(index).any(|n| n == name) {
            return wrong(format!("the column `{name}` stands there twice; keep one"));
        }
    }
    let missing = COLUMNS[..REQUIRED].iter().find(|name| !header.iter().any(|h| h == **name));
    match missing {
        Some(name) => wrong(format!("the column `{name}` is missing; the header is {}", all())),
        None => Ok(()),
    }
}

/// The cells of a line by column.
struct Cells<'a> {
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
}

impl Cells<'_> {
    /// The cell under `name`; `None` where it is empty.
    fn get(&self, name: &str) -> Option<&str> {
        let index = self.header.iter().position(|h| h == name)?;
        self.record.get(index).filter(|cell| !cell.is_empty())
    }

    fn text(&self, name: &str) -> Result<String, String> {
        self.get(name).map(str::to_owned).ok_or(format!("{name} is missing; fill it in"))
    }

    fn one_of(&self, name: &str, choices: &[&str]) -> Result<String, String> {
        let given = self.text(name)?.to_lowercase();
        if choices.contains(&given.as_str()) {
            return Ok(given);
        }
        Err(format!("{name} = {given}: must be {}", choices.join(" or ")))
    }

    fn positive(&self, name: &str) -> Result<Option<f64>, String> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse::<f64>() {
            Ok(value) if (LEAST..=MOST).contains(&value) => Ok(Some(value)),
            Ok(value) if value > 0.0 => Err(format!(
                "{name} = {text}: no VM does so little or so much; check its unit and decimals"
            )),
            Ok(_) => Err(format!("{name} = {text}: must be above 0")),
            Err(_) => Err(format!(
                "{name} = {text}: must be a number, without unit and with a point for decimals"
            )),
        }
    }
}

fn row(
    header: &csv::StringRecord,
    record: &csv::StringRecord,
    place: &str,
    today: &str,
) -> Result<Row, String> {
    let cells = Cells { header, record };
    let device = match cells.one_of("device", &["cpu", "gpu"])?.as_str() {
        "gpu" => Device::Gpu,
        _ => Device::Cpu,
    };
    let row = Row {
        place: place.to_owned(),
        provider: cells.one_of("provider", &["azure", "aws", "gcp"])?,
        sku: cells.text("sku")?,
        device,
        workload: cells.text("workload")?,
        unit: cells.text("unit")?,
        throughput_per_s: cells
            .positive("throughput_per_s")?
            .ok_or("throughput_per_s is missing; fill it in")?,
        units_per_job: cells.positive("units_per_job")?,
        latency_s: cells.positive("latency_s")?,
        concurrency: cells.positive("concurrency")?,
        p10_per_s: cells.positive("p10_per_s")?,
        p90_per_s: cells.positive("p90_per_s")?,
        source: cells.text("source")?,
        measured_at: cells.text("measured_at")?,
        notes: cells.get("notes").unwrap_or_default().to_owned(),
    };
    check_date(&row.measured_at, today)?;
    check_numbers(&row)?;
    Ok(row)
}

/// A day or a month of the calendar, not in the future.
pub(super) fn check_date(date: &str, today: &str) -> Result<(), String> {
    let first = if date.len() == 7 { format!("{date}-01") } else { date.to_owned() };
    let plain = first.len() == 10 && first.parse::<jiff::civil::Date>().is_ok();
    if !plain {
        return Err(format!(
            "measured_at = {date}: must be a date as 2026-08-31 or a month as 2026-08"
        ));
    }
    // Both are written with the largest part first, so their order is that of the text.
    if date > today.get(..date.len()).unwrap_or(today) {
        return Err(format!("measured_at = {date}: lies after today, {today}"));
    }
    Ok(())
}

fn check_numbers(row: &Row) -> Result<(), String> {
    if row.concurrency.is_some_and(|jobs| jobs < 1.0) {
        return Err("concurrency must be at least 1 job in flight".into());
    }
    match (row.p10_per_s, row.p90_per_s) {
        (None, None) => Ok(()),
        (Some(p10), Some(p90)) => {
            let t = row.throughput_per_s;
            if p10 <= t && t <= p90 {
                return Ok(());
            }
            Err(format!(
                "p10_per_s = {p10}, throughput_per_s = {t}, p90_per_s = {p90}: must rise in this \
                 order (percentiles of a throughput, not of a time)"
            ))
        }
        _ => Err("p10_per_s and p90_per_s: give both or neither".into()),
    }
}
