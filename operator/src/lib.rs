//! The operator of FLTorrent.

pub mod apply;
pub mod backoff;
pub mod build;
pub mod config;
pub mod endings;
pub mod event_notes;
pub mod events;
pub mod health;
pub mod identity;
pub mod lease;
pub mod life;
pub mod metrics;
pub mod names;
mod pages;
pub mod planner;
pub mod plugin;
pub mod pod_facts;
pub mod process;
pub mod rbac;
pub mod ready;
pub mod reconcile;
pub mod render;
pub mod room;
pub mod root;
pub mod runs;
pub mod seal;
pub mod status;
pub mod telemetry;
#[cfg(test)]
mod test_api;
pub mod throttle;
pub mod validate;
pub mod watch;

/// An experiment as it is watched: one that cannot be read stops no other.
pub type Watched = kube::core::DeserializeGuard<fltorrent_crds::Experiment>;
