//! The API of FLTorrent: the manifest's types, defaults and validation, and the [`Plan`] that follows from it.

mod address;
pub mod aggregation;
pub mod analysis;
mod bindings;
pub mod catalogue;
pub mod data;
pub mod definition;
mod errors;
pub mod experiment;
pub mod family;
mod findings;
pub mod manifest;
pub mod model;
pub mod nodes;
pub mod partition;
pub mod plan;
pub mod reference;
pub mod schedule;
pub mod seeds;
pub mod shards;
pub mod status;
mod text;
pub mod topology;
mod utf8;
mod visible;

pub use address::{AddressError, PeerAddress};
pub use bindings::{Announcement, Bindings};
pub use errors::{Errors, FieldError};
pub use experiment::{Experiment, ExperimentSpec};
pub use plan::Plan;
pub use text::{BitRate, ByteSize, Interval, Percentage, Quantity, QueueLength, TextError};
pub use utf8::{NotUtf8, utf8};
pub use visible::{visible, visible_line};
