//! The command line `fltorrent` and the launcher behind `fltorrent run`, as a library so that tests can drive them.

pub mod arguments;
pub mod commands;
pub mod histogram;
pub mod launcher;
pub mod live;
pub mod manifest;
pub mod output;
pub mod preflight;
pub mod rate;
pub mod report;

pub(crate) use fltorrent_peer::chain;
