//! The TOML grammar of fleets. Every complaint names file, place, field, value and next step.

use std::cell::RefCell;
use std::io;
use std::path::Path;

use breakeven_kernels::params::nearest;
use breakeven_kernels::work::Files;
use toml::{Table, Value as Toml};

use super::{Fleet, FleetError, Target, object_name};
use crate::catalog::{Catalog, Os, PriceKind, Sku};
use crate::suite::{self, Suite};
use crate::workload::{Reader, WorkloadError};

const TOP: &[&str] = &[
    "name",
    "suite",
    "image",
    "repeats",
    "nodes",
    "max_minutes",
    "max_price_usd",
    "pending_minutes",
    "queue_minutes",
    "start_up_minutes",
    "cool_down_minutes",
    "store",
    "namespace",
    "context",
    "region",
    "price_kind",
    "discount",
    "queue",
    "service_account",
    "secret",
    "pull_secret",
    "seed",
    "target",
];
const TARGET: &[&str] = &["sku", "pool", "context", "region", "price_kind", "device"];
/// Longest name of a fleet: a job's name holds it, the target's and more.
const LONGEST_NAME: usize = 30;
/// Runs on one target.
const MOST_REPEATS: u32 = 1000;
/// A run of less than a second, or of more than a day, is a slip of the pen.
const MINUTES: [f64; 2] = [1.0 / 60.0, 1440.0];
/// Minutes of waiting, up to a week.
const WAITING: [f64; 2] = [0.01, 10_080.0];
/// What a ConfigMap holds, less what is around it.
const MOST_SUITE_BYTES: usize = 1 << 20;
const USD: [f64; 2] = [0.01, 1e6];
const KINDS: &[PriceKind] =
    &[PriceKind::Ondemand, PriceKind::Spot, PriceKind::Reserved1y, PriceKind::Reserved3y];

/// Reads the fleet in the file at `path`; its sizes and prices are those of `catalog`.
///
/// # Errors
/// [`FleetError`] with the place, the value and what would do.
pub fn parse(path: &Path, catalog: &Catalog) -> Result<Fleet, FleetError> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|source| FleetError::Io { file: file.clone(), source })?;
    let table: Table = text.parse().map_err(|e: toml::de::Error| WorkloadError::Syntax {
        file: file.clone(),
        message: e.to_string().trim_end().to_owned(),
    })?;
    let reader = Reader { file: &file, place: "top level", table: &table };
    reader.only(TOP)?;
    let given = reader.text("suite")?.unwrap_or("standard");
    let (suite, suite_text) = suite_of(&file, path, given)?;
    if suite_text.as_ref().is_some_and(|text| text.len() > MOST_SUITE_BYTES) {
        return Err(reader.bad("suite", "has more than 1 MiB, which no ConfigMap holds").into());
    }
    let targets = targets(&reader, catalog)?;
    let minutes = |key: &str, bounds| reader.positive(key, bounds);
    let any_gpu = targets.iter().any(|t| t.sku.has_gpu());
    Ok(Fleet {
        name: name(&reader, path)?,
        suite_budget_s: suite.budget_s,
        suite: suite.name,
        suite_text,
        image: image(&reader)?,
        repeats: count(&reader, "repeats")?.unwrap_or(3),
        nodes: count(&reader, "nodes")?.unwrap_or(1),
        max_minutes: minutes("max_minutes", MINUTES)?
            .ok_or_else(|| reader.bad("max_minutes", "give the minutes that a run may take"))?,
        max_price_usd: reader
            .positive("max_price_usd", USD)?
            .ok_or_else(|| reader.bad("max_price_usd", "give what all of it may cost"))?,
        pending_minutes: minutes("pending_minutes", WAITING)?.unwrap_or(20.0),
        queue_minutes: minutes("queue_minutes", WAITING)?.unwrap_or(1440.0),
        // As `classify` takes it: a node with a GPU installs its driver.
        start_up_minutes: minutes("start_up_minutes", WAITING)?.unwrap_or(if any_gpu {
            8.0
        } else {
            3.0
        }),
        cool_down_minutes: minutes("cool_down_minutes", WAITING)?.unwrap_or(10.0),
        store: store(&reader, path)?,
        namespace: reader.text("namespace")?.map(str::to_owned),
        queue: reader.text("queue")?.map(str::to_owned),
        service_account: reader.text("service_account")?.map(str::to_owned),
        secret: reader.text("secret")?.map(str::to_owned),
        pull_secret: reader.text("pull_secret")?.map(str::to_owned),
        discount: discount(&reader)?,
        seed: u64::from(reader.whole("seed", 0)?.unwrap_or(1)),
        targets,
    })
}

