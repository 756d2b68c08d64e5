//! The API of FLTorrent: the manifest's types, defaults and validation, and the [`Plan`] that follows from it.

#[macro_use]
mod text_form;

mod address;
pub mod aggregation;
pub mod analysis;
mod bindings;
mod bit_rate;
mod byte_size;
pub mod catalogue;
pub mod data;
mod decimal;
pub mod definition;
mod errors;
pub mod experiment;
pub mod family;
mod findings;
mod interval;
pub mod manifest;
pub mod nodes;
pub mod partition;
mod percentage;
pub mod plan;
mod quantity;
mod queue_length;
pub mod reference;
pub mod schedule;
pub mod seeds;
pub mod shards;
pub mod status;
mod text_or_whole;
pub mod topology;
mod utf8;
mod visible;

pub use address::{AddressError, PeerAddress};
pub use bindings::{Announcement, Bindings};
pub use bit_rate::{BitRate, BitRateError};
pub use byte_size::{ByteSize, ByteSizeError};
pub use errors::{Errors, FieldError};
pub use experiment::{Experiment, ExperimentSpec};
pub use interval::{Interval, IntervalError};
pub use percentage::{Percentage, PercentageError};
pub use plan::Plan;
pub use quantity::{Quantity, QuantityError};
pub use queue_length::{QueueLength, QueueLengthError};
pub use utf8::{NotUtf8, utf8};
pub use visible::{visible, visible_line};
