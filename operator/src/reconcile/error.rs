//! Why a look at an experiment came to nothing.

use crate::apply::{ApplyError, classify};
use crate::build::BuildError;

/// Why a look at an experiment came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The experiment or its pods could not be read.
    #[error("the experiment's {0} could not be read")]
    Read(&'static str, #[source] Box<kube::Error>),
    /// The status could not be written.
    #[error("the status could not be written")]
    Status(#[source] Box<kube::Error>),
    /// Objects could not be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Something could not be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The manifest is another one by now.
    #[error("the manifest was changed while it was looked at; it is looked at again")]
    Changed,
    /// A fault of the operator itself.
    #[error("the operator failed: {0}; please report it with the experiment's manifest. Other experiments go on")]
    Panicked(String),
    /// It took too long.
    #[error("it took too long; the API server may be slow")]
    TooLong,
}

impl ReconcileError {
    /// The stable name, for metrics and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Read(_, source) | Self::Status(source) => classify(source),
            Self::Build(error) => error.reason(),
            Self::Apply(error) => error.reason(),
            Self::Changed => "Changed",
            Self::Panicked(_) => "Panicked",
            Self::TooLong => "TooLong",
        }
    }
}
