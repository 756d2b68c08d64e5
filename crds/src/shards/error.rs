use crate::FieldError;

/// Why the samples cannot be divided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// There are no peers.
    #[error("there is no peer to give samples to")]
    NoPeers,
    /// More samples than an index can name.
    #[error("the data has {found} training samples; at most {} can be divided", u32::MAX)]
    TooManySamples {
        /// Training samples.
        found: usize,
    },
    /// Some peer would have nothing to train on.
    #[error("the data has {samples} training samples for {peers} peers; every peer needs one")]
    TooFewSamples {
        /// Training samples.
        samples: usize,
        /// Peers.
        peers: usize,
    },
    /// A label that the manifest does not allow.
    #[error("training sample {index} has label {label}; labels are below {classes}, as the manifest's data says")]
    Label {
        /// The sample.
        index: usize,
        /// Its label.
        label: u8,
        /// The manifest's number of classes.
        classes: u32,
    },
    /// What the manifest says of the division does not fit the data.
    #[error(transparent)]
    Field(#[from] FieldError),
}
