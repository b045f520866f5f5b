//! `place`: from a verdict to what is applied.

use std::io::{self, Read, Write};
use std::path::Path;

use super::args::{
    FormatArg, GpuStackArg, MigStrategyArg, ModeArg, OutputArgs, PlaceArgs, ProviderArg,
    ProvisionArg, ShareArg,
};
use super::classify::{self, Court};
use super::exit::{DONE, Failure, Outcome};
use super::{output, pricing, reference, what_if};
use crate::classify::{Basis, Kind, Side, SkuCost, Verdict};
use crate::cost::evidence;
use crate::placement::{
    Asked, Choices, GpuStack, Manifest, MigStrategy, Needs, Placement, PoolMode, Provisioner,
    ShareBy, place,
};
use crate::units;

/// Judges the workload, works out its placement and writes it.
pub fn run(args: &PlaceArgs, output: &OutputArgs) -> Outcome {
    check_format(output)?;
    let loaded = classify::load_one(&args.workload)?;
    let records = match args.records.is_empty() {
        true => reference::built_in()?,
        false => reference::load_many(&args.records)?,
    };
    let mut catalog = pricing::catalog(&args.price.prices)?.catalog;
    let options = classify::options(&args.price, ProviderArg::Azure, &catalog)?;
    what_if::prices(&args.price.what_if, &mut catalog, &options)?;
    let devices = evidence::devices(records.iter().map(|(_, record)| record), &catalog);
    let basis = Basis { devices: &devices, catalog: &catalog, options: &options, ranked: true };
    let court = Court { basis, price: &args.price, explain: false };
    let verdict = court.verdict(&loaded, || Ok(std::slice::from_ref(&loaded)))?;
    let size = chosen(&verdict, args.sku.as_deref())?;
    let sku = catalog
        .sku(Some(&size.provider), &size.sku)
        .ok_or_else(|| Failure::internal(format!("{} is not in the catalog", size.sku)))?;
    let workload = what_if::workload(&loaded.workload, &args.price.what_if);
    let resolved = classify::resolve(&workload, &loaded)?;
    let needs = Needs::of(&resolved, sku, &catalog, &devices).ok_or_else(|| unknown(size))?;
    let choices = choices(args)?;
    let asked = Asked {
        verdict: &verdict,
        size,
        sku,
        catalog: &catalog,
        workload: &workload,
        needs,
        records: records.iter().map(|(name, _)| name.clone()).collect(),
        choices: &choices,
    };
    let placement = place(&asked).map_err(|refusal| Failure::usage(refusal.to_string()))?;
    write(&placement, output)?;
    Ok(DONE)
}

fn unknown(size: &SkuCost) -> Failure {
    let why = size.reasons.first().map_or("its time is not known", |reason| reason.text.as_str());
    Failure::usage(format!("{}: {why}; choose another size with --sku", size.sku))
}

/// The row that is put into effect: the one asked for, else the verdict's.
fn chosen<'v>(verdict: &'v Verdict, asked: Option<&str>) -> Result<&'v SkuCost, Failure> {
    if let Some(name) = asked {
        let full = format!("Standard_{name}");
        let called = |row: &&SkuCost| {
            row.sku.eq_ignore_ascii_case(name) || row.sku.eq_ignore_ascii_case(&full)
        };
        let rows = || verdict.ranking.iter().filter(called);
        let shared = rows().find(|row| !row.shared_with.is_empty() && row.eligible);
        let on_its_own = || rows().find(|row| row.shared_with.is_empty());
        return shared.or_else(on_its_own).ok_or_else(|| {
            let known = verdict.ranking.iter().map(|row| row.sku.as_str());
            let hint = breakeven_kernels::params::nearest(name, known)
                .map(|near| format!(", did you mean `{near}`?"))
                .unwrap_or_default();
            Failure::usage(format!(
                "--sku {name}: no VM size that was judged{hint}; see `breakeven list skus`"
            ))
        });
    }
    let month = |row: &Option<SkuCost>| {
        row.as_ref().and_then(|r| r.usd_per_month).map_or(f64::INFINITY, |m| m.median)
    };
    let gpu_is_cheaper = month(&verdict.best_gpu) < month(&verdict.best_cpu);
    let lean = if gpu_is_cheaper { &verdict.best_gpu } else { &verdict.best_cpu };
    let side = match verdict.verdict {
        Kind::Gpu | Kind::SharedGpu => Side::Gpu,
        Kind::Cpu => Side::Cpu,
        Kind::Either if gpu_is_cheaper => Side::Gpu,
        Kind::Either => Side::Cpu,
        Kind::MeasureFirst => {
            let month = |row: &SkuCost| row.usd_per_month.map_or(f64::NAN, |m| m.median);
            let next = match lean {
                Some(row) => format!(
                    "or place it all the same, at {} a month by median, with --sku {}",
                    units::usd(month(row)),
                    row.sku
                ),
                None => "no size can be chosen yet".into(),
            };
            return Err(Failure::incomparable(format!(
                "{}: the verdict is measure-first, so nothing is placed; measure what `breakeven \
                 classify {}` names, {next}",
                verdict.workload, verdict.workload
            )));
        }
    };
    let row = if side == Side::Gpu { &verdict.best_gpu } else { &verdict.best_cpu };
    row.as_ref().ok_or_else(|| classify::nothing_comparable(&[]))
}

