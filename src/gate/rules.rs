//! The rules of a gate run: how many rounds, which error rates, which changes matter.

use std::collections::BTreeMap;

use super::MetricClass;

/// Who else runs on the machine's processors: decides the margin of CPU rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// Others may run beside us: hosted runners, VMs with shared cores.
    Shared,
    /// Nobody else does.
    Dedicated,
}

/// What the gate decides by. [`Rules::new`] gives the defaults that METHODOLOGY.md speaks of.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Rounds of every row.
    pub screen_rounds: u32,
    /// Fresh rounds of a suspect.
    pub confirm_rounds: u32,
    /// One-sided error rate of the screening of a row: how many innocent rows cost more rounds.
    pub alpha_screen: f64,
    /// Bound on the chance of any false REGRESSED in a run, shared among its rows (Bonferroni);
    /// the same again, apart, for IMPROVED.
    pub alpha_confirm: f64,
    /// One-sided error rate of SAME, for each row: 0.05 makes a 90 % interval.
    pub alpha_same: f64,
    /// Changes up to this share do not matter.
    pub margins: BTreeMap<MetricClass, f64>,
    /// 99th percentile of |estimate| between identical builds on this sort of machine, as a share,
    /// where it was measured: no claim is made below one and a half times this.
    pub noise_floor: BTreeMap<MetricClass, f64>,
    /// From this shift of the control on, nothing is said of times.
    pub control_limit: f64,
}

/// How far above the noise of identical builds a claim must be.
const CLAIM_FACTOR: f64 = 1.5;

impl Rules {
    /// The defaults.
    pub fn new(machine: Machine) -> Self {
        let cpu = if machine == Machine::Shared { 0.05 } else { 0.03 };
        Self {
            screen_rounds: 8,
            confirm_rounds: 16,
            alpha_screen: 0.05,
            alpha_confirm: 0.01,
            alpha_same: 0.05,
            margins: BTreeMap::from([
                (MetricClass::Exact, 0.0),
                (MetricClass::GpuWarm, 0.02),
                (MetricClass::GpuCold, 0.03),
                (MetricClass::Cpu, cpu),
                (MetricClass::EndToEnd, 0.10),
                (MetricClass::Command, 0.05),
            ]),
            noise_floor: BTreeMap::new(),
            control_limit: 0.05,
        }
    }

    /// The practical margin of a class as a share, raised to the claim floor where one is known;
    /// 0 for exact metrics.
    pub fn margin(&self, class: MetricClass) -> f64 {
        if class == MetricClass::Exact {
            return 0.0;
        }
        let margin = self.margins.get(&class).copied().unwrap_or(0.0);
        let floor = self.noise_floor.get(&class).copied().unwrap_or(0.0);
        margin.max(CLAIM_FACTOR * floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claim_floor_raises_small_margins_only() {
        let mut rules = Rules::new(Machine::Shared);
        assert_eq!(rules.margin(MetricClass::Cpu), 0.05);
        assert_eq!(Rules::new(Machine::Dedicated).margin(MetricClass::Cpu), 0.03);
        rules.noise_floor =
            BTreeMap::from([(MetricClass::Cpu, 0.04), (MetricClass::EndToEnd, 0.04)]);
        assert!((rules.margin(MetricClass::Cpu) - 0.06).abs() < 1e-15);
        assert_eq!(rules.margin(MetricClass::EndToEnd), 0.10);
        rules.noise_floor.insert(MetricClass::Exact, 0.5);
        assert_eq!(rules.margin(MetricClass::Exact), 0.0);
    }
}
