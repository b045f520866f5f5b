//! Lines against the catalog and against each other.

use std::collections::HashMap;

use breakeven_kernels::params::nearest;

use super::{Device, ImportError, Refused, Row, Table};
use crate::catalog::{Catalog, Sku};

impl Table {
    /// Moves lines whose VM size the catalog lacks, or whose device the size lacks, to the refused
    /// ones; spells the sizes of the others as the catalog does.
    pub fn check_sizes(&mut self, catalog: &Catalog) {
        let rows = std::mem::take(&mut self.rows);
        for mut row in rows {
            match size(&row, catalog) {
                Ok(sku) => {
                    row.sku = sku.name.clone();
                    self.rows.push(row);
                }
                Err(problem) => self.refused.push(Refused { place: row.place, problem }),
            }
        }
    }

    /// Holds the lines of each workload to one unit and one size of a job.
    ///
    /// # Errors
    /// The first line that says otherwise than one before it.
    pub fn check_units(&self) -> Result<(), ImportError> {
        let mut firsts: HashMap<&str, &Row> = HashMap::new();
        for row in &self.rows {
            let first = *firsts.entry(&row.workload).or_insert(row);
            if first.unit != row.unit {
                return Err(ImportError::unusable(
                    &row.place,
                    format!(
                        "unit = {}, but {} counts workload {} in {}; convert one of them, or give \
                         the rows workloads of their own",
                        row.unit, first.place, row.workload, first.unit
                    ),
                ));
            }
            if first.units_per_job != row.units_per_job {
                let told = |units: Option<f64>| units.map_or("none".into(), |u| u.to_string());
                return Err(ImportError::unusable(
                    &row.place,
                    format!(
                        "units_per_job = {}, but {} has {} for workload {}; a job is the same \
                         everywhere (`import --units-per-job N` sets it)",
                        told(row.units_per_job),
                        first.place,
                        told(first.units_per_job),
                        row.workload
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn size<'a>(row: &Row, catalog: &'a Catalog) -> Result<&'a Sku, String> {
    let name = &row.sku;
    let Some(sku) = catalog.sku(Some(&row.provider), name) else {
        if let Some(other) = catalog.sku(None, name) {
            return Err(format!(
                "sku = {name}: is a size of {}, not of {}",
                other.provider, row.provider
            ));
        }
        let of_provider = catalog.skus.iter().filter(|s| s.provider == row.provider);
        let hint = nearest(name, of_provider.map(|s| s.name.as_str()))
            .map(|n| format!(", did you mean `{n}`?"))
            .unwrap_or_default();
        return Err(format!(
            "sku = {name}: no such size of {} in the catalog{hint} (see `breakeven list skus`; \
             --prices can add one)",
            row.provider
        ));
    };
    if let Some(why) = &sku.not_judged {
        return Err(format!("sku = {name}: is not judged: {why}"));
    }
    if row.device == Device::Gpu && !sku.has_gpu() {
        return Err(format!("device = gpu: {name} has no GPU in the catalog"));
    }
    Ok(sku)
}
