//! The end of a child process: when it came, and what the child had used by then.

#![expect(unsafe_code, reason = "wait4 is the only call that tells what one child used")]

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, WaitId, WaitIdOptions};

/// What a process and its waited-for children used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usage {
    /// User and system CPU-seconds together.
    pub cpu_s: f64,
    /// Highest resident memory of the largest of them, in bytes.
    pub max_resident_bytes: u64,
}

/// Waits until the child has ended. It stays a zombie, so its id and group stay its own.
///
/// # Errors
/// Whatever the system says.
pub(super) fn ended(pid: Pid) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(pid), options))?;
    Ok(())
}

/// Takes the status of a child that has ended, and what it used.
///
/// # Errors
/// Whatever the system says.
pub(super) fn reap(pid: Pid) -> io::Result<(ExitStatus, Usage)> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: both addresses are of live variables of the right type, which wait4 writes.
        let waited = unsafe { libc::wait4(pid.as_raw_pid(), &mut status, 0, usage.as_mut_ptr()) };
        if waited >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: wait4 succeeded and filled it; all bytes zero are a valid value besides.
    let usage = unsafe { usage.assume_init() };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    Ok((
        ExitStatus::from_raw(status),
        Usage {
            cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            // Linux counts in KiB.
            max_resident_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        },
    ))
}
