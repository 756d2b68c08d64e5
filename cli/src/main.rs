//! `fltorrent`: decentralised federated learning from the command line.

use std::{process::ExitCode, time::SystemTime};

use clap::Parser;
use fltorrent_cli::{arguments::Arguments, commands};

// Page faults of big tensors cost the CPU backend up to 2.5×; mimalloc keeps its pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let started = SystemTime::now();
    commands::dispatch(Arguments::parse().command, started)
}
