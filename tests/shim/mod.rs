//! The CUDA host shim: a test-only backend that runs Recordings on the CPU, with the checks that
//! a GPU does not make. Blocks run one after another, their threads as fibers.

#![expect(unsafe_code, reason = "loads compiled kernels and gives them memory")]

use std::ffi::{CStr, CString, c_char, c_void};

use breakeven_kernels::recording::{Arg, BufferId, Command, Kernel, Module, Recording, Role};
use bytes::Bytes;

mod library;

use library::{Launch, NamedBuffer, Runtime};

/// In which order blocks, and threads between barriers, run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ascending; asynchronous copies as late as allowed; reads past a buffer's end are caught.
    Forward,
    /// Descending; asynchronous copies at once; reads before a buffer's start are caught.
    Reverse,
    /// Shuffled anew between barriers, from this seed.
    Random(u64),
}

/// Why a Recording gave no outputs.
#[derive(Debug, Clone, PartialEq)]
pub enum ShimError {
    /// It needs what only a chip or a vendor's library can do.
    DeviceOnly(String),
    /// It is wrong; says where.
    Failed(String),
}

impl From<String> for ShimError {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// A buffer between two guard pages; everything outside `bytes` must stay as it was.
struct Guarded {
    name: CString,
    start: *mut u8,
    bytes: u64,
    at_start: bool,
    runtime: Runtime,
}

impl Guarded {
    fn new(runtime: Runtime, name: &str, bytes: u64, order: Order) -> Result<Self, String> {
        let at_start = order == Order::Reverse;
        // SAFETY: allocates only.
        let start = unsafe { (runtime.allocate)(bytes, i32::from(at_start)) };
        if start.is_null() {
            return Err(format!("buffer `{name}`: {bytes} bytes cannot be allocated"));
        }
        let name = CString::new(name).map_err(|e| e.to_string())?;
        Ok(Self { name, start, bytes, at_start, runtime })
    }

    fn contents(&mut self) -> &mut [u8] {
        // SAFETY: `start` points to `bytes` readable and writable bytes until drop, and kernels
        // run only inside `launch`, which holds no such slice.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.bytes as usize) }
    }

