//! command: a program of the user's own, one for the CPU and one for the GPU, doing the same work.

mod case;
#[cfg(test)]
mod tests;
mod text;

use crate::params::Params;
use crate::work::{Case, CaseError, Family, Files, Implementation, Language};

/// The family, for [`crate::FAMILIES`].
pub struct Command;

const FAMILY: &str = "command";

static IMPLEMENTATIONS: &[Implementation] = &[
    Implementation {
        name: "process/cpu",
        language: Language::Process,
        summary: "the case's own `cpu` command",
    },
    Implementation {
        name: "process/gpu",
        language: Language::Process,
        summary: "the case's own `gpu` command",
    },
];

impl Family for Command {
    fn name(&self) -> &'static str {
        FAMILY
    }

    fn summary(&self) -> &'static str {
        "programs of your own: a CPU command and a GPU command with a stated unit of work"
    }

    fn implementations(&self) -> &'static [Implementation] {
        IMPLEMENTATIONS
    }

    fn case(&self, params: &Params, files: &dyn Files) -> Result<Box<dyn Case>, CaseError> {
        Ok(Box::new(case::CommandCase::read(params, files)?))
    }
}
