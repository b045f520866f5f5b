//! The rounds: screen every row, confirm the suspects with fresh rounds, keep all that was seen.

use super::bench::{ARMS, Bench, Got, Name, Tools, Trouble, Unit, Value};
use crate::cli::exit::Failure;
use crate::gate::{self, Arm, Fault, Measured, Pair, Round, RowData, Rules};

/// Told after each round: rounds done, and of how many.
pub type Watch<'a> = dyn FnMut(u32, u32) + 'a;

/// A gate run as it goes on.
pub struct Drive<'a> {
    pub bench: &'a mut Bench,
    pub tools: &'a mut Tools,
    pub rules: &'a Rules,
    pub seed: u64,
    units: Vec<Unit>,
    /// Where each unit's rows begin in `measured`.
    first_row: Vec<usize>,
    measured: Measured,
    round: u32,
    /// Seconds of the longest round of all rows so far.
    round_s: f64,
}

/// What the rounds would take.
#[derive(Debug, Clone, Copy)]
pub struct Forecast {
    /// Rows that can be compared.
    pub rows: usize,
    /// Seconds of the calibration that was run to know.
    pub calibration_s: f64,
    /// Seconds of one round of all rows.
    pub round_s: f64,
}

impl<'a> Drive<'a> {
    /// Calibrates with the base and tries the candidate.
    ///
    /// # Errors
    /// Usage, nothing to compare, a full disk.
    pub fn prepare(
        bench: &'a mut Bench,
        tools: &'a mut Tools,
        rules: &'a Rules,
        seed: u64,
    ) -> Result<Self, Failure> {
        let units = bench.prepare(tools)?;
        let (mut rows, mut first_row) = (Vec::new(), Vec::new());
        for unit in &units {
            first_row.push(rows.len());
            rows.extend(unit.rows.iter().map(|(id, class)| RowData {
                id: id.clone(),
                class: *class,
                screen: Vec::new(),
                confirm: Vec::new(),
                fault: unit.fault.clone(),
            }));
        }
        let measured = Measured { rows, ..Measured::default() };
        Ok(Self { bench, tools, rules, seed, units, first_row, measured, round: 0, round_s: 0.0 })
    }

    /// One round whose numbers are not kept, to see what the others would take.
    ///
    /// # Errors
    /// A full disk.
    pub fn forecast(&mut self) -> Result<Forecast, Failure> {
        let calibration_s = self.tools.stop.elapsed_s();
        let sound = self.sound();
        let rows = sound.iter().map(|unit| self.units[*unit].rows.len()).sum();
        let name = Name { stage: "forecast", round: 0 };
        self.bench.round(name, Arm::Base, &sound, self.tools)?;
        let round_s = self.tools.stop.elapsed_s() - calibration_s;
        Ok(Forecast { rows, calibration_s, round_s })
    }

    /// What is wrong with the units that cannot run, one sentence each.
    pub fn faults(&self) -> Vec<String> {
        let told = |unit: &Unit| {
            let (arm, fault) = unit.fault.as_ref()?;
            let id = &unit.rows.first()?.0;
            Some(format!("{}: {} {fault}", id.case_key, super::bench::word(*arm)))
        };
        self.units.iter().filter_map(told).collect()
    }

    /// All rounds.
    ///
    /// # Errors
    /// A full disk; what was measured stands in the journal.
    pub fn run(mut self, watch: &mut Watch<'_>) -> Result<Measured, Failure> {
        let screening = self.rules.screen_rounds;
        self.stage("screen", self.sound(), screening, screening, watch)?;
        let suspects = gate::suspects(&self.measured, self.rules);
        let unit_of = |row: &usize| self.first_row.partition_point(|first| first <= row) - 1;
        let mut units: Vec<usize> = suspects.iter().map(unit_of).collect();
        units.dedup();
        units.retain(|unit| self.measured.rows[self.first_row[*unit]].fault.is_none());
        if !units.is_empty() && self.measured.cut_short.is_none() {
            let rounds = self.rules.confirm_rounds;
            self.stage("confirm", units, rounds, screening + rounds, watch)?;
        }
        Ok(self.measured)
    }

    /// Units without a fault.
    fn sound(&self) -> Vec<usize> {
        let fine = |unit: &usize| self.measured.rows[self.first_row[*unit]].fault.is_none();
        (0..self.units.len()).filter(fine).collect()
    }