fn choices(args: &PlaceArgs) -> Result<Choices, Failure> {
    let cluster = &args.cluster;
    Ok(Choices {
        resource_group: cluster.resource_group.clone(),
        cluster: cluster.cluster.clone(),
        pool: cluster.pool.clone(),
        mode: match cluster.mode {
            ModeArg::User => PoolMode::User,
            ModeArg::System => PoolMode::System,
        },
        provisioner: match cluster.provision {
            ProvisionArg::Pool => Provisioner::NodePool,
            ProvisionArg::Karpenter => Provisioner::AutoProvisioning,
        },
        gpu_stack: match cluster.gpu_stack {
            GpuStackArg::DevicePlugin => GpuStack::DevicePlugin,
            GpuStackArg::Operator => GpuStack::Operator,
            GpuStackArg::Managed => GpuStack::Managed,
        },
        sharing: cluster.share.map(|share| match share {
            ShareArg::Mig => ShareBy::Mig,
            ShareArg::TimeSlicing => ShareBy::TimeSlicing,
            ShareArg::Mps => ShareBy::Mps,
        }),
        mig_strategy: match cluster.mig_strategy {
            MigStrategyArg::Single => MigStrategy::Single,
            MigStrategyArg::Mixed => MigStrategy::Mixed,
        },
        manifest: args.manifest.as_deref().map(manifest).transpose()?,
        container: args.container.clone(),
        image: args.image.clone(),
        kaito: cluster.kaito.clone(),
        queue: cluster.kueue.clone(),
        bin_packing: cluster.bin_packing,
    })
}

fn manifest(path: &Path) -> Result<Manifest, Failure> {
    let input = path == Path::new("-");
    let name = if input { "standard input".into() } else { path.display().to_string() };
    let text = if input {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.map_err(|error| {
        Failure::usage(format!("--manifest {name}: {error}; give a readable YAML file"))
    })?;
    // Some editors begin a file with a mark of its byte order.
    let text = text.trim_start_matches('\u{feff}').to_owned();
    Ok(Manifest { name, text })
}

fn check_format(output: &OutputArgs) -> Result<(), Failure> {
    match output.format {
        FormatArg::Text | FormatArg::Json | FormatArg::Markdown => Ok(()),
        other => Err(Failure::usage(format!(
            "--format {}: `place` writes files; use text, json or markdown",
            other.name()
        ))),
    }
}

/// All files to standard output and, with `-o`, into that folder; remarks to standard error.
fn write(placement: &Placement, output: &OutputArgs) -> Result<(), Failure> {
    if let Some(folder) = &output.folder {
        let files: Vec<_> = placement
            .files
            .iter()
            .map(|file| (file.name.to_owned(), file.text.clone().into_bytes()))
            .collect();
        output::write_all(folder, &files)?;
    }
    let text = match output.format {
        FormatArg::Json => {
            let json = serde_json::to_string_pretty(placement)
                .map_err(|error| Failure::internal(error.to_string()))?;
            json + "\n"
        }
        FormatArg::Markdown => markdown(placement),
        _ => match &output.folder {
            Some(folder) => steps(placement, folder),
            None => plain(placement),
        },
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::stdout(&error))?;
    if output.format == FormatArg::Text {
        for remark in &placement.remarks {
            output::remark(output, &format!("  - {remark}"));
        }
    }
    Ok(())
}

/// Every file below a line with its name and how it is applied.
fn plain(placement: &Placement) -> String {
    let shown = |file: &crate::placement::File| {
        format!("# ==> {} (apply: {})\n{}", file.name, file.apply, file.text)
    };
    placement.files.iter().map(shown).collect::<Vec<_>>().join("\n")
}

/// What was decided, and the commands that apply the files, in their order.
fn steps(placement: &Placement, folder: &Path) -> String {
    let folder = folder.display().to_string();
    let folder = shlex::try_quote(&folder).map_or_else(|_| folder.clone(), |q| q.into_owned());
    let mut text = format!("{}cd {folder}\n", placement.about);
    for file in &placement.files {
        text += &format!("{}\n", file.apply);
    }
    text
}

fn markdown(placement: &Placement) -> String {
    let mut text = format!("# {} on {}\n\n", placement.workload, placement.sku);
    for remark in &placement.remarks {
        text += &format!("- {remark}\n");
    }
    for file in &placement.files {
        let language = match file.name.rsplit('.').next() {
            Some("sh") => "bash",
            Some("tf") => "hcl",
            _ => "yaml",
        };
        text +=
            &format!("\n## {}\n\n`{}`\n\n```{language}\n{}```\n", file.name, file.apply, file.text);
    }
    text
}
