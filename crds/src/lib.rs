//! The API of FLTorrent: the manifest's types, defaults and validation, and the [`Plan`] that follows from it.

mod address;
pub mod analysis;
mod bindings;
mod byte_size;
pub mod catalogue;
pub mod definition;
mod errors;
pub mod experiment;
mod interval;
pub mod manifest;
pub mod nodes;
pub mod plan;
pub mod seeds;
pub mod shards;
mod topology;

pub use address::{AddressError, PeerAddress};
pub use bindings::{Announcement, Bindings};
pub use byte_size::{ByteSize, ByteSizeError};
pub use errors::{Errors, FieldError};
pub use experiment::{Experiment, ExperimentSpec};
pub use interval::{Interval, IntervalError};
pub use plan::Plan;
