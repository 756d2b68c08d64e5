//! The command line `fltorrent` and the launcher behind `fltorrent run`, as a library so that tests can drive them.

pub mod arguments;
pub mod commands;
mod errors;
pub mod launcher;
pub mod manifest;
pub mod output;
pub mod preflight;

pub use errors::chain;
