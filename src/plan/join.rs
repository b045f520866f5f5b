//! Suite × families × devices, joined by language.

use std::collections::HashSet;
use std::sync::Arc;

use breakeven_kernels::FAMILIES;
use breakeven_kernels::params::nearest;
use breakeven_kernels::work::{
    Case, DeviceInfo, DeviceKind, Family, Files, Implementation, Language,
};

use super::{Filter, Job, Plan, PlanError, Skip, commands, series};
use crate::record::Series;
use crate::suite::{Suite, SuiteCase};
use crate::units;

/// Joins cases and devices by language.
///
/// # Errors
/// [`PlanError`]; a pair that cannot run is a skip, not an error.
pub fn plan(
    suite: &Suite,
    devices: &[DeviceInfo],
    files: &dyn Files,
    filter: &Filter,
) -> Result<Plan, PlanError> {
    plan_families(FAMILIES, suite, devices, files, filter)
}

/// [`plan`] over the given families.
fn plan_families(
    families: &[&'static dyn Family],
    suite: &Suite,
    devices: &[DeviceInfo],
    files: &dyn Files,
    filter: &Filter,
) -> Result<Plan, PlanError> {
    check_globs(families, filter)?;
    let mut plan = Plan { jobs: Vec::new(), skips: Vec::new(), budget_s: suite.budget_s };
    let mut seen = HashSet::new();
    for written in &suite.cases {
        let (family, case) =
            build(families, &written.place, &written.family, &written.params, files)?;
        // Two spellings of one case (a default written out) are measured once.
        if !seen.insert(case.key()) {
            continue;
        }
        let entry = Entry { family, series: declared_series(&case.key(), written), case };
        if family.runs_programs(&written.params) {
            commands::join(&entry, devices, filter, &mut plan);
            continue;
        }
        for device in devices.iter().filter(|d| !commands::is_for_commands(d)) {
            entry.join(device, filter, &mut plan);
        }
    }
    let nothing = plan.jobs.is_empty() && plan.skips.is_empty();
    if nothing && !filter.implementation_globs.is_empty() {
        return Err(PlanError::NothingLeft {
            globs: filter.implementation_globs.join(", "),
            devices: devices.iter().map(|d| d.id.as_str()).collect::<Vec<_>>().join(", "),
        });
    }
    Ok(plan)
}

/// Looks up the family and builds the case; `place` is named in messages.
pub(super) fn build(
    families: &[&'static dyn Family],
    place: &str,
    family: &str,
    params: &breakeven_kernels::params::Params,
    files: &dyn Files,
) -> Result<(&'static dyn Family, Arc<dyn Case>), PlanError> {
    let names = || families.iter().map(|f| f.name());
    let Some(found) = families.iter().copied().find(|f| f.name() == family) else {
        return Err(PlanError::UnknownFamily {
            place: place.to_owned(),
            family: family.to_owned(),
            nearest: nearest(family, names()).map(str::to_owned),
            known: names().collect::<Vec<_>>().join(", "),
        });
    };
    match found.case(params, files) {
        Ok(case) => Ok((found, Arc::from(case))),
        Err(error) => Err(PlanError::Case { place: place.to_owned(), source: Box::new(error) }),
    }
}

fn declared_series(case_key: &str, written: &SuiteCase) -> Option<Series> {
    let axis = written.axis.as_deref()?;
    let value = series::number(&written.params, axis)?;
    let key = series::key(case_key, axis, &written.tied);
    Some(Series { key, axis: series::last(axis).to_owned(), value })
}

/// A case about to be joined with devices.
pub(super) struct Entry {
    family: &'static dyn Family,
    pub(super) case: Arc<dyn Case>,
    series: Option<Series>,
}

impl Entry {
    /// The implementations that the filter keeps.
    pub(super) fn implementations(
        &self,
        filter: &Filter,
    ) -> impl Iterator<Item = &'static Implementation> {
        let globs = filter.implementation_globs.clone();
        let kept = move |i: &&'static Implementation| {
            globs.is_empty() || globs.iter().any(|g| glob_matches(g, i.name))
        };
        self.family.implementations().iter().filter(kept)
    }

    /// Adds a job or a skip for each implementation that belongs on `device`.
    fn join(&self, device: &DeviceInfo, filter: &Filter, plan: &mut Plan) {
        let all = self.family.implementations();
        let belongs = |i: &&'static Implementation| {
            device.languages.contains(&i.language)
                || i.name.split('/').next() == Some(device.backend.as_str())
        };
        for implementation in self.implementations(filter).filter(belongs) {
            self.add(implementation, device, filter, plan);
        }
        if !all.iter().any(|i| belongs(&i)) {
            let reason = format!("{} has no implementation for {}", self.family.name(), device.id);
            plan.skips.push(self.skip("none", &device.id, reason));
        }
    }

    /// Adds a job, or a skip where the pair cannot run.
    pub(super) fn add(
        &self,
        implementation: &'static Implementation,
        device: &DeviceInfo,
        filter: &Filter,
        plan: &mut Plan,
    ) {
        match self.obstacle(implementation, device, filter) {
            None => plan.jobs.push(Job {
                case: Arc::clone(&self.case),
                family: self.family.name(),
                case_key: self.case.key(),
                series: self.series.clone(),
                implementation,
                device: device.id.clone(),
            }),
            Some(reason) => plan.skips.push(self.skip(implementation.name, &device.id, reason)),
        }
    }

    /// Why this pair cannot run, if it cannot.
    fn obstacle(
        &self,
        implementation: &'static Implementation,
        device: &DeviceInfo,
        filter: &Filter,
    ) -> Option<String> {
        if device.kind == DeviceKind::SoftwareGpu && !filter.allow_software {
            let why = "is a software adapter, not a GPU; --allow-software runs it";
            return Some(format!("{} {why}", device.id));
        }
        if !device.languages.contains(&implementation.language) {
            return Some(missing_language(implementation.language, device));
        }
        let too_big = |needed: u64, limit: Option<u64>, what: &str| {
            limit.filter(|limit| needed > *limit).map(|limit| {
                let (needed, limit) = (units::bytes(needed as f64), units::bytes(limit as f64));
                format!("needs {needed} of {what}, of which {limit} may be used")
            })
        };
        too_big(self.case.host_bytes(), filter.memory_bytes, "host memory")
            .or_else(|| {
                let limit = device.memory_bytes.filter(|_| device.kind != DeviceKind::Cpu);
                too_big(self.case.device_bytes(), limit, "device memory")
            })
            .or_else(|| self.case.supports(implementation, device).err().map(|u| u.0))
    }

    pub(super) fn skip(&self, implementation: &'static str, device: &str, reason: String) -> Skip {
        Skip {
            family: self.family.name(),
            case_key: self.case.key(),
            series: self.series.clone(),
            implementation,
            device: device.to_owned(),
            reason,
            work: self.case.work(),
        }
    }
}

