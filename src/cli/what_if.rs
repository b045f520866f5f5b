//! `--jobs-per-day`, `--price` and the like: other figures than the workload's and the catalog's.

use breakeven_kernels::params::nearest;

use super::args::WhatIfArgs;
use super::exit::Failure;
use crate::catalog::{Catalog, Os, Price};
use crate::classify::Options;
use crate::cost::fleet::Settings;
use crate::workload::Workload;

/// How nodes are kept, started and lost, where the user says otherwise than usual.
pub fn settings(args: &WhatIfArgs) -> Settings {
    let usual = Settings::default();
    Settings {
        target_utilisation: args.target_utilisation.unwrap_or(usual.target_utilisation),
        min_nodes: args.min_nodes,
        start_up_min: args.start_up_min,
        cool_down_min: args.cool_down_min.unwrap_or(usual.cool_down_min),
        evictions_per_h: args.evictions_per_h.unwrap_or(usual.evictions_per_h),
    }
}

/// The workload at the demand asked for.
pub fn workload(workload: &Workload, args: &WhatIfArgs) -> Workload {
    let mut asked = workload.clone();
    if let Some(jobs) = args.jobs_per_day {
        asked.demand.jobs_per_day = jobs;
    }
    asked
}

/// Puts the prices given with `--price` in place of the catalog's, for the kind and the region
/// that the options ask for.
///
/// # Errors
/// Usage: a size that the catalog lacks.
pub fn prices(args: &WhatIfArgs, catalog: &mut Catalog, options: &Options) -> Result<(), Failure> {
    for (name, price_usd_per_h) in &args.price {
        let provider = options.provider.as_deref();
        let own = |provider_of: &str| provider.is_none_or(|p| p == provider_of);
        let found =
            catalog.skus.iter().position(|s| own(&s.provider) && s.name.eq_ignore_ascii_case(name));
        let Some(found) = found else {
            let names = catalog.skus.iter().filter(|s| own(&s.provider)).map(|s| s.name.as_str());
            let hint =
                nearest(name, names).map(|n| format!(", did you mean `{n}`?")).unwrap_or_default();
            return Err(Failure::usage(format!(
                "--price {name}={price_usd_per_h}: no such VM size of {}{hint}; see `list skus`",
                provider.unwrap_or("any provider")
            )));
        };
        let prices = &mut catalog.skus[found].prices;
        prices.retain(|p| p.kind != options.price_kind);
        // Whatever the nodes run: it is the hour that was given.
        prices.extend([Os::Linux, Os::Windows].map(|os| Price {
            region: options.region.clone().unwrap_or_else(|| "any region".into()),
            os,
            kind: options.price_kind,
            price_usd_per_h: *price_usd_per_h,
            as_of: options.today.clone().unwrap_or_default(),
            source: "--price".into(),
        }));
    }
    Ok(())
}