/// The suite, and its text where it is a file beside the fleet's.
fn suite_of(file: &str, path: &Path, given: &str) -> Result<(Suite, Option<String>), FleetError> {
    let wrong = |source| FleetError::Suite { file: file.into(), source };
    if suite::BUILT_IN.iter().any(|(name, _)| *name == given) {
        return Ok((suite::load(given).map_err(wrong)?, None));
    }
    let beside = path.parent().unwrap_or(Path::new("")).join(given);
    // A name that is no file is looked up, so that the nearest one is named.
    let asked = if beside.exists() { beside } else { given.into() };
    let loaded: Suite = suite::load(&asked.to_string_lossy()).map_err(wrong)?;
    try_cases(&loaded, file)?;
    let text = std::fs::read_to_string(&asked).map_err(|source| {
        wrong(suite::SuiteError::Io { file: asked.display().to_string(), source })
    })?;
    Ok((loaded, Some(text)))
}

/// What is wrong with a case is told before a node is paid. Only the suite itself travels to the pods,
/// so its cases must not name files or programs of this machine.
fn try_cases(suite: &Suite, file: &str) -> Result<(), FleetError> {
    for case in &suite.cases {
        let wrong = |problem: String| {
            let (file, place) = (file.to_owned(), case.place.clone());
            FleetError::Field(WorkloadError::Field { file, place, problem })
        };
        let Some(family) = breakeven_kernels::family(&case.family) else {
            let names = breakeven_kernels::FAMILIES.iter().map(|f| f.name());
            let near = nearest(&case.family, names);
            let near = near.map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
            return Err(wrong(format!("no family `{}`{near}", case.family)));
        };
        let asked = Asked::default();
        let parsed = family.case(&case.params, &asked);
        if let Some(name) = asked.0.into_inner() {
            return Err(wrong(format!(
                "{name}: a fleet's pods have no files or programs of this machine; use generated input"
            )));
        }
        parsed.map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

/// The store as given; a folder is beside the fleet's file, wherever this program was started.
fn store(reader: &Reader, path: &Path) -> Result<Option<String>, WorkloadError> {
    let Some(place) = reader.text("store")? else { return Ok(None) };
    if place.contains("://") {
        return Ok(Some(place.to_owned()));
    }
    if place.is_empty() || place.starts_with('~') || place.contains(":/") {
        let hint =
            "give az://CONTAINER/PATH, s3://BUCKET/PATH, gs://BUCKET/PATH or a folder's path";
        return Err(reader.bad("store", hint));
    }
    let folder = path.parent().unwrap_or(Path::new("")).join(place);
    Ok(Some(folder.display().to_string()))
}

/// Notes the first file that is asked for, and has none.
#[derive(Default)]
struct Asked(RefCell<Option<String>>);

impl Asked {
    fn note(&self, name: &str) -> io::Error {
        self.0.borrow_mut().get_or_insert_with(|| name.to_owned());
        io::Error::from(io::ErrorKind::NotFound)
    }
}

impl Files for Asked {
    fn open(&self, name: &str) -> io::Result<Box<dyn io::Read + Send>> {
        Err(self.note(name))
    }

    fn locate(&self, name: &str) -> io::Result<String> {
        Err(self.note(name))
    }
}

fn name(reader: &Reader, path: &Path) -> Result<String, WorkloadError> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let given = reader.text("name")?.map_or(stem, str::to_owned);
    let fine = object_name(&given, LONGEST_NAME);
    if fine != given || fine.is_empty() {
        let hint = format!(
            "must be up to {LONGEST_NAME} lower-case letters, digits and dashes, as Kubernetes takes \
             names{}",
            if fine.is_empty() { String::new() } else { format!("; for example {fine}") }
        );
        return Err(WorkloadError::Field {
            file: reader.file.into(),
            place: reader.place.into(),
            problem: format!("name = \"{given}\": {hint}"),
        });
    }
    Ok(given)
}

fn image(reader: &Reader) -> Result<String, WorkloadError> {
    let hint = "give the image that the pods run, as registry/name:tag; docs/fleet.md says how it \
                is built";
    let image = reader.text("image")?.ok_or_else(|| reader.bad("image", hint))?;
    match image.is_empty() || image.contains(char::is_whitespace) {
        true => Err(reader.bad("image", hint)),
        false => Ok(image.to_owned()),
    }
}

fn count(reader: &Reader, key: &str) -> Result<Option<u32>, WorkloadError> {
    match reader.whole(key, 1)? {
        Some(number) if number > MOST_REPEATS => {
            Err(reader.bad(key, &format!("must be a whole number from 1 to {MOST_REPEATS}")))
        }
        number => Ok(number),
    }
}

fn discount(reader: &Reader) -> Result<f64, WorkloadError> {
    match reader.number("discount")? {
        Some(share) if !(0.0..1.0).contains(&share) => {
            Err(reader.bad("discount", "must be a share from 0 to below 1: 0.12 is 12 %"))
        }
        share => Ok(share.unwrap_or(0.0)),
    }
}

fn targets(root: &Reader, catalog: &Catalog) -> Result<Vec<Target>, WorkloadError> {
    let list = match root.table.get("target") {
        Some(Toml::Array(list)) if !list.is_empty() => list,
        Some(_) => return Err(root.bad("target", "write each target as [[target]]")),
        None => return Err(root.bad("target", "give at least one [[target]] with its sku")),
    };
    let mut targets: Vec<Target> = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let place = format!("target {}", index + 1);
        let Toml::Table(table) = item else {
            return Err(root.bad("target", "write each target as [[target]] followed by its keys"));
        };
        let reader = Reader { file: root.file, place: &place, table };
        reader.only(TARGET)?;
        for sku in skus(&reader, catalog)? {
            let target = target(root, &reader, sku)?;
            if targets.iter().any(|t| t.id == target.id) {
                let hint = "is listed twice; give one of them a `pool` or `region` of its own, or \
                            raise `repeats`";
                return Err(reader.bad("sku", hint));
            }
            targets.push(target);
        }
    }
    Ok(targets)
}

