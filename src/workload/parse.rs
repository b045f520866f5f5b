//! The TOML grammar of workloads. Every complaint names file, place, field, value and next step.

use breakeven_kernels::params::{Params, nearest};
use toml::{Table, Value as Toml};

use super::reader::Reader;
use super::{ComputeStage, JobNeeds, NodeNeeds, Stage, Today, Transfer, Workload, WorkloadError};
use super::{Demand, demand};

const TOP: &[&str] = &["name", "summary", "hangs_on", "stage", "demand", "job", "node", "today"];
const JOB: &[&str] = &["memory_gib", "gpu_memory_gib", "constant_gib", "overlap"];
const NODE: &[&str] = &["os", "needs", "cotenants", "min_nodes"];
const TODAY: &[&str] = &["sku", "nodes"];
const SERIAL: &[&str] = &["serial_cpu_s"];
const IO: &[&str] = &["io_bytes", "io_bytes_per_s"];
/// Least and largest duration in seconds: from a nanosecond to 30 years.
pub(super) const SECONDS: [f64; 2] = [1e-9, 1e9];
/// Bytes of one job.
const BYTES: [f64; 2] = [1.0, 1e18];
/// Bytes per second of a network or disk.
const BYTES_PER_S: [f64; 2] = [1.0, 1e13];
/// Executions of a case a job; a share of one where jobs have it in common.
const CALLS: [f64; 2] = [1e-6, 1e16];
/// Memory, from a KiB on.
const GIB: [f64; 2] = [1e-6, 1e6];
const ENGINES: &[&str] = &["nvenc", "nvdec", "graphics"];

/// Reads one workload; `file` names it in messages, `stem` is its name where it gives none.
///
/// # Errors
/// [`WorkloadError`] with the place, the value and what would do.
pub fn parse(text: &str, stem: &str, file: &str) -> Result<Workload, WorkloadError> {
    let root: Table = text.parse().map_err(|e: toml::de::Error| WorkloadError::Syntax {
        file: file.into(),
        message: e.to_string().trim_end().to_owned(),
    })?;
    let reader = Reader { file, place: "top level", table: &root };
    reader.only(TOP)?;
    let stages = match root.get("stage") {
        Some(Toml::Array(list)) if !list.is_empty() => list
            .iter()
            .enumerate()
            .map(|(index, item)| stage(file, index + 1, item))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(reader.bad("stage", "write each stage as [[stage]]")),
        None => return Err(reader.bad("stage", "give at least one [[stage]]")),
    };
    let demand = demand::read(&reader)?;
    Ok(Workload {
        name: reader.text("name")?.unwrap_or(stem).to_owned(),
        given_as: file.to_owned(),
        summary: reader.text("summary")?.unwrap_or_default().to_owned(),
        hangs_on: reader.text("hangs_on")?.unwrap_or_default().to_owned(),
        stages,
        job: job(&reader)?,
        node: node(&reader, &demand)?,
        today: today(&reader)?,
        demand,
    })
}

