//! What can be decided about a launch without a driver: argument slots, sizes, PTX choice.

use breakeven_kernels::recording::{Arg, BufferId, Command, LibraryCall, Recording};

/// Most arguments of a kernel.
pub(super) const MAX_ARGS: usize = 32;

/// Bytes that a buffer really takes: a multiple of 4 and not nothing.
pub(super) fn rounded(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(4)
}

/// A launch as the driver takes it.
#[derive(Debug, PartialEq)]
pub(super) struct Launch {
    /// Blocks.
    pub(super) grid: [u32; 3],
    /// Threads of a block.
    pub(super) block: [u32; 3],
    /// Dynamic shared memory in bytes.
    pub(super) shared_bytes: u32,
    /// One per argument; a scalar lies in the low bytes (little endian).
    pub(super) slots: Vec<u64>,
}

/// Argument slots, given address and size of each buffer.
pub(super) fn slots(args: &[Arg], buffers: &[(u64, u64)]) -> Vec<u64> {
    args.iter()
        .map(|arg| match arg {
            Arg::Read(id) | Arg::Write(id) => buffers[id.0].0,
            Arg::U32(v) => u64::from(*v),
            Arg::I32(v) => u64::from(v.cast_unsigned()),
            Arg::F32(v) => u64::from(v.to_bits()),
            // Buffers beyond 4 GiB have no capacity argument (refused by `check`).
            Arg::Capacity(id) => buffers[id.0].1 as u32 as u64,
        })
        .collect()
}

/// The PTX for the newest architecture that `capability` can run.
pub(super) fn choose_ptx(
    ptx: &'static [(u32, &'static str)],
    capability: (u32, u32),
) -> Option<&'static str> {
    let chip = capability.0 * 10 + capability.1;
    ptx.iter()
        .filter(|(arch, _)| *arch <= chip)
        .max_by_key(|(arch, _)| *arch)
        .map(|(_, text)| *text)
}

