//! The control case: a loop of fixed work in the gate's own process, beside every arm's process. It
//! holds no user code, so where it moves between the arms, the machine did.

use std::hint::black_box;
use std::time::Instant;

/// Seconds that one look should take: short against a scheduler's time slice, so that the median
/// of the looks shows the clock and not who else ran.
const LOOK_S: f64 = 1e-3;
/// Looks before and after a process.
const LOOKS: usize = 12;

/// The loop, calibrated once.
pub struct Control {
    steps: u64,
}

impl Control {
    /// Finds out how many steps fill a look.
    pub fn new() -> Self {
        let mut steps = 1 << 12;
        while time_s(steps) < LOOK_S && steps < 1 << 40 {
            steps *= 2;
        }
        Self { steps }
    }

    /// Adds some looks, in seconds each.
    pub fn look(&self, into: &mut Vec<f64>) {
        into.extend((0..LOOKS).map(|_| time_s(self.steps)));
    }
}

/// Seconds of a chain of multiplications: each waits for the one before, in registers, so the time
/// is cycles over clock and depends on no memory, no cache and no layout of code.
fn time_s(steps: u64) -> f64 {
    let start = Instant::now();
    let mut value = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..steps {
        value = value.wrapping_mul(0xd134_2543_de82_ef95) ^ (value >> 29);
    }
    black_box(value);
    start.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_take_about_a_millisecond_and_grow_with_the_work() {
        let control = Control::new();
        // In turns, and again until a quiet moment met both: others share the machine.
        let (mut one, mut four) = (f64::INFINITY, f64::INFINITY);
        for turn in 0..400 {
            one = one.min(time_s(control.steps));
            four = four.min(time_s(4 * control.steps));
            if turn >= 20 && four > 3.0 * one {
                break;
            }
        }
        assert!(one > 0.2e-3 && one < 50e-3, "{one}");
        assert!(four > 3.0 * one, "{one} {four}");
    }
}
