//! Records as a document: the CPU against the GPU first, then every row, then what is missing.

use breakeven_kernels::work::{DeviceInfo, DeviceKind};

use super::numbers::{UNKNOWN, count, percent, ratio};
use super::{Document, Table, Tone};
use crate::record::{Record, Row, Status, Time};
use crate::units::{bytes, seconds, si};

/// Half of a 95 % interval, as a share of the median, above which a time is a poor witness.
const WIDE: f64 = 0.25;

/// The share of such times that a quiet machine may have.
const TOLERATED: f64 = 0.1;

/// All records, one after the other.
pub fn document(records: &[(String, Record)]) -> Document {
    let mut document = Document::default();
    for (name, record) in records {
        describe(&mut document, name, record);
        comparison(&mut document, record);
        measured(&mut document, record);
        problems(&mut document, record);
        skips(&mut document, record);
    }
    document
}

/// The kind of device a row ran on, from the header.
pub fn device<'r>(record: &'r Record, id: &str) -> Option<&'r DeviceInfo> {
    record.header.env.devices.iter().map(|d| &d.info).find(|d| d.id == id)
}

/// The time that throughput follows from: pipelined, else end to end, else device work alone.
pub fn throughput_time(row: &Row) -> Option<&Time> {
    let times = &row.times;
    times
        .pipelined
        .as_ref()
        .or(times.end_to_end.as_ref())
        .or(times.kernel_warm.as_ref())
        .or(times.kernel_cold.as_ref())
}

fn describe(document: &mut Document, name: &str, record: &Record) {
    let run = &record.header.run;
    let env = &record.header.env;
    document.heading(1, format!("Suite {} on {}", run.suite, machine(record)));
    let revision = match (&run.tool_commit, run.tool_dirty) {
        (Some(commit), Some(true)) => format!(" ({}, changed)", short(commit)),
        (Some(commit), _) => format!(" ({})", short(commit)),
        (None, _) => String::new(),
    };
    document.text(format!(
        "Record {name}, measured {} by breakeven {}{revision}, seed {}.",
        run.started_at, run.tool_version, run.seed
    ));
    match &record.footer {
        Some(footer) if footer.complete => {}
        Some(footer) => document.stressed(
            Tone::Warning,
            format!("Incomplete: {}.", footer.reason.as_deref().unwrap_or("no reason given")),
        ),
        None => document.stressed(
            Tone::Warning,
            "Incomplete: the run ended without a footer (it crashed or was killed).",
        ),
    }
    if let Some(noise) = noise(record) {
        document.stressed(Tone::Warning, noise);
    }
    let mut table = Table::new(&["device", "kind", "name", ">memory", "driver", "libraries"]);
    for device in &env.devices {
        table.row(device_cells(&device.info));
    }
    document.table(table);
}

/// The VM size and the CPU, or what is known of them.
pub fn machine(record: &Record) -> String {
    let env = &record.header.env;
    let cpu = env.cpu.model.as_deref().unwrap_or("an unknown CPU");
    match (&env.sku, env.cpu.threads) {
        (Some(sku), _) => format!("{sku} ({cpu})"),
        (None, Some(threads)) => {
            format!("{cpu}, {}", count(threads as usize, "thread"))
        }
        (None, None) => cpu.to_owned(),
    }
}

/// Rows that were verified and timed.
pub fn verified(record: &Record) -> usize {
    record.rows.iter().filter(|row| row.status == Status::Ok).count()
}

/// The first characters of a commit.
pub fn short(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}

/// id, kind, name, memory, driver, libraries.
pub fn device_cells(info: &DeviceInfo) -> [String; 6] {
    let threads = info.threads.map(|t| format!(", {}", count(t as usize, "thread")));
    [
        info.id.clone(),
        kind_name(info.kind).into(),
        format!("{}{}", info.name, threads.unwrap_or_default()),
        info.memory_bytes.map_or_else(|| UNKNOWN.into(), |m| bytes(m as f64)),
        info.driver.clone().unwrap_or_else(|| UNKNOWN.into()),
        if info.libraries.is_empty() { UNKNOWN.into() } else { info.libraries.join(", ") },
    ]
}

/// `cpu`, `gpu`, `software gpu`.
pub fn kind_name(kind: DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Cpu => "cpu",
        DeviceKind::Gpu => "gpu",
        DeviceKind::SoftwareGpu => "software gpu",
    }
}

/// The row with the lowest median, and the others that may be as fast.
struct Fastest<'r> {
    row: &'r Row,
    time: &'r Time,
    /// Implementations whose 95 % intervals overlap that of `time`.
    tied: Vec<&'r str>,
}

impl Fastest<'_> {
    /// `cpu/simd`, or `cpu/simd (tied with cpu/onednn)` where the choice may be chance.
    fn name(&self) -> String {
        let name = &self.row.implementation;
        if self.tied.is_empty() {
            return name.clone();
        }
        format!("{name} (tied with {})", self.tied.join(", "))
    }
}

