//! The TOML grammar of workloads. Every complaint names file, place, field, value and next step.

use breakeven_kernels::params::{Params, Value, nearest};
use toml::{Table, Value as Toml};

use super::{ComputeStage, Demand, JobNeeds, NodeNeeds, Stage, Transfer, Workload, WorkloadError};

const TOP: &[&str] = &["name", "summary", "stage", "demand", "job", "node"];
const DEMAND: &[&str] = &["jobs_per_day", "pattern", "latency_slo_s"];
const LATER_DEMAND: &[&str] =
    &["window_h", "peak_factor", "peak_h_per_day", "deadline_s", "percentile", "hourly"];
const JOB: &[&str] = &["memory_gib", "gpu_memory_gib", "constant_gib"];
const NODE: &[&str] = &["os", "needs"];
const SERIAL: &[&str] = &["serial_cpu_s"];
const IO: &[&str] = &["io_bytes", "io_bytes_per_s"];
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
    Ok(Workload {
        name: reader.text("name")?.unwrap_or(stem).to_owned(),
        given_as: file.to_owned(),
        summary: reader.text("summary")?.unwrap_or_default().to_owned(),
        stages,
        demand: demand(&reader)?,
        job: job(&reader)?,
        node: node(&reader)?,
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
        return Ok(Stage::Serial { serial_cpu_s: reader.positive("serial_cpu_s")?.unwrap_or(0.0) });
    }
    if table.contains_key("io_bytes") {
        reader.only(IO)?;
        return Ok(Stage::Io {
            io_bytes: reader.positive("io_bytes")?.unwrap_or(0.0),
            io_bytes_per_s: reader.positive("io_bytes_per_s")?,
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
        calls: reader.positive("calls")?.unwrap_or(1.0),
        transfer,
        gpus_per_job: match reader.positive("gpus_per_job")? {
            Some(gpus) if gpus.fract() != 0.0 => {
                return Err(reader.bad("gpus_per_job", "must be a whole number"));
            }
            gpus => gpus.unwrap_or(1.0),
        },
    }))
}

fn demand(root: &Reader) -> Result<Demand, WorkloadError> {
    let Some(reader) = root.table("demand")? else {
        return Err(root.bad("demand", "missing; write [demand] with jobs_per_day = …"));
    };
    for key in LATER_DEMAND {
        if reader.table.contains_key(*key) {
            return Err(
                reader.bad(key, "not yet supported; leave it out and use pattern = \"steady\"")
            );
        }
    }
    reader.only(DEMAND)?;
    match reader.table.get("pattern") {
        None => {}
        Some(Toml::String(word)) if word == "steady" => {}
        Some(_) => {
            return Err(reader.bad("pattern", "not yet supported; use pattern = \"steady\""));
        }
    }
    let Some(jobs_per_day) = reader.number("jobs_per_day")? else {
        return Err(reader.bad("jobs_per_day", "missing; give the jobs of one day"));
    };
    if jobs_per_day < 0.0 {
        return Err(reader.bad("jobs_per_day", "must be 0 or more"));
    }
    Ok(Demand { jobs_per_day, latency_slo_s: reader.positive("latency_slo_s")? })
}

fn job(root: &Reader) -> Result<JobNeeds, WorkloadError> {
    let Some(reader) = root.table("job")? else { return Ok(JobNeeds::default()) };
    reader.only(JOB)?;
    let constant_gib = reader.number("constant_gib")?.unwrap_or(0.0);
    if constant_gib < 0.0 {
        return Err(reader.bad("constant_gib", "must be 0 or more"));
    }
    Ok(JobNeeds {
        memory_gib: reader.positive("memory_gib")?.unwrap_or(0.0),
        gpu_memory_gib: reader.positive("gpu_memory_gib")?.unwrap_or(0.0),
        constant_gib,
    })
}

