//! Ctrl-C, or a request to end (SIGTERM) as a CI system sends it: the first asks the measuring loop
//! to stop after the present sample, the second exits.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::exit::INTERRUPTED;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C end the program at once, with the documented exit code: for commands that hold
/// nothing half done.
pub fn end_at_once() {
    let _ = ctrlc::set_handler(|| std::process::exit(i32::from(INTERRUPTED)));
}

/// Installs the handler and returns the flag that it sets. Where the system refuses a handler,
/// Ctrl-C simply ends the program, so that is no error.
pub fn flag() -> &'static AtomicBool {
    flag_saying("stopping after this sample; press Ctrl-C again to stop at once")
}

/// The same with other words for what happens now.
pub fn flag_saying(message: &'static str) -> &'static AtomicBool {
    let _ = ctrlc::set_handler(move || {
        if ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        let _ = writeln!(std::io::stderr(), "\n{message}");
    });
    &ASKED
}