/// Of the verified rows of one case on the devices that `here` takes, the fastest by `time`.
fn fastest<'r>(
    record: &'r Record,
    case_key: &str,
    here: impl Fn(&Row) -> bool,
    time: impl Fn(&'r Row) -> Option<&'r Time>,
) -> Option<Fastest<'r>> {
    let rows = record.rows.iter();
    let mut timed: Vec<(&Row, &Time)> = rows
        .filter(|row| row.case_key == case_key && row.status == Status::Ok && here(row))
        .filter_map(|row| Some((row, time(row)?)))
        .collect();
    timed.sort_by(|a, b| a.1.median_s.total_cmp(&b.1.median_s));
    let (&(row, time), others) = timed.split_first()?;
    let overlaps = |other: &Time| other.ci95_lo_s <= time.ci95_hi_s;
    let tied = others.iter().filter(|(_, other)| overlaps(other));
    Some(Fastest { row, time, tied: tied.map(|(row, _)| row.implementation.as_str()).collect() })
}

/// A warning where too many times are too uncertain to choose by, with the likely cause.
pub fn noise(record: &Record) -> Option<String> {
    let times: Vec<&Time> = record
        .rows
        .iter()
        .filter(|row| row.status == Status::Ok)
        .filter_map(throughput_time)
        .collect();
    let wide = times.iter().filter(|time| half_interval(time) > WIDE).count();
    if (wide as f64) <= TOLERATED * times.len() as f64 {
        return None;
    }
    let env = &record.header.env;
    let busy = env.state.load_average.zip(env.cpu.threads);
    let cause = busy
        .filter(|(load, threads)| *load > 0.5 * f64::from(*threads))
        .map(|(load, threads)| {
            format!(
                " The load was {load:.1} on {} when it began.",
                count(threads as usize, "thread")
            )
        })
        .unwrap_or_default();
    Some(format!(
        "Noisy: {wide} of {} are known only within ±{} or worse.{cause} Measure again on an idle \
         machine before you trust a close result.",
        count(times.len(), "time"),
        percent(WIDE)
    ))
}

/// The fastest CPU row of each case beside the fastest GPU row.
fn comparison(document: &mut Document, record: &Record) {
    let table = cpu_against_gpu(record);
    if !table.rows.is_empty() {
        document.heading(2, "CPU against GPU, each by its fastest verified implementation");
        document.table(table);
    }
}

/// The fastest CPU row of each case beside the fastest GPU row, where there are both.
pub fn cpu_against_gpu(record: &Record) -> Table {
    let mut table = Table::new(&[
        "case",
        "fastest on CPU",
        ">end to end",
        "fastest on GPU",
        ">end to end",
        ">GPU speed-up",
        ">kernel only",
    ]);
    let on = |kind| {
        move |row: &Row| device(record, &row.device).is_some_and(|device| device.kind == kind)
    };
    for case_key in case_keys(record) {
        let by = |kind| fastest(record, case_key, on(kind), |row| row.times.end_to_end.as_ref());
        let kernel =
            |kind| fastest(record, case_key, on(kind), |row| row.times.kernel_warm.as_ref());
        let (Some(cpu), Some(gpu)) = (by(DeviceKind::Cpu), by(DeviceKind::Gpu)) else { continue };
        let kernels = kernel(DeviceKind::Cpu).zip(kernel(DeviceKind::Gpu));
        table.row([
            case_key.to_owned(),
            format!("{} on {}", cpu.name(), cpu.row.device),
            seconds(cpu.time.median_s),
            format!("{} on {}", gpu.name(), gpu.row.device),
            seconds(gpu.time.median_s),
            ratio(cpu.time.median_s / gpu.time.median_s),
            kernels.map_or_else(
                || UNKNOWN.into(),
                |(cpu, gpu)| ratio(cpu.time.median_s / gpu.time.median_s),
            ),
        ]);
    }
    table
}

/// One line a case and device: the fastest verified implementation.
pub fn fastest_table(record: &Record) -> Table {
    let mut table =
        Table::new(&["case", "device", "fastest", ">end to end", ">throughput", "check"]);
    for case_key in case_keys(record) {
        for device in &record.header.env.devices {
            let here = |row: &Row| row.device == device.info.id;
            let Some(best) = fastest(record, case_key, here, throughput_time) else { continue };
            let Fastest { row, time, .. } = best;
            table.row([
                case_key.to_owned(),
                row.device.clone(),
                best.name(),
                time_cell(row.times.end_to_end.as_ref()),
                throughput(row, time),
                check(row),
            ]);
        }
    }
    table
}

/// Useful work per second, in the field's unit.
fn throughput(row: &Row, time: &Time) -> String {
    si(row.work.useful / time.median_s, &format!("{}/s", row.work.useful_unit))
}

