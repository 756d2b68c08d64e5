//! What a run says of itself, with one definition for who writes and who reads: the lines of a peer's metrics file ([`mod@line`], [`mod@file`]),
//! the report of a round ([`report`]), and what the reports of all peers add up to ([`progress`]).
//!
//! Peers write it; the launcher, the live view, pages, benchmarks and the operator read it. Nothing here reads a clock, and only
//! [`file`](mod@file), [`text_file`] and [`draft`] open files.

pub mod bottleneck;
pub mod classes;
pub mod draft;
pub mod exchange;
pub mod file;
pub mod hex;
pub mod line;
pub mod progress;
pub mod report;
pub mod status;
pub mod survival;
pub mod text_file;
pub mod verdict;
