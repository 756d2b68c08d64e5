//! The process that trains and exchanges: training, data, chunk store, transport and the driver around the swarm.

pub mod aggregate;
pub mod buffers;
pub mod checkpoint;
pub mod churn;
pub mod clock;
pub mod cut;
pub mod data;
pub mod driver;
pub mod extend;
mod guard;
pub mod kept;
pub mod last_model;
pub mod memory;
pub mod metrics;
pub mod metrics_file;
pub mod news;
pub mod observer;
pub mod orders;
pub mod path;
pub mod process;
pub mod pulse;
mod retries;
pub mod shaper;
pub mod signed_record;
pub mod store;
pub mod train;
pub mod transport;
pub mod worker;

pub use fltorrent_coordinator::chain;

/// This peer's credentials; they change when its certificate is renewed.
pub type CurrentCredentials = tokio::sync::watch::Receiver<std::sync::Arc<fltorrent_coordinator::tls::Credentials>>;
