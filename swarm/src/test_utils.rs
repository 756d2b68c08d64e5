//! Shared parts of tests, benchmarks and fuzzing: a peer whose update is made out of nothing and that keeps real bytes.

mod host;
mod origin;
mod solo;

pub use host::{Host, Outcome, Wish};
pub(crate) use origin::sign_as;
pub use origin::{KeyedVerifier, config, origin_data, origin_metainfo, sign, uplink_statement};
pub use solo::Solo;
