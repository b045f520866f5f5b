//! Each cell against its base, and the geometric means over the cases.

use super::interval::{self, Widths, ratio, sampling};
use super::{Case, Cell, Column, Mean, Ratio, Refusal, Timing};

/// The family of probes: it measures devices, not work, so it counts in no mean.
const PROBES: &str = "peak";
/// The family of the user's own programs, whose input does not come from the run's seed.
const COMMANDS: &str = "command";

impl Case {
    /// Whether it counts in means.
    pub fn counts(&self) -> bool {
        self.family != PROBES
    }
}

/// Sets the ratios of every cell to its base; returns what was refused.
pub fn set_ratios(cases: &mut [Case], columns: &[Column]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for case in cases {
        let ratios: Vec<[Option<Ratio>; 2]> = case
            .cells
            .iter()
            .map(|cell| {
                let found = columns[cell.column].base.and_then(|base| case.cell(base));
                let Some(base) = found else { return [None; 2] };
                match comparable(case, base, cell, columns) {
                    Ok(()) => [speed(base, cell, columns), cost(base, cell, columns)],
                    Err(reason) => {
                        let (what, base) =
                            (&columns[cell.column].label, &columns[base.column].label);
                        refusals.push(Refusal {
                            what: format!("{what} against {base}"),
                            case_key: Some(case.case_key.clone()),
                            reason,
                        });
                        [None; 2]
                    }
                }
            })
            .collect();
        for (cell, [speed, cost]) in case.cells.iter_mut().zip(ratios) {
            (cell.speed, cell.cost) = (speed, cost);
        }
    }
    refusals
}

/// Whether two cells of a case are of the same computation.
///
/// # Errors
/// What differs.
pub fn comparable(case: &Case, base: &Cell, cell: &Cell, columns: &[Column]) -> Result<(), String> {
    let seed = [columns[base.column].seed, columns[cell.column].seed];
    if seed[0] != seed[1] && case.family != COMMANDS {
        return Err(format!("other input: seed {} against {}", seed[1], seed[0]));
    }
    let differ = |a: f64, b: f64| (a - b).abs() > 1e-9 * a.abs().max(b.abs());
    if let (Some(a), Some(b)) = (cell.tolerance, base.tolerance)
        && differ(a, b)
    {
        return Err(format!("held to another tolerance: {a:e} against {b:e}"));
    }
    let useful = |cell: &Cell| cell.useful_per_s * cell.throughput.median_s;
    if differ(useful(cell), useful(base)) {
        let unit = &case.useful_unit;
        return Err(format!("other work: {:e} {unit} against {:e}", useful(cell), useful(base)));
    }
    if cell.call.mode != base.call.mode {
        return Err("timed differently: one side has device work alone".into());
    }
    Ok(())
}

/// Time of the base ÷ time of `cell`, by one call.
pub fn speed(base: &Cell, cell: &Cell, columns: &[Column]) -> Option<Ratio> {
    of_times(&base.call, &cell.call, [base.column, cell.column], columns)
}

fn of_times(over: &Timing, under: &Timing, of: [usize; 2], columns: &[Column]) -> Option<Ratio> {
    let value = over.median_s / under.median_s;
    let runs = of.map(|column| columns[column].between_runs);
    value.is_finite().then(|| ratio(value, sampling(over), sampling(under), runs))
}

/// Cost of an item in `cell` ÷ in `base`; prices are taken as exact.
fn cost(base: &Cell, cell: &Cell, columns: &[Column]) -> Option<Ratio> {
    let (times, of) = ([&cell.throughput, &base.throughput], [cell.column, base.column]);
    if times[0].mode.kernel() != times[1].mode.kernel() {
        return None;
    }
    let value = cell.usd_per_item? / base.usd_per_item?;
    let by_time = of_times(times[0], times[1], of, columns)?;
    let scale = value / by_time.value;
    Some(Ratio { value, lo90: by_time.lo90 * scale, hi90: by_time.hi90 * scale })
}

/// The geometric means of every column that has a base.
pub fn means(cases: &[Case], columns: &[Column]) -> Vec<Mean> {
    let mut pairs: Vec<Pairs> = columns.iter().map(|_| Pairs::default()).collect();
    for case in cases.iter().filter(|case| case.counts()) {
        for cell in &case.cells {
            let Some(base) = columns[cell.column].base.and_then(|base| case.cell(base)) else {
                continue;
            };
            let pair = &mut pairs[cell.column];
            if let Some(speed) = cell.speed {
                pair.speed.add(speed.value, &base.call, &cell.call);
            }
            if let Some(cost) = cell.cost {
                pair.cost.add(cost.value, &cell.throughput, &base.throughput);
            }
        }
    }
    let means = columns.iter().zip(pairs).enumerate().filter_map(|(column, (facts, pairs))| {
        let base = facts.base?;
        let of = [base, column];
        Some(Mean {
            column,
            base,
            speed: pairs.speed.mean(of, columns),
            speed_cases: pairs.speed.cases,
            cost: pairs.cost.mean(of, columns),
            cost_cases: pairs.cost.cases,
        })
    });
    means.collect()
}

#[derive(Default)]
struct Pairs {
    speed: Sum,
    cost: Sum,
}

/// What a geometric mean is made of.
#[derive(Default)]
pub struct Sum {
    logs: f64,
    /// Sums of squared sampling widths: of the dividends, and of the divisors.
    over: [f64; 2],
    under: [f64; 2],
    /// Ratios in it.
    pub cases: usize,
}

impl Sum {
    /// Adds a ratio of `value` and the two times that its interval follows from.
    pub fn add(&mut self, value: f64, over: &Timing, under: &Timing) {
        self.logs += value.ln();
        self.cases += 1;
        for (sums, widths) in [(&mut self.over, sampling(over)), (&mut self.under, sampling(under))]
        {
            sums[0] += widths.down.powi(2);
            sums[1] += widths.up.powi(2);
        }
    }

    /// The geometric mean. Sampling errors average out over the cases; how a run differs does not,
    /// because it moves all cases of the run together.
    pub fn mean(&self, of: [usize; 2], columns: &[Column]) -> Option<Ratio> {
        if self.cases == 0 {
            return None;
        }
        let n = self.cases as f64;
        let widths = |sums: [f64; 2]| Widths { down: sums[0].sqrt() / n, up: sums[1].sqrt() / n };
        let runs = of.map(|column| columns[column].between_runs);
        let value = (self.logs / n).exp();
        Some(interval::ratio(value, widths(self.over), widths(self.under), runs))
    }
}
