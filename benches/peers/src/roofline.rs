//! What the machine can do at most, measured by the family `peak` in this process.

use anyhow::{Context, Result};
use breakeven::backend::cpu::CpuBackend;
use breakeven::backend::{Backend, Mode};
use breakeven::plan::{self, Filter};
use breakeven::suite::{self, FolderFiles};
use breakeven_kernels::work::{DeviceInfo, OpKind, Work};

const PROBES: &str = r#"
summary = "the roofline"

[[case]]
family = "peak"
kind = "fma"
dtype = ["f32", "bf16"]

[[case]]
family = "peak"
kind = "memory"
"#;

/// Peaks of one device.
pub struct Roofline {
    f32_ops_per_s: Option<f64>,
    bf16_ops_per_s: Option<f64>,
    bytes_per_s: Option<f64>,
}

impl Roofline {
    /// Measures `device`.
    ///
    /// # Errors
    /// A probe that fails.
    pub fn measured(device: &DeviceInfo) -> Result<Self> {
        let suite = suite::parse(PROBES, "roofline", "roofline")?;
        let files = FolderFiles::new(None);
        let devices = std::slice::from_ref(device);
        let plan = plan::plan(&suite, devices, &files, &Filter::default())?;
        let mut found = Self { f32_ops_per_s: None, bf16_ops_per_s: None, bytes_per_s: None };
        for job in &plan.jobs {
            let input = job.case.input(1)?;
            let mut cpu = CpuBackend.open(&device.id)?;
            let tuning = input.tunings(job.implementation, device).swap_remove(0);
            let program = input.program(job.implementation, device, &tuning)?;
            let mut session = cpu.load(program)?;
            let runs: Vec<f64> = (0..7)
                .map(|_| Ok(session.run(Mode::KernelWarm, 1)?.total_s))
                .collect::<Result<_>>()?;
            let best_s = runs.into_iter().min_by(f64::total_cmp).context("seven runs")?;
            let rate = input.work().useful / best_s;
            let place = match (job.case_key.contains("kind=memory"), input.work().op_kind) {
                (true, _) => &mut found.bytes_per_s,
                (false, OpKind::Bf16) => &mut found.bf16_ops_per_s,
                (false, _) => &mut found.f32_ops_per_s,
            };
            *place = Some(rate);
        }
        let giga = |rate: Option<f64>| rate.map_or("?".into(), |r| format!("{:.0}", r / 1e9));
        eprintln!(
            "roofline of {}: {} GFLOP/s f32, {} GFLOP/s bf16, {} GB/s",
            device.id,
            giga(found.f32_ops_per_s),
            giga(found.bf16_ops_per_s),
            giga(found.bytes_per_s)
        );
        Ok(found)
    }

    /// Most operations per second for `work`: min(peak, operations ÷ bytes × bandwidth).
    pub fn ops_per_s(&self, work: &Work) -> Option<f64> {
        let peak = match work.op_kind {
            // A CPU has no TF32 and multiplies its operands as f32.
            OpKind::F32 | OpKind::Tf32 => self.f32_ops_per_s?,
            // A CPU without bf16 arithmetic widens to f32.
            OpKind::Bf16 => self.bf16_ops_per_s.or(self.f32_ops_per_s)?,
            _ => return None,
        };
        let by_memory = work.ops / work.bytes_touched * self.bytes_per_s?;
        Some(peak.min(by_memory))
    }
}
