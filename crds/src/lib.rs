//! The API of FLTorrent: the manifest's types, defaults and validation, and the [`Plan`] that follows from it.

mod bindings;
pub mod plan;

pub use bindings::{Announcement, Bindings};
pub use plan::Plan;