    fn stage(
        &mut self,
        stage: &'static str,
        mut units: Vec<usize>,
        rounds: u32,
        total: u32,
        watch: &mut Watch<'_>,
    ) -> Result<(), Failure> {
        let mut groups: Vec<usize> = units.iter().map(|unit| self.units[*unit].group).collect();
        groups.dedup();
        // The stages need seeds of their own, or their orders are the same.
        let seed = self.seed.wrapping_mul(2).wrapping_add(u64::from(stage == "confirm"));
        let share = units.len() as f64 / self.units.len().max(1) as f64;
        for plan in gate::schedule(seed, rounds, groups.len()) {
            if units.is_empty() {
                break;
            }
            if !self.tools.stop.has_time_for(self.round_s * share) {
                self.measured.cut_short = Some(self.tools.stop.reason());
                break;
            }
            self.round += 1;
            let order = ordered(&plan, &groups, &units, &self.units);
            self.one_round(stage, plan.first, &order)?;
            if self.measured.cut_short.is_some() {
                break;
            }
            let rows = &self.measured.rows;
            units.retain(|unit| rows[self.first_row[*unit]].fault.is_none());
            watch(self.round, total);
        }
        Ok(())
    }

    fn one_round(
        &mut self,
        stage: &'static str,
        first: Arm,
        order: &[usize],
    ) -> Result<(), Failure> {
        let (round, start_s) = (self.round, self.tools.stop.elapsed_s());
        let got = self.bench.round(Name { stage, round }, first, order, self.tools)?;
        self.round_s = self.round_s.max(self.tools.stop.elapsed_s() - start_s);
        let mut cut = false;
        for (unit, both) in got.units {
            let rows = self.first_row[unit]..self.first_row[unit] + self.units[unit].rows.len();
            let rows = &mut self.measured.rows[rows];
            match values(both) {
                Ok([base, cand]) => {
                    for ((row, base), cand) in rows.iter_mut().zip(base).zip(cand) {
                        let cycles = base.cycles.zip(cand.cycles).map(|(b, c)| [b, c]);
                        let (base, cand) = (base.time_s, cand.time_s);
                        let pair = Pair { round, first, base, cand, cycles };
                        let kept =
                            if stage == "confirm" { &mut row.confirm } else { &mut row.screen };
                        kept.push(pair);
                    }
                }
                Err(None) => cut = true,
                Err(Some(fault)) => rows.iter_mut().for_each(|row| row.fault = Some(fault.clone())),
            }
        }
        // A round that was cut has half a control: it says nothing.
        let [base, cand] = got.control;
        if cut {
            self.measured.cut_short = Some(self.tools.stop.reason());
        } else if base.is_finite() && cand.is_finite() {
            self.measured.control.push(Pair { round, first, base, cand, cycles: None });
        }
        Ok(())
    }
}

/// Both arms' values, or the first fault (`None`: everything had to stop).
fn values(both: [Got; 2]) -> Result<[Vec<Value>; 2], Option<(Arm, Fault)>> {
    let arm = |arm: Arm, got: Got| match got {
        Ok(values) => {
            let wrong = values.iter().find(|v| !(v.time_s.is_finite() && v.time_s > 0.0));
            match wrong {
                Some(value) => Err(Some((
                    arm,
                    Fault::Failed(format!(
                        "a run took {} s by the clock, which no run does; the clock of this \
                         machine cannot be trusted",
                        value.time_s
                    )),
                ))),
                None => Ok(values),
            }
        }
        Err(Trouble::Fault(fault)) => Err(Some((arm, fault))),
        Err(Trouble::Cut) => Err(None),
    };
    let [base, cand] = both;
    // A fault of the candidate counts even where the base had none to show beside it.
    match (arm(ARMS[0], base), arm(ARMS[1], cand)) {
        (Ok(base), Ok(cand)) => Ok([base, cand]),
        (_, Err(Some(fault))) | (Err(Some(fault)), _) => Err(Some(fault)),
        _ => Err(None),
    }
}

/// Units in the round's order of their groups.
fn ordered(plan: &Round, groups: &[usize], units: &[usize], all: &[Unit]) -> Vec<usize> {
    let of = |group: usize| units.iter().copied().filter(move |unit| all[*unit].group == group);
    plan.cases.iter().flat_map(|case| of(groups[*case])).collect()
}
