//! Rust programs in the device's rayon pool.

use std::time::Instant;

use breakeven_kernels::work::Native;

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
        let Self { device, program, .. } = self;
        let mut total = Timing { timer: Timer::Wall, depth: 1, ..Timing::default() };
        // Cold runs are timed one by one, so that the flush between them is not in the time.
        let (rounds, each) = match mode {
            Mode::KernelCold => (iterations, 1),
            Mode::KernelWarm | Mode::EndToEnd | Mode::Pipelined => (1, iterations),
        };
        for _ in 0..rounds {
            if mode == Mode::KernelCold {
                device.flush.run(&device.pool);
            }
            // The clock runs inside the pool: entering it is no part of the program.
            let (wall_s, host_cpu_s) = device
                .pool
                .install(|| {
                    let (cpu_s, start) = (process_cpu_s(), Instant::now());
                    for _ in 0..each {
                        program.run()?;
                    }
                    Ok::<_, String>((start.elapsed().as_secs_f64(), process_cpu_s() - cpu_s))
                })
                .map_err(BackendError::Run)?;
            total.total_s += wall_s;
            total.wall_s += wall_s;
            total.host_cpu_s += host_cpu_s;
        }
        Ok(total)
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