fn missing_language(language: Language, device: &DeviceInfo) -> String {
    let library = match language {
        Language::Native => return format!("{} runs no Rust code", device.id),
        Language::Cuda => return format!("{} runs no CUDA", device.id),
        Language::Wgsl => return format!("{} runs no WGSL", device.id),
        Language::Process => return format!("{} starts no programs", device.id),
        Language::Library(library) => library,
    };
    format!("{library} was not found; `breakeven devices` says how to get it")
}

fn check_globs(families: &[&'static dyn Family], filter: &Filter) -> Result<(), PlanError> {
    let mut known: Vec<&str> =
        families.iter().flat_map(|f| f.implementations()).map(|i| i.name).collect();
    known.sort_unstable();
    known.dedup();
    match filter.implementation_globs.iter().find(|g| !known.iter().any(|k| glob_matches(g, k))) {
        None => Ok(()),
        Some(glob) => {
            Err(PlanError::NothingMatches { glob: glob.clone(), known: known.join(", ") })
        }
    }
}

/// Whether `text` matches `glob`, in which `*` is any run of characters and `?` any one.
pub fn glob_matches(glob: &str, text: &str) -> bool {
    let (glob, text) = (glob.as_bytes(), text.as_bytes());
    let (mut g, mut t) = (0, 0);
    // Where to take up again with one more character given to the last star.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if g < glob.len() && glob[g] == b'*' {
            retry = Some((g, t));
            g += 1;
        } else if g < glob.len() && (glob[g] == b'?' || glob[g] == text[t]) {
            (g, t) = (g + 1, t + 1);
        } else if let Some((star, from)) = retry {
            (g, t) = (star + 1, from + 1);
            retry = Some((star, from + 1));
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests;
