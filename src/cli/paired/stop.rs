//! When to stop: at Ctrl-C, or when the time that the whole may take is over.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cli::interrupt;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Set when nothing more may run; programs that run then are stopped.
static STOP: AtomicBool = AtomicBool::new(false);

/// Whether everything must stop now.
pub fn now() -> bool {
    STOP.load(Ordering::SeqCst)
}

/// Watches for both.
pub struct Stop {
    start: Instant,
    max_wall_s: Option<f64>,
}

impl Stop {
    /// Watches from now on.
    pub fn watch(max_wall_s: Option<f64>) -> Self {
        let interrupted = interrupt::flag();
        let start = Instant::now();
        // It ends with the program.
        std::thread::spawn(move || {
            let late = || max_wall_s.is_some_and(|max| start.elapsed().as_secs_f64() >= max);
            while !interrupted.load(Ordering::SeqCst) && !late() {
                std::thread::sleep(LOOK);
            }
            STOP.store(true, Ordering::SeqCst);
        });
        Self { start, max_wall_s }
    }

    /// Becomes true when everything must stop.
    pub fn flag(&self) -> &'static AtomicBool {
        &STOP
    }

    /// Whether everything must stop now.
    pub fn now(&self) -> bool {
        now()
    }

    /// Whether Ctrl-C was pressed.
    pub fn interrupted(&self) -> bool {
        interrupt::flag().load(Ordering::SeqCst)
    }

    /// Seconds since the beginning.
    pub fn elapsed_s(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Whether something that takes `seconds` would still end in time.
    pub fn has_time_for(&self, seconds: f64) -> bool {
        !self.now() && self.max_wall_s.is_none_or(|max| self.elapsed_s() + seconds <= max)
    }

    /// Why the rounds end early, for people.
    pub fn reason(&self) -> String {
        match self.max_wall_s {
            _ if self.interrupted() => "interrupted by Ctrl-C".to_owned(),
            Some(max) => format!("the {max} s of --max-wall were used up"),
            None => "stopped".to_owned(),
        }
    }
}
