//! How far from its median a cost may move before it takes a step.
//!
//! Costs are steps of whole nodes. An interval whose two ends cost the same says that nothing
//! moves within 90 %, not that nothing ever does: the next node may be needed just beyond it. So a
//! probability is never above that of staying short of the step that would turn the answer.

use super::judge::phi;
use crate::cost::Level;

/// Quarters of a standard deviation that are looked at.
const QUARTERS: i8 = 16;

/// ln(cost ÷ median cost) in absolute value at each quarter of a standard deviation one way.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Steps([f64; QUARTERS as usize]);

impl Steps {
    /// Looks at `cost` with its times moved towards `sign` (1: slower and dearer, −1: the
    /// reverse); `None` where a cost is unknown.
    pub fn new(median: f64, sign: i8, cost: impl Fn(Level) -> Option<f64>) -> Option<Self> {
        let mut steps = Self::default();
        for (quarter, moved) in (1..).zip(&mut steps.0) {
            *moved = (cost(Level::Quarters(sign * quarter))? / median).ln().abs();
        }
        Some(steps)
    }

    /// P that the cost does not move by `headroom` (log) or more: Φ of the last look before.
    pub fn stays_within(&self, headroom: f64) -> f64 {
        let before = self.0.iter().take_while(|moved| **moved < headroom).count();
        phi(before as f64 / 4.0)
    }

    /// The least headroom with which [`Self::stays_within`] is Φ(`z`) or more.
    pub fn headroom_for(&self, z: f64) -> f64 {
        let looks = (z * 4.0).ceil().max(1.0) as usize;
        self.0[looks.min(self.0.len()) - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_beyond_the_interval_still_counts() {
        // One node up to 2.2 deviations, then two: ln 2 from the look at 2.25 on.
        let cost = |level| match level {
            Level::Quarters(quarters) => Some(if quarters > 8 { 2.0 } else { 1.0 }),
            _ => None,
        };
        let steps = Steps::new(1.0, 1, cost).expect("costs");
        // Φ(2) = 0.977250.
        assert!((steps.stays_within(0.5) - 0.977_250).abs() < 1e-6);
        // A headroom of more than ln 2 is never used up: Φ(4) = 0.999968.
        assert!((steps.stays_within(0.7) - 0.999_968).abs() < 1e-6);
        assert_eq!(steps.headroom_for(1.645), 0.0);
        assert_eq!(steps.headroom_for(2.1), 2f64.ln());
        assert_eq!(steps.headroom_for(9.0), 2f64.ln());
    }
}
