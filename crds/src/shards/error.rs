use super::dirichlet::DRAWS;

/// Why the samples cannot be divided.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// There are no peers.
    #[error("there is no peer to give samples to")]
    NoPeers,
    /// More samples than an index can name.
    #[error(
        "the data has {found} training samples; at most {} can be divided",
        u32::MAX
    )]
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
    #[error(
        "training sample {index} has label {label}; labels are below {classes}, as the manifest's data says"
    )]
    Label {
        /// The sample.
        index: usize,
        /// Its label.
        label: u8,
        /// The manifest's number of classes.
        classes: u32,
    },
    /// Every peer is to have more than there is.
    #[error(
        "data.partition.{field}: {least} samples for each of {peers} peers are more than the {samples} training \
         samples; at most {} will do", samples / (*peers).max(1)
    )]
    Least {
        /// The field under `data.partition` that says so, for example `dirichlet.minSamples`.
        field: &'static str,
        /// Its value.
        least: u32,
        /// Peers.
        peers: usize,
        /// Training samples.
        samples: usize,
    },
    /// No draw gave every peer enough.
    #[error(
        "data.partition.{partition}: in {DRAWS} draws some peer always had fewer than {min_samples} samples, at best \
         {best}; take minSamples {best} or less, a larger alpha, fewer peers or another seed"
    )]
    Unlucky {
        /// The division: `dirichlet` or `quantity`.
        partition: &'static str,
        /// The manifest's `minSamples`.
        min_samples: u32,
        /// Samples of the poorest peer in the best draw.
        best: u32,
    },
    /// The labels show too few classes.
    #[error(
        "data.partition.classes.perPeer: {per_peer} classes for each of {peers} peers; the training samples show \
         {found} classes, of which a peer can hold {found} at most and every one needs a holder"
    )]
    Classes {
        /// The manifest's `perPeer`.
        per_peer: u32,
        /// Peers.
        peers: usize,
        /// Classes with a sample.
        found: usize,
    },
    /// A peer would have nothing, since its classes have fewer samples than holders.
    #[error(
        "data.partition.classes: peer {peer} would have no sample, since its classes have fewer samples than holders; \
         take a larger perPeer or fewer peers"
    )]
    Empty {
        /// The peer.
        peer: usize,
    },
    /// The manifest lists another number of shards.
    #[error(
        "data.partition.explicit.shards: {shards} shards for {peers} peers; give every peer one"
    )]
    ShardCount {
        /// Shards of the manifest.
        shards: usize,
        /// Peers.
        peers: usize,
    },
    /// A range that the data does not have.
    #[error(
        "data.partition.explicit.shards[{peer}]: [{start}, {end}) is not a range of the {samples} training samples, \
         or meets another range of the same peer"
    )]
    Range {
        /// The shard.
        peer: usize,
        /// First sample of the range.
        start: u32,
        /// First sample after the range.
        end: u32,
        /// Training samples.
        samples: usize,
    },
}
