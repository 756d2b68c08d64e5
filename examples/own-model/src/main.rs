//! `fltorrent` with a network and a data set of its own: `residual` and `spirals`.

mod residual;
mod spirals;

use std::process::ExitCode;

use fltorrent_cli::{Allocator, extend::Extensions, main_with};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    main_with(
        Extensions::new()
            .network::<residual::Residual>("residual")
            .data_set::<spirals::Spirals>("spirals"),
    )
}
