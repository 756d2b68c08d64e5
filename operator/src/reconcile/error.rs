//! Why a look at an experiment came to nothing.

use crate::{
    apply::{ApplyError, classify},
    build::BuildError,
};

/// Why a look at an experiment came to nothing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ReconcileError {
    #[error("the experiment's {0} could not be read")]
    Read(&'static str, #[source] Box<kube::Error>),
    #[error("the status could not be written")]
    Status(#[source] Box<kube::Error>),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error("the manifest changed during the reconcile; it is reconciled again")]
    Changed,
    #[error(
        "the operator panicked: {0}; please report it with the experiment's manifest. Other experiments are not affected"
    )]
    Panicked(String),
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
