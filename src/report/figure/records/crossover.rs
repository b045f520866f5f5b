//! From which size on the GPU is faster, by what was measured and no more.

use breakeven_kernels::work::DeviceKind;

use super::select::{Curve, Point, interval};
use crate::report::figure::scale::number;
use crate::report::numbers::count;

/// Who is faster at a size. Neither, where the 95 % intervals overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Winner {
    Cpu,
    Gpu,
    Neither,
}

/// A size at which both kinds were measured end to end, each by its fastest implementation.
#[derive(Clone, Copy)]
pub struct Duel<'r> {
    pub size: f64,
    pub cpu: Point<'r>,
    pub gpu: Point<'r>,
}

impl Duel<'_> {
    pub fn winner(&self) -> Winner {
        let ([_, cpu_lo, cpu_hi], [_, gpu_lo, gpu_hi]) =
            (interval(self.cpu.time), interval(self.gpu.time));
        if gpu_hi < cpu_lo {
            Winner::Gpu
        } else if cpu_hi < gpu_lo {
            Winner::Cpu
        } else {
            Winner::Neither
        }
    }

    /// CPU time by GPU time, with the widest range that both 95 % intervals allow.
    pub fn speed_up(&self) -> [f64; 3] {
        let (cpu, gpu) = (interval(self.cpu.time), interval(self.gpu.time));
        [cpu[0] / gpu[0], cpu[1] / gpu[2], cpu[2] / gpu[1]]
    }
}

/// The sizes at which both kinds were measured, smallest first.
pub fn duels<'r>(curve: &Curve<'r>) -> Vec<Duel<'r>> {
    let gpus = curve.best(DeviceKind::Gpu);
    let other = |cpu: Point<'r>| {
        let gpu = gpus.iter().find(|gpu| gpu.size == cpu.size)?;
        Some(Duel { size: cpu.size, cpu, gpu: *gpu })
    };
    curve.best(DeviceKind::Cpu).into_iter().filter_map(other).collect()
}

/// What the sizes say, smallest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crossover {
    /// The last size where the CPU is faster, and the first from which the GPU is faster at all
    /// larger ones.
    Between { cpu: f64, gpu: f64 },
    /// The GPU is faster at all sizes.
    GpuThroughout,
    /// The CPU is faster at all sizes.
    CpuThroughout,
    /// The GPU is faster from this size on; below, no size is surely the CPU's.
    GpuFrom(f64),
    /// At the largest size the GPU is not surely faster.
    NotAtTheTop,
}

/// By GPU-BLOB's rule: the least size from which the GPU wins at all larger measured sizes.
/// `None` with fewer than two sizes.
pub fn crossover(sizes: &[(f64, Winner)]) -> Option<Crossover> {
    if sizes.len() < 2 {
        return None;
    }
    let all = |who: Winner| sizes.iter().all(|(_, winner)| *winner == who);
    if all(Winner::Cpu) {
        return Some(Crossover::CpuThroughout);
    }
    if all(Winner::Gpu) {
        return Some(Crossover::GpuThroughout);
    }
    let tail = sizes.iter().rev().take_while(|(_, winner)| *winner == Winner::Gpu).count();
    let (before, from_there) = sizes.split_at(sizes.len() - tail);
    let Some((gpu, _)) = from_there.first() else { return Some(Crossover::NotAtTheTop) };
    let last_cpu = before.iter().rev().find(|(_, winner)| *winner == Winner::Cpu);
    Some(match last_cpu {
        Some((cpu, _)) => Crossover::Between { cpu: *cpu, gpu: *gpu },
        None => Crossover::GpuFrom(*gpu),
    })
}

/// The sentence of it, along `axis`.
pub fn sentence(duels: &[Duel], axis: &str) -> String {
    let sizes: Vec<(f64, Winner)> = duels.iter().map(|d| (d.size, d.winner())).collect();
    tell(&sizes, axis)
}