/// How the output was proved right; of an encoder the quality at which it was timed, too.
fn check(row: &Row) -> String {
    let Some(check) = &row.check else { return UNKNOWN.into() };
    let Some(quality) = &row.quality else { return check.method.clone() };
    let timed = &quality.timed;
    let bits = si(timed.bits_per_s, "bit/s");
    let mut words = format!("{} {:.4}, {bits}", check.method, timed.ssim);
    let more = [("PSNR", timed.psnr_db, " dB"), ("VMAF", timed.vmaf, "")];
    for (name, value, unit) in more {
        words += &value.map(|v| format!(", {name} {v:.1}{unit}")).unwrap_or_default();
    }
    words + &format!(" ({} {})", quality.setting_name, timed.setting)
}

/// Case keys in file order, each once.
fn case_keys(record: &Record) -> Vec<&str> {
    let mut keys: Vec<&str> = Vec::new();
    for row in &record.rows {
        if !keys.contains(&row.case_key.as_str()) {
            keys.push(&row.case_key);
        }
    }
    keys
}

/// One table a family with every row that ran.
fn measured(document: &mut Document, record: &Record) {
    for (family, table) in by_family(record) {
        document.heading(2, family);
        document.table(table);
    }
}

/// Every row that ran, a table a family.
pub fn by_family(record: &Record) -> Vec<(String, Table)> {
    let mut tables = Vec::new();
    let mut families: Vec<&str> = Vec::new();
    for row in record.rows.iter().filter(|row| row.status == Status::Ok) {
        if !families.contains(&row.family.as_str()) {
            families.push(&row.family);
        }
    }
    for family in families {
        let here = |row: &&Row| row.family == family && row.status == Status::Ok;
        let energy = record.rows.iter().filter(here).any(|row| row.energy_j.is_some());
        let mut titles = vec![
            "case",
            "device",
            "implementation",
            ">kernel",
            ">end to end",
            ">pipelined",
            ">throughput",
        ];
        titles.extend(energy.then_some(">energy"));
        titles.push("check");
        let mut table = Table::new(&titles);
        for row in record.rows.iter().filter(here) {
            let kernel = row.times.kernel_warm.as_ref().or(row.times.kernel_cold.as_ref());
            let throughput = throughput_time(row).map(|time| throughput(row, time));
            let key = row.case_key.strip_prefix(family).unwrap_or(&row.case_key).trim();
            let mut cells = vec![
                key.to_owned(),
                row.device.clone(),
                row.implementation.clone(),
                time_cell(kernel),
                time_cell(row.times.end_to_end.as_ref()),
                time_cell(row.times.pipelined.as_ref()),
                throughput.unwrap_or_else(|| UNKNOWN.into()),
            ];
            let joules = |j| format!("{j:.3e} J");
            cells.extend(energy.then(|| row.energy_j.map_or_else(|| UNKNOWN.into(), joules)));
            cells.push(check(row));
            table.rows.push(cells);
        }
        tables.push((family.to_owned(), table));
    }
    tables
}

/// Half of the 95 % interval of the median, as a share of the median.
fn half_interval(time: &Time) -> f64 {
    (time.ci95_hi_s - time.ci95_lo_s) / 2.0 / time.median_s
}

/// Median and half of its 95 % interval.
fn time_cell(time: Option<&Time>) -> String {
    time.map_or_else(
        || UNKNOWN.into(),
        |t| format!("{} ±{}", seconds(t.median_s), percent(half_interval(t))),
    )
}

/// Wrong outputs, failures and rows without time.
fn problems(document: &mut Document, record: &Record) {
    let groups = [
        (Status::WrongOutput, "Wrong output: these implementations must not be used"),
        (Status::Failed, "Failed"),
        (Status::Untimed, "Verified, but not timed"),
    ];
    for (status, title) in groups {
        let rows = record.rows.iter().filter(|row| row.status == status);
        let lines: Vec<String> = rows
            .map(|row| {
                let reason = row.reason.as_deref().unwrap_or("no reason given");
                format!("{}, {} on {}: {reason}", row.case_key, row.implementation, row.device)
            })
            .collect();
        if !lines.is_empty() {
            document.heading(2, title);
            document.list(lines);
        }
    }
}

/// What was not tried, grouped by reason so that one missing library is one line.
fn skips(document: &mut Document, record: &Record) {
    let mut groups: Vec<((&str, &str, &str), usize)> = Vec::new();
    for row in record.rows.iter().filter(|row| row.status == Status::Skipped) {
        let reason = row.reason.as_deref().unwrap_or("no reason given");
        let key = (row.implementation.as_str(), row.device.as_str(), reason);
        match groups.iter_mut().find(|(k, _)| *k == key) {
            Some((_, number)) => *number += 1,
            None => groups.push((key, 1)),
        }
    }
    let lines: Vec<String> = groups
        .into_iter()
        .map(|((implementation, device, reason), number)| {
            format!("{implementation} on {device}, {}: {reason}", count(number, "case"))
        })
        .collect();
    if !lines.is_empty() {
        document.heading(2, "Skipped");
        document.list(lines);
    }
}
