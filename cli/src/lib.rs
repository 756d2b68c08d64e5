//! The command line `fltorrent` and the launcher behind `fltorrent run`, as a library so that tests can drive them.

pub mod arguments;
pub mod commands;
mod counts;
pub mod histogram;
pub mod keys;
pub mod launcher;
pub mod live;
pub mod manifest;
pub mod output;
pub mod preflight;
pub mod resume;
mod shell;

use std::{borrow::Cow, io::Write, process::ExitCode, sync::Arc, time::SystemTime};

pub(crate) use fltorrent_coordinator::chain;
use fltorrent_crds::visible;
pub use fltorrent_peer::{extend, memory::Allocator};
use signal_hook::consts::SIGXFSZ;

/// The program `fltorrent`, with networks and data sets of its own: reads the command line and does what it says.
///
/// It has to be the first that `main` does: peers are processes of the same program, started with the command `peer`.
///
/// ```no_run
/// use fltorrent_cli::{Allocator, extend::Extensions, main_with};
///
/// #[global_allocator]
/// static ALLOCATOR: Allocator = Allocator;
///
/// fn main() -> std::process::ExitCode {
///     main_with(Extensions::new())
/// }
/// ```
pub fn main_with(extensions: extend::Extensions) -> ExitCode {
    let started = SystemTime::now();
    // A file that may not grow is an error of its writer then, as a full disk is. Programs that are started are left as they are.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).ok();
    if let Err(error) = extend::install(extensions) {
        output::error(&error.to_string());
        return ExitCode::from(commands::FAILED);
    }
    let code = match arguments::parse(std::env::args_os()) {
        Ok(arguments) => commands::dispatch(arguments.command, started),
        Err(said) => tell(&said),
    };
    output::exit_code(code)
}

/// Prints help, the version, or what is wrong with the command line.
fn tell(said: &clap::Error) -> ExitCode {
    // It repeats the arguments. Hues are for those that are harmless.
    let text = said.render().to_string();
    if let Cow::Owned(text) = visible(&text) {
        output::plain_error(&text);
        return ExitCode::from(commands::USAGE);
    }
    let printed = said.print().and_then(|()| std::io::stdout().flush());
    if let Err(error) = printed {
        output::lost(&error);
    }
    match said.use_stderr() {
        true => ExitCode::from(commands::USAGE),
        false => ExitCode::SUCCESS,
    }
}