fn tell(sizes: &[(f64, Winner)], axis: &str) -> String {
    let wins = |who: Winner| sizes.iter().filter(|(_, winner)| *winner == who).count();
    let at = |size: f64| format!("{axis} = {}", number(size));
    let Some(found) = crossover(sizes) else {
        return match sizes {
            [] => {
                "CPU and GPU were not measured at the same size, so nothing is said of a crossover"
                    .into()
            }
            [(size, winner)] => format!(
                "Both were measured at one size only, {}: {}; one size shows no crossover",
                at(*size),
                match winner {
                    Winner::Cpu => "the CPU is faster end to end",
                    Winner::Gpu => "the GPU is faster end to end",
                    Winner::Neither => "neither is surely faster",
                }
            ),
            _ => String::new(),
        };
    };
    let none = "No crossover in the tested range";
    let all = sizes.len();
    match found {
        Crossover::Between { cpu, gpu } => {
            let undecided = sizes.iter().filter(|(s, _)| *s > cpu && *s < gpu).count();
            let between = match undecided {
                0 => String::new(),
                1 => ", with one size between them that is not surely either's".to_owned(),
                n => format!(", with {n} sizes between them that are not all surely either's"),
            };
            let early = sizes.iter().filter(|(s, w)| *s < cpu && *w == Winner::Gpu).count();
            let early = if early == 0 {
                String::new()
            } else {
                format!(
                    "; it is faster at {} below too, so the winner changes more than once",
                    count(early, "size")
                )
            };
            format!(
                "The GPU is faster end to end from {} on, at all larger measured sizes; the last size \
                 where the CPU is faster is {}: the crossover lies between them{between}{early}",
                at(gpu),
                at(cpu)
            )
        }
        Crossover::GpuThroughout => {
            format!("{none}: the GPU is faster end to end at all {all} sizes")
        }
        Crossover::CpuThroughout => {
            format!("{none}: the CPU is faster than the GPU end to end at all {all} sizes")
        }
        Crossover::GpuFrom(gpu) => format!(
            "{none}: the GPU is faster end to end from {} on, at all larger measured sizes, and below \
             it no size is surely the CPU's",
            at(gpu)
        ),
        Crossover::NotAtTheTop => format!(
            "{none}: of {all} sizes the GPU is surely faster end to end at {}, the CPU at {}, and the \
             GPU is not at the largest",
            wins(Winner::Gpu),
            wins(Winner::Cpu)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: Winner = Winner::Cpu;
    const G: Winner = Winner::Gpu;
    const N: Winner = Winner::Neither;

    fn of(winners: &[Winner]) -> Option<Crossover> {
        let sizes: Vec<(f64, Winner)> =
            winners.iter().enumerate().map(|(i, w)| ((i + 1) as f64, *w)).collect();
        crossover(&sizes)
    }

    #[test]
    fn a_crossover_needs_a_size_on_either_side() {
        assert_eq!(of(&[C, C, G, G]), Some(Crossover::Between { cpu: 2.0, gpu: 3.0 }));
        assert_eq!(of(&[C, N, G]), Some(Crossover::Between { cpu: 1.0, gpu: 3.0 }));
        assert_eq!(of(&[G, G]), Some(Crossover::GpuThroughout));
        assert_eq!(of(&[C, C]), Some(Crossover::CpuThroughout));
        assert_eq!(of(&[N, G]), Some(Crossover::GpuFrom(2.0)));
        assert_eq!(of(&[G]), None);
    }

    #[test]
    fn a_gpu_that_wins_in_the_middle_only_has_no_crossover() {
        // A textbook once claimed a crossover at the first size where the GPU won, though its own
        // table had the CPU ahead again above it.
        assert_eq!(of(&[C, G, C]), Some(Crossover::NotAtTheTop));
        assert_eq!(of(&[C, G, N]), Some(Crossover::NotAtTheTop));
        assert_eq!(of(&[G, C]), Some(Crossover::NotAtTheTop));
        // Only the last stretch counts.
        assert_eq!(of(&[C, G, C, G]), Some(Crossover::Between { cpu: 3.0, gpu: 4.0 }));
        let told = tell(&[(1.0, C), (2.0, G), (4.0, C), (8.0, G)], "m");
        assert!(told.contains("from m = 8 on") && told.contains("more than once"), "{told}");
    }

    #[test]
    fn no_sentence_claims_a_crossover_that_is_not_there() {
        for winners in [vec![C, G, C], vec![G, G], vec![C, C], vec![N, G], vec![N, N], vec![G, C]] {
            let sizes: Vec<(f64, Winner)> =
                winners.iter().enumerate().map(|(i, w)| ((i + 1) as f64, *w)).collect();
            let told = tell(&sizes, "m");
            assert!(told.starts_with("No crossover in the tested range"), "{winners:?}: {told}");
        }
        assert!(!tell(&[(256.0, G)], "m").contains("the crossover lies"));
        assert!(!tell(&[], "m").contains("the crossover lies"));
    }
}
