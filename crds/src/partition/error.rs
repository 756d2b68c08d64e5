use crate::FieldError;

/// Why the samples cannot be divided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ShardError {
    #[error("there is no peer to give samples to")]
    NoPeers,
    #[error("the data has {found} training samples; at most {} can be divided", u32::MAX)]
    TooManySamples { found: usize },
    #[error("the data has {samples} training samples for {peers} peers; every peer needs one")]
    TooFewSamples { samples: usize, peers: usize },
    #[error("training sample {index} has label {label}; labels are below {classes}, as the manifest's data says")]
    Label { index: usize, label: u8, classes: u32 },
    #[error(transparent)]
    Field(#[from] FieldError),
}