fn node(root: &Reader) -> Result<NodeNeeds, WorkloadError> {
    let Some(reader) = root.table("node")? else {
        return Ok(NodeNeeds { os: "linux".into(), needs: Vec::new() });
    };
    if reader.table.contains_key("cotenants") {
        return Err(reader.bad("cotenants", "not yet supported; leave it out"));
    }
    reader.only(NODE)?;
    let os = reader.text("os")?.unwrap_or("linux");
    if !["linux", "windows"].contains(&os) {
        return Err(reader.bad("os", "must be linux or windows"));
    }
    let needs = match reader.table.get("needs") {
        None => Vec::new(),
        Some(Toml::Array(list)) => list
            .iter()
            .map(|item| match item.as_str() {
                Some(word) if ENGINES.contains(&word) => Ok(word.to_owned()),
                _ => Err(reader.bad("needs", "must list nvenc, nvdec or graphics")),
            })
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(reader.bad("needs", "must be a list such as [\"nvenc\"]")),
    };
    Ok(NodeNeeds { os: os.to_owned(), needs })
}

struct Reader<'a> {
    file: &'a str,
    place: &'a str,
    table: &'a Table,
}

impl<'a> Reader<'a> {
    fn bad(&self, key: &str, hint: &str) -> WorkloadError {
        let value = match self.table.get(key) {
            None => String::new(),
            Some(Toml::Table(_)) => " = {…}".into(),
            Some(value) => format!(" = {value}"),
        };
        WorkloadError::Field {
            file: self.file.into(),
            place: self.place.into(),
            problem: format!("{key}{value}: {hint}"),
        }
    }

    fn only(&self, known: &[&str]) -> Result<(), WorkloadError> {
        match self.table.keys().find(|k| !known.contains(&k.as_str())) {
            None => Ok(()),
            Some(key) => {
                let near = nearest(key, known.iter().copied())
                    .map(|n| format!(", did you mean `{n}`?"))
                    .unwrap_or_default();
                Err(WorkloadError::Field {
                    file: self.file.into(),
                    place: self.place.into(),
                    problem: format!("unknown key `{key}`{near}; known keys: {}", known.join(", ")),
                })
            }
        }
    }

    fn text(&self, key: &str) -> Result<Option<&'a str>, WorkloadError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Toml::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.bad(key, "must be a text in quotes")),
        }
    }

    fn number(&self, key: &str) -> Result<Option<f64>, WorkloadError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Toml::Integer(v)) => Ok(Some(*v as f64)),
            Some(Toml::Float(v)) if v.is_finite() => Ok(Some(*v)),
            Some(_) => Err(self.bad(key, "must be a number")),
        }
    }

    fn positive(&self, key: &str) -> Result<Option<f64>, WorkloadError> {
        match self.number(key)? {
            Some(v) if v <= 0.0 => Err(self.bad(key, "must be above 0")),
            other => Ok(other),
        }
    }

    fn table(&self, key: &'a str) -> Result<Option<Reader<'a>>, WorkloadError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Toml::Table(table)) => Ok(Some(Reader { file: self.file, place: key, table })),
            Some(_) => Err(self.bad(key, &format!("must be a table: write [{key}]"))),
        }
    }

    fn value(&self, key: &str, value: &Toml) -> Result<Value, WorkloadError> {
        Ok(match value {
            Toml::Integer(v) => Value::Int(*v),
            Toml::Float(v) => Value::Float(*v),
            Toml::Boolean(v) => Value::Bool(*v),
            Toml::String(v) => Value::Text(v.clone()),
            Toml::Table(inner) => {
                let mut params = Params::default();
                for (k, v) in inner {
                    params.set(k, self.value(key, v)?);
                }
                Value::Table(params)
            }
            Toml::Array(_) => {
                return Err(self.bad(
                    key,
                    "a stage is one case; give one value, or write one [[stage]] for each",
                ));
            }
            Toml::Datetime(_) => return Err(self.bad(key, "a date is not a case parameter")),
        })
    }
}
