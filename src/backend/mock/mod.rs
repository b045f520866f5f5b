//! A device with fixed times, for deterministic tests; behind a hidden flag.

use crate::backend::{Backend, BackendError, Device, Probe};

/// The backend made from a `--mock` specification.
#[derive(Debug, Clone)]
pub struct MockBackend {
    probe: Probe,
}

impl MockBackend {
    /// Parses a specification such as `mock:0 lost-after=3`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(_spec: &str) -> Result<Self, String> {
        Ok(Self { probe: Probe::default() })
    }
}

impl Backend for MockBackend {
    fn name(&self) -> &'static str {
        "mock"
    }

    fn probe(&self) -> Probe {
        self.probe.clone()
    }

    fn open(&self, id: &str) -> Result<Box<dyn Device>, BackendError> {
        Err(BackendError::NoDevice { id: id.to_owned(), reason: "not in --mock".to_owned() })
    }
}
