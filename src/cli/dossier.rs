//! What a report is made of, put together: verdicts with what their pictures and the page's own
//! arithmetic need, and records side by side.

use rayon::prelude::*;

use super::args::{PriceArgs, ProviderArg};
use super::classify::{self, Court, Loaded};
use super::exit::Failure;
use super::pricing::Priced;
use super::{output, what_if};
use crate::catalog::{Catalog, PriceKind};
use crate::classify::live::{self, Model};
use crate::classify::{Basis, Options, Verdict, heat_map};
use crate::compare::{self, Comparison};
use crate::cost::{Origin, evidence};
use crate::record::Record;
use crate::report::{Dossier, Judged};

/// The parts of a [`Dossier`] that are made here.
#[derive(Default)]
pub struct Parts {
    judged: Vec<Judged>,
    models: Vec<Model>,
    comparison: Option<Result<Comparison, String>>,
    command: Vec<String>,
}

/// What the parts are made from.
pub struct Sources<'a> {
    /// The records, each with the name it was read from.
    pub records: &'a [(String, Record)],
    /// The catalog under the user's prices.
    pub priced: &'a Priced,
    /// The command line's own figures.
    pub price: &'a PriceArgs,
}

impl Parts {
    /// The verdicts on `workloads`, and the records side by side. With `only_measured`, workloads of
    /// which the records say nothing are left out.
    ///
    /// # Errors
    /// As [`classify::judge`].
    pub fn new(
        workloads: &[Loaded],
        sources: &Sources,
        only_measured: bool,
    ) -> Result<Self, Failure> {
        let mut catalog = sources.priced.catalog.clone();
        let options = classify::options(sources.price, ProviderArg::Azure, &catalog)?;
        what_if::prices(&sources.price.what_if, &mut catalog, &options)?;
        let devices = evidence::devices(sources.records.iter().map(|(_, r)| r), &catalog);
        let basis = Basis { devices: &devices, catalog: &catalog, options: &options, ranked: true };
        let spot = Options { price_kind: PriceKind::Spot, ..options.clone() };
        let at_spot = Basis { options: &spot, ..basis };
        let bases = [basis, at_spot];
        let (judged, comparison) = rayon::join(
            || judge_all(workloads, sources, &bases, only_measured),
            || side_by_side(sources.records, &catalog, &options),
        );
        let (judged, models) = judged?.into_iter().unzip();
        Ok(Self { judged, models, comparison, command: output::command() })
    }

    /// The verdicts.
    pub fn verdicts(&self) -> Vec<Verdict> {
        self.judged.iter().map(|judged| judged.verdict.clone()).collect()
    }

    /// The dossier of the parts with what else there is to tell.
    pub fn dossier<'a>(&'a self, sources: &Sources<'a>, remarks: &'a [String]) -> Dossier<'a> {
        Dossier {
            judged: &self.judged,
            models: &self.models,
            records: sources.records,
            comparison: self.comparison.as_ref(),
            remarks,
            prices: &sources.priced.sources,
            command: &self.command,
        }
    }
}

/// The verdicts at the prices asked for and at spot prices, several at once; with `only_measured`,
/// those that rest on a record.
fn judge_all(
    workloads: &[Loaded],
    sources: &Sources,
    [asked, spot]: &[Basis; 2],
    only_measured: bool,
) -> Result<Vec<(Judged, Model)>, Failure> {
    let one = |loaded: &Loaded| {
        let verdict = |basis: &Basis| {
            Court { basis: *basis, price: sources.price, explain: false }
                .verdict(loaded, || Ok(workloads))
        };
        let judged = verdict(asked)?;
        if only_measured && !rests_on_records(&judged) {
            return Ok(None);
        }
        let other = asked.options.price_kind != PriceKind::Spot;
        let spot = if other { Some(verdict(spot)?).filter(costed) } else { None };
        let workload = what_if::workload(&loaded.workload, &sources.price.what_if);
        let resolved = classify::resolve(&workload, loaded)?;
        let (heat, model) = (heat_map(&resolved, asked), live::model(&resolved, asked));
        Ok(Some((Judged { verdict: judged, spot, heat }, model)))
    };
    let judged: Result<Vec<_>, Failure> = workloads.par_iter().map(one).collect();
    Ok(judged?.into_iter().flatten().collect())
}

fn costed(verdict: &Verdict) -> bool {
    verdict.best_gpu.is_some() || verdict.best_cpu.is_some()
}

/// Whether a time of some size follows from a measurement.
fn rests_on_records(verdict: &Verdict) -> bool {
    let measured = [Origin::Measured, Origin::Interpolated, Origin::Predicted];
    verdict.ranking.iter().any(|cost| cost.origin.is_some_and(|o| measured.contains(&o)))
}

fn side_by_side(
    records: &[(String, Record)],
    catalog: &Catalog,
    options: &Options,
) -> Option<Result<Comparison, String>> {
    let asked = compare::Options {
        price_kind: options.price_kind,
        region: options.region.clone(),
        discount: options.discount,
        today: options.today.clone(),
        ..compare::Options::default()
    };
    let compared = || compare::compare(records, catalog, &asked).map_err(|e| e.to_string());
    (records.len() > 1).then(compared)
}