/// One size or a list of them.
fn skus<'c>(reader: &Reader, catalog: &'c Catalog) -> Result<Vec<&'c Sku>, WorkloadError> {
    let hint = "must be a VM size or a list of them; see `breakeven list skus`";
    let names: Vec<&str> = match reader.table.get("sku") {
        Some(Toml::String(name)) => vec![name],
        Some(Toml::Array(list)) if !list.is_empty() => list
            .iter()
            .map(|item| item.as_str().ok_or_else(|| reader.bad("sku", hint)))
            .collect::<Result<_, _>>()?,
        _ => return Err(reader.bad("sku", hint)),
    };
    let find = |name: &str| {
        catalog.sku(None, name).ok_or_else(|| {
            let near = nearest(name, catalog.skus.iter().map(|sku| sku.name.as_str()));
            let near = near.map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
            reader.bad("sku", &format!("no VM size `{name}`{near}; see `breakeven list skus`"))
        })
    };
    names.into_iter().map(find).collect()
}

fn target(root: &Reader, reader: &Reader, sku: &Sku) -> Result<Target, WorkloadError> {
    let either = |key: &str| -> Result<Option<String>, WorkloadError> {
        Ok(reader.text(key)?.or(root.text(key)?).map(str::to_owned))
    };
    let region = either("region")?;
    let kind = either("price_kind")?;
    let price_kind = match &kind {
        None => PriceKind::Ondemand,
        Some(name) => *KINDS.iter().find(|k| k.name() == name).ok_or_else(|| {
            let holder = if reader.table.contains_key("price_kind") { reader } else { root };
            holder.bad("price_kind", "must be ondemand, spot, reserved-1y or reserved-3y")
        })?,
    };
    // Where no region is named, the dearest: the cap must hold wherever the nodes are.
    let price = match &region {
        Some(region) => sku.price(price_kind, Some(region)),
        None => {
            let of_kind = sku.prices.iter().filter(|p| p.kind == price_kind && p.os == Os::Linux);
            of_kind.max_by(|a, b| a.price_usd_per_h.total_cmp(&b.price_usd_per_h))
        }
    };
    let price = price.ok_or_else(|| {
        let place = region.as_deref().map(|r| format!(" in {r}")).unwrap_or_default();
        let hint = format!(
            "no {} price of {}{place} is known, so its cost cannot be capped; read it with \
             `breakeven prices refresh`, or give --prices FILE",
            price_kind.name(),
            sku.name
        );
        reader.bad("sku", &hint)
    })?;
    let pool = reader.text("pool")?;
    let selector = match pool {
        Some(pool) => ("kubernetes.azure.com/agentpool", pool),
        None => ("node.kubernetes.io/instance-type", sku.name.as_str()),
    };
    // The size alone names a target, unless it stands there in several pools or regions.
    let (own_region, own_context) = (reader.text("region")?, reader.text("context")?);
    let parts = [Some(sku.name.as_str()), pool, own_region, own_context];
    let id = parts.into_iter().flatten().collect::<Vec<_>>().join("-");
    Ok(Target {
        id: object_name(&id, 63),
        sku: sku.clone(),
        selector: (selector.0.into(), selector.1.into()),
        context: either("context")?,
        region,
        price_kind,
        price_usd_per_h: price.price_usd_per_h * (1.0 - root.number("discount")?.unwrap_or(0.0)),
        devices: devices(reader, sku)?,
    })
}

/// Devices to measure, of those that the size has.
fn devices(reader: &Reader, sku: &Sku) -> Result<Vec<String>, WorkloadError> {
    let hint = "must be a list of cpu, cpu:N (threads), cuda:N and vulkan:N";
    let fine = |word: &str| {
        let (kind, number) = word.split_once(':').map_or((word, None), |(k, n)| (k, Some(n)));
        let number = number.map(|n| n.parse::<u32>().is_ok());
        matches!((kind, number), ("cpu", None | Some(true)) | ("cuda" | "vulkan", Some(true)))
    };
    let devices = reader.texts("device", fine, hint)?;
    if !sku.has_gpu() && devices.iter().any(|device| !device.starts_with("cpu")) {
        return Err(reader.bad("device", &format!("{} has no GPU", sku.name)));
    }
    Ok(devices)
}