fn stage(file: &str, number: usize, item: &Toml) -> Result<Stage, WorkloadError> {
    let place = format!("stage {number}");
    let Toml::Table(table) = item else {
        return Err(WorkloadError::Field {
            file: file.into(),
            place,
            problem: "write each stage as [[stage]] followed by its keys".into(),
        });
    };
    let reader = Reader { file, place: &place, table };
    if table.contains_key("serial_cpu_s") {
        reader.only(SERIAL)?;
        return Ok(Stage::Serial {
            serial_cpu_s: reader.positive("serial_cpu_s", SECONDS)?.unwrap_or(0.0),
        });
    }
    if table.contains_key("io_bytes") {
        reader.only(IO)?;
        return Ok(Stage::Io {
            io_bytes: reader.positive("io_bytes", BYTES)?.unwrap_or(0.0),
            io_bytes_per_s: reader.positive("io_bytes_per_s", BYTES_PER_S)?,
        });
    }
    let Some(family) = reader.text("family")? else {
        let known = ["family", "serial_cpu_s", "io_bytes"];
        let near = table.keys().find_map(|k| nearest(k, known));
        let hint = near.map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
        return Err(reader.bad(
            "family",
            &format!("missing{hint}; a stage has `family` (a case), `serial_cpu_s` or `io_bytes`"),
        ));
    };
    let mut params = Params::default();
    for (key, value) in table {
        if !["family", "calls", "transfer", "gpus_per_job"].contains(&key.as_str()) {
            params.set(key, reader.value(key, value)?);
        }
    }
    let transfer = match reader.text("transfer")? {
        None | Some("per-call") => Transfer::PerCall,
        Some("constants-resident") => Transfer::ConstantsResident,
        Some("resident") => Transfer::Resident,
        Some(_) => {
            return Err(reader.bad("transfer", "must be per-call, constants-resident or resident"));
        }
    };
    Ok(Stage::Compute(ComputeStage {
        family: family.to_owned(),
        params,
        calls: reader.positive("calls", CALLS)?.unwrap_or(1.0),
        transfer,
        gpus_per_job: reader.whole("gpus_per_job", 1)?.map_or(1.0, f64::from),
    }))
}

fn job(root: &Reader) -> Result<JobNeeds, WorkloadError> {
    let Some(reader) = root.table("job")? else { return Ok(JobNeeds::default()) };
    reader.only(JOB)?;
    let constant_gib = reader.number("constant_gib")?.unwrap_or(0.0);
    if !(0.0..=GIB[1]).contains(&constant_gib) {
        return Err(reader.bad("constant_gib", "must be from 0 to 1e6"));
    }
    Ok(JobNeeds {
        memory_gib: reader.positive("memory_gib", GIB)?.unwrap_or(0.0),
        gpu_memory_gib: reader.positive("gpu_memory_gib", GIB)?.unwrap_or(0.0),
        constant_gib,
        overlap: reader.flag("overlap")?,
    })
}

fn node(root: &Reader, demand: &Demand) -> Result<NodeNeeds, WorkloadError> {
    let linux = || NodeNeeds { os: "linux".into(), ..NodeNeeds::default() };
    let Some(reader) = root.table("node")? else { return Ok(linux()) };
    reader.only(NODE)?;
    let os = reader.text("os")?.unwrap_or("linux");
    if !["linux", "windows"].contains(&os) {
        return Err(reader.bad("os", "must be linux or windows"));
    }
    let min_nodes = reader.whole("min_nodes", 0)?;
    if min_nodes == Some(0) && demand.latency_slo_s.is_some() {
        let hint = "a request cannot wait for a node to start within latency_slo_s; leave min_nodes \
                    out or give at least 1";
        return Err(reader.bad("min_nodes", hint));
    }
    Ok(NodeNeeds {
        os: os.to_owned(),
        needs: reader.texts(
            "needs",
            |word| ENGINES.contains(&word),
            "must list nvenc, nvdec or graphics, as in [\"nvenc\"]",
        )?,
        cotenants: reader.texts(
            "cotenants",
            |word| !word.is_empty(),
            "must list names or files of workloads, as in [\"other-workload\"]",
        )?,
        min_nodes,
    })
}

/// What the user runs it on now.
fn today(root: &Reader) -> Result<Option<Today>, WorkloadError> {
    let Some(reader) = root.table("today")? else { return Ok(None) };
    reader.only(TODAY)?;
    let sku = match reader.text("sku")? {
        Some(sku) if !sku.is_empty() => sku.to_owned(),
        _ => return Err(reader.bad("sku", "name the VM size in use now; see `list skus`")),
    };
    match reader.whole("nodes", 1)? {
        Some(nodes) => Ok(Some(Today { sku, nodes })),
        None => Err(reader.bad("nodes", "missing; give the number of nodes in use now")),
    }
}
