//! `fltorrent` as its users have it: real processes on real data.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod chromium;
mod churn;
mod complete;
mod endings;
mod examples;
mod faults;
mod fetch;
mod live;
mod matrix;
mod network;
mod oracle;
#[path = "../../../peer/tests/support/oracle.rs"]
mod oracle_rounds;
mod peer;
#[path = "../shared/phase.rs"]
mod phase;
#[path = "../shared/recorded.rs"]
mod recorded;
mod refused;
mod report;
mod resume;
mod side_by_side;
mod status;
mod support;
mod survival;