    /// Frees the buffer.
    fn close(self) -> Result<(), String> {
        let this = std::mem::ManuallyDrop::new(self);
        let name = this.name.to_string_lossy().into_owned();
        // SAFETY: allocated with the same size and side, and not used again.
        let clean =
            unsafe { (this.runtime.release)(this.start, this.bytes, i32::from(this.at_start)) };
        let place = if this.at_start { "after its end" } else { "just outside it" };
        if clean == 1 {
            Ok(())
        } else {
            Err(format!("buffer `{name}` was overrun: bytes {place} changed"))
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: allocated with the same size and side, and not used again.
        unsafe { (self.runtime.release)(self.start, self.bytes, i32::from(self.at_start)) };
    }
}

/// Runs a Recording once and gives the family's outputs.
///
/// # Errors
/// [`ShimError::DeviceOnly`] for library calls; [`ShimError::Failed`] for a kernel that does not
/// compile, breaks a rule of device.h, or grows an output without end.
pub fn run_recording(recording: &Recording, order: Order) -> Result<Vec<Vec<u8>>, ShimError> {
    if recording.commands.iter().any(|c| matches!(c, Command::Library(_))) {
        return Err(ShimError::DeviceOnly("calls a vendor library".into()));
    }
    let mut capacities: Vec<u64> =
        recording.buffers.iter().map(|b| b.bytes.next_multiple_of(4)).collect();
    // 2^20 times the first size is beyond any right program.
    for _ in 0..20 {
        match run_once(recording, &capacities, order)? {
            Once::Outputs(outputs) => {
                let outputs = match &recording.unpack {
                    Some(unpack) => unpack(outputs)?,
                    None => outputs,
                };
                return Ok(outputs);
            }
            Once::Overflow(buffers) => buffers.iter().for_each(|b| capacities[*b] *= 2),
        }
    }
    Err(ShimError::Failed("an output asks for more room after twenty doublings".into()))
}

enum Once {
    Outputs(Vec<Vec<u8>>),
    /// Indices of outputs that were too small.
    Overflow(Vec<usize>),
}

fn run_once(recording: &Recording, capacities: &[u64], order: Order) -> Result<Once, String> {
    let runtime = library::runtime()?;
    let mut buffers = Vec::new();
    for (buffer, bytes) in recording.buffers.iter().zip(capacities) {
        buffers.push(Guarded::new(runtime, buffer.name, *bytes, order)?);
    }
    fill(recording, &mut buffers)?;
    for command in &recording.commands {
        match command {
            Command::Dispatch { kernel, grid, args } => {
                dispatch(runtime, kernel, *grid, args, &buffers, order)?;
            }
            Command::Clear(id) => buffers[id.0].contents().fill(0),
            Command::Copy { from, to, bytes } => {
                let (from, bytes) = (buffers[from.0].contents().to_vec(), *bytes as usize);
                if bytes % 4 != 0 || bytes > from.len() || bytes > buffers[to.0].contents().len() {
                    return Err(format!("copy of {bytes} bytes does not fit its buffers"));
                }
                buffers[to.0].contents()[..bytes].copy_from_slice(&from[..bytes]);
            }
            Command::Library(_) => unreachable!("refused before"),
        }
    }
    let (mut outputs, mut short) = (Vec::new(), Vec::new());
    for (index, buffer) in recording.buffers.iter().enumerate() {
        let mut used = buffer.bytes;
        if let Some(u) = buffer.used {
            let counters: &[u32] = bytemuck::cast_slice(buffers[u.buffer.0].contents());
            used = u64::from(
                *counters.get(u.index as usize).ok_or("a used count is outside its buffer")?,
            );
            if used > capacities[index] {
                short.push(index);
                continue;
            }
        }
        if buffer.role == Role::Output {
            outputs.push(buffers[index].contents()[..used as usize].to_vec());
        }
    }
    for buffer in buffers {
        buffer.close()?;
    }
    Ok(if short.is_empty() { Once::Outputs(outputs) } else { Once::Overflow(short) })
}

/// Puts inputs and constants into their buffers; the rest keeps its poison.
fn fill(recording: &Recording, buffers: &mut [Guarded]) -> Result<(), String> {
    let mut packed = match &recording.pack {
        Some(pack) => pack()?.into_iter().map(Some).collect(),
        None => Vec::new(),
    };
    packed.reverse();
    for (buffer, guarded) in recording.buffers.iter().zip(buffers) {
        let data: Bytes = match (buffer.role, &recording.pack) {
            (Role::Input, Some(_)) => {
                packed.pop().flatten().ok_or("pack gives fewer contents than there are inputs")?
            }
            _ => buffer.data.clone(),
        };
        let room = guarded.contents();
        if data.len() > room.len() {
            return Err(format!(
                "`{}`: {} bytes of data in {}",
                buffer.name,
                data.len(),
                room.len()
            ));
        }
        room[..data.len()].copy_from_slice(&data);
    }
    if packed.is_empty() {
        Ok(())
    } else {
        Err("pack gives more contents than there are inputs".into())
    }
}

/// Arguments as 8-byte slots, checked against the kernel's declaration.
fn marshal(
    kernel: &Kernel,
    kinds: &str,
    args: &[Arg],
    buffers: &[Guarded],
) -> Result<Vec<u64>, String> {
    let given: String = args
        .iter()
        .map(|a| match a {
            Arg::Read(_) => 'r',
            Arg::Write(_) => 'w',
            Arg::U32(_) | Arg::Capacity(_) => 'u',
            Arg::I32(_) => 'i',
            Arg::F32(_) => 'f',
        })
        .collect();
    if given != kinds {
        return Err(format!(
            "{}: declared ({kinds}), given ({given}); r = pointer to const, w = pointer, u, i, f = \
             scalars",
            kernel.entry
        ));
    }
    let address = |id: &BufferId| buffers[id.0].start as u64;
    Ok(args
        .iter()
        .map(|a| match a {
            Arg::Read(id) | Arg::Write(id) => address(id),
            Arg::U32(v) => u64::from(*v),
            Arg::I32(v) => u64::from(*v as u32),
            Arg::F32(v) => u64::from(v.to_bits()),
            Arg::Capacity(id) => buffers[id.0].bytes,
        })
        .collect())
}

fn dispatch(
    runtime: Runtime,
    kernel: &Kernel,
    grid: [u32; 3],
    args: &[Arg],
    buffers: &[Guarded],
    order: Order,
) -> Result<(), String> {
    let Module::Cuda(module) = &kernel.module else {
        return Err(format!("{}: not a CUDA kernel", kernel.entry));
    };
    let kernels = library::kernels(module)?;
    let entry = kernels
        .get(kernel.entry)
        .ok_or_else(|| format!("{}: no kernel called {}", module.name, kernel.entry))?;
    let threads = kernel.block.iter().map(|n| u64::from(*n)).product::<u64>();
    if threads == 0 || threads > u64::from(entry.bounds) {
        return Err(format!(
            "{}: {threads} threads a block, bounds are 1 to {}",
            kernel.entry, entry.bounds
        ));
    }
    if grid.contains(&0) || grid[1] > 65_535 || grid[2] > 65_535 || grid[0] > i32::MAX as u32 {
        return Err(format!("{}: grid {grid:?} is not launchable", kernel.entry));
    }
    let mut slots = marshal(kernel, &entry.kinds, args, buffers)?;
    let mut arguments: Vec<*mut c_void> =
        slots.iter_mut().map(|s| std::ptr::from_mut(s).cast()).collect();
    let named: Vec<NamedBuffer> = buffers
        .iter()
        .map(|b| NamedBuffer { name: b.name.as_ptr(), start: b.start, bytes: b.bytes })
        .collect();
    let name =
        CString::new(format!("{} {}", module.name, kernel.entry)).map_err(|e| e.to_string())?;
    let launch = Launch {
        kernel: name.as_ptr(),
        call: entry.call,
        anchor: entry.anchor,
        arguments: arguments.as_mut_ptr(),
        grid,
        block: kernel.block,
        shared_bytes: kernel.shared_bytes,
        order: match order {
            Order::Forward => 0,
            Order::Reverse => 1,
            Order::Random(_) => 2,
        },
        seed: if let Order::Random(seed) = order { seed } else { 0 },
        buffers: named.as_ptr(),
        buffer_count: named.len() as u64,
    };
    let mut message = [0 as c_char; 1024];
    // SAFETY: everything `launch` points to lives until the end of this function, and the
    // arguments have the kernel's own types (checked in `marshal`).
    let status = unsafe { (runtime.launch)(&launch, message.as_mut_ptr(), message.len() as u64) };
    if status == 0 {
        return Ok(());
    }
    // SAFETY: the runtime ends its message with a zero byte.
    Err(unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy().into_owned())
}
