//! Rust programs in the device's rayon pool.

use std::time::Instant;

use breakeven_kernels::work::Native;

use super::flush::Flush;
use super::{CpuDevice, process_cpu_s};
use crate::backend::{BackendError, Mode, OneOff, Session, Timer, Timing};

/// A native program on a CPU.
pub(super) struct NativeSession<'d> {
    device: &'d mut CpuDevice,
    program: Box<dyn Native>,
    one_off: OneOff,
}

impl<'d> NativeSession<'d> {
    pub(super) fn new(device: &'d mut CpuDevice, program: Box<dyn Native>) -> Self {
        Self { device, program, one_off: OneOff::default() }
    }
}

impl Session for NativeSession<'_> {
    fn reset(&mut self) -> Result<(), BackendError> {
        self.program.poison();
        Ok(())
    }

    fn run(&mut self, mode: Mode, iterations: u32) -> Result<Timing, BackendError> {
        Ok(self.sample(mode, iterations, 1)?.pop().unwrap_or_default())
    }

    /// Enters the pool once for all samples: waking its threads takes as long as short kernels.
    fn sample(
        &mut self,
        mode: Mode,
        iterations: u32,
        samples: usize,
    ) -> Result<Vec<Timing>, BackendError> {
        let Self { device, program, .. } = self;
        let CpuDevice { pool, flush, .. } = &mut **device;
        let mut one = || match mode {
            Mode::KernelCold => cold(&mut **program, flush, iterations),
            Mode::KernelWarm | Mode::EndToEnd | Mode::Pipelined => {
                timed(&mut **program, iterations)
            }
        };
        pool.install(|| (0..samples).map(|_| one()).collect::<Result<_, _>>())
            .map_err(BackendError::Run)
    }

    fn outputs(&mut self) -> Result<Vec<Vec<u8>>, BackendError> {
        Ok(self.program.outputs())
    }

    fn modes(&self) -> &'static [Mode] {
        &[Mode::KernelWarm, Mode::KernelCold]
    }

    fn one_off(&self) -> &OneOff {
        &self.one_off
    }

    fn launches(&self) -> u32 {
        0
    }
}

/// `iterations` executions, one after the other. Runs inside the pool, so that entering it is no
/// part of the program.
fn timed(program: &mut dyn Native, iterations: u32) -> Result<Timing, String> {
    let (cpu_s, start) = (process_cpu_s(), Instant::now());
    for _ in 0..iterations {
        program.run()?;
    }
    let wall_s = start.elapsed().as_secs_f64();
    let host_cpu_s = process_cpu_s() - cpu_s;
    Ok(Timing {
        total_s: wall_s,
        wall_s,
        host_cpu_s,
        timer: Timer::Wall,
        depth: 1,
        ..Timing::default()
    })
}

/// `iterations` executions, each with empty caches and timed by itself: the flush between them is
/// not in the time.
fn cold(program: &mut dyn Native, flush: &mut Flush, iterations: u32) -> Result<Timing, String> {
    let mut total = Timing { timer: Timer::Wall, depth: 1, ..Timing::default() };
    for _ in 0..iterations {
        flush.run();
        let one = timed(program, 1)?;
        total.total_s += one.total_s;
        total.wall_s += one.wall_s;
        total.host_cpu_s += one.host_cpu_s;
    }
    Ok(total)
}
