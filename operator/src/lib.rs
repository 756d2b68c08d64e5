//! The operator of FLTorrent.

pub mod apply;
pub mod backoff;
pub mod build;
pub mod config;
pub mod events;
pub mod evidence;
pub mod health;
pub mod identity;
pub mod lease;
pub mod life;
pub mod metrics;
pub mod names;
pub mod observe;
pub mod plugin;
pub mod process;
pub mod rbac;
pub mod reconcile;
pub mod render;
pub mod root;
pub mod runs;
pub mod status;
pub mod story;
pub mod telemetry;
pub mod throttle;
pub mod validate;
pub mod watch;