/// Refuses recordings that no driver call could catch: ids and sizes that do not fit.
///
/// # Errors
/// The first problem, in words.
pub(super) fn check(recording: &Recording) -> Result<(), String> {
    let buffer = |id: usize| {
        recording.buffers.get(id).ok_or_else(|| format!("there is no buffer {id} in the recording"))
    };
    for b in &recording.buffers {
        if b.data.len() as u64 > b.bytes {
            return Err(format!(
                "`{}` holds {} bytes of data in {}",
                b.name,
                b.data.len(),
                b.bytes
            ));
        }
        if let Some(used) = b.used {
            let room = rounded(buffer(used.buffer.0)?.bytes);
            if (u64::from(used.index) + 1) * 4 > room {
                return Err(format!("the used count of `{}` lies outside its buffer", b.name));
            }
        }
    }
    for command in &recording.commands {
        match command {
            Command::Dispatch { kernel, args, .. } => {
                if args.len() > MAX_ARGS {
                    let n = args.len();
                    return Err(format!(
                        "{} takes {n} arguments, {MAX_ARGS} at most",
                        kernel.entry
                    ));
                }
                for arg in args {
                    if let Arg::Read(id) | Arg::Write(id) | Arg::Capacity(id) = arg {
                        buffer(id.0)?;
                    }
                    if let Arg::Capacity(id) = arg
                        && rounded(buffer(id.0)?.bytes) > u64::from(u32::MAX)
                    {
                        let name = buffer(id.0)?.name;
                        return Err(format!("`{name}` is beyond 4 GiB; choose a smaller case"));
                    }
                }
            }
            Command::Clear(id) => drop(buffer(id.0)?),
            Command::Copy { from, to, bytes } => {
                let least = rounded(buffer(from.0)?.bytes).min(rounded(buffer(to.0)?.bytes));
                if *bytes > least {
                    return Err(format!("a copy of {bytes} bytes between buffers of {least}"));
                }
            }
            Command::Library(call) => {
                for (id, bytes) in operands(call) {
                    let b = buffer(id.0)?;
                    if b.bytes < bytes {
                        let (name, have) = (b.name, b.bytes);
                        return Err(format!("`{name}` has {have} bytes, the call takes {bytes}"));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The buffers of a library call and the bytes it reads or writes in each.
fn operands(call: &LibraryCall) -> [(BufferId, u64); 3] {
    let product =
        |factors: &[u32]| factors.iter().fold(1u64, |all, f| all.saturating_mul(u64::from(*f)));
    match *call {
        LibraryCall::Gemm { m, n, k, batch, dtype, a, b, c } => {
            let operand = dtype.bytes() as u32;
            [
                (a, product(&[operand, batch, m, k])),
                (b, product(&[operand, batch, k, n])),
                (c, product(&[4, batch, m, n])),
            ]
        }
        LibraryCall::Conv2d { shape: s, x, w, y } => [
            (x, product(&[4, s.batch, s.c_in, s.height, s.width])),
            (w, product(&[4, s.c_out, s.c_in / s.groups.max(1), s.kernel_h, s.kernel_w])),
            (y, product(&[4, s.batch, s.c_out, s.out_h(), s.out_w()])),
        ],
    }
}

/// The size to give an output of `bytes` that needs `used`: doubled until it fits.
pub(super) fn grown(bytes: u64, used: u64) -> u64 {
    let mut bytes = rounded(bytes);
    while bytes < used {
        bytes *= 2;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use breakeven_kernels::recording::{GemmType, Role, Used};

    use super::*;

    #[test]
    fn slots_hold_addresses_and_scalars_in_their_low_bytes() {
        let buffers = [(0x7000_0000_0000, 64), (0x7000_0000_1000, 128)];
        let args = [
            Arg::Read(BufferId(1)),
            Arg::Write(BufferId(0)),
            Arg::U32(7),
            Arg::I32(-2),
            Arg::F32(1.5),
            Arg::Capacity(BufferId(1)),
        ];
        assert_eq!(
            slots(&args, &buffers),
            [0x7000_0000_1000, 0x7000_0000_0000, 7, 0xffff_fffe, 0x3fc0_0000, 128]
        );
    }

    #[test]
    fn the_newest_ptx_that_the_chip_runs_is_chosen() {
        static PTX: &[(u32, &str)] = &[(70, "v"), (75, "t"), (80, "a"), (90, "h")];
        for (capability, expected) in [
            ((6, 1), None),
            ((7, 0), Some("v")),
            ((7, 2), Some("v")),
            ((7, 5), Some("t")),
            ((8, 9), Some("a")),
            ((9, 0), Some("h")),
            ((12, 0), Some("h")),
        ] {
            assert_eq!(choose_ptx(PTX, capability), expected, "{capability:?}");
        }
    }

    #[test]
    fn overflowing_outputs_double_until_they_fit() {
        assert_eq!(grown(16, 17), 32);
        assert_eq!(grown(16, 100), 128);
        assert_eq!(grown(0, 9), 16);
        assert_eq!(grown(64, 64), 64);
    }

    #[test]
    fn recordings_that_reach_outside_their_buffers_are_refused() {
        let mut r = Recording::default();
        let a = r.buffer("a", Role::Scratch, 8);
        let b = r.buffer("b", Role::Output, 16);
        r.commands.push(Command::Copy { from: b, to: a, bytes: 8 });
        assert_eq!(check(&r), Ok(()));
        r.buffers[b.0].used = Some(Used { buffer: a, index: 2 });
        assert_eq!(check(&r), Err("the used count of `b` lies outside its buffer".into()));
        r.buffers[b.0].used = None;
        r.commands.push(Command::Copy { from: b, to: a, bytes: 12 });
        assert_eq!(check(&r), Err("a copy of 12 bytes between buffers of 8".into()));
        // A 2×3 by 3×1 product in bf16: 12, 6 and 8 bytes.
        let gemm = |c| LibraryCall::Gemm {
            m: 2,
            n: 1,
            k: 3,
            batch: 1,
            dtype: GemmType::Bf16,
            a: b,
            b: a,
            c,
        };
        r.commands = vec![Command::Library(gemm(a))];
        assert_eq!(check(&r), Ok(()));
        r.buffers[a.0].bytes = 4;
        assert_eq!(check(&r), Err("`a` has 4 bytes, the call takes 6".into()));
        r.commands = vec![Command::Clear(BufferId(5))];
        assert_eq!(check(&r), Err("there is no buffer 5 in the recording".into()));
    }
}
