//! `fltorrent`: decentralised federated learning from the command line.

use std::process::ExitCode;

use fltorrent_cli::{Allocator, extend::Extensions, main_with};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    main_with(Extensions::new())
}
