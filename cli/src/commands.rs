//! The commands, and the exit codes that they share.

mod compare;
mod completions;
pub mod init;
mod keys;
mod man;
mod peer;
mod plan;
mod report;
pub mod run;
mod simulate;
mod validate;

use std::{process::ExitCode, time::SystemTime};

use crate::{
    arguments::Command,
    launcher::have_least_open_files,
    manifest::ManifestError,
    output::{self, Event, Failed, Printer},
};

/// The run failed, or could not start on this machine.
pub const FAILED: u8 = 1;
/// The manifest or the command line is wrong.
pub const USAGE: u8 = 2;
/// Ctrl-C, SIGTERM or SIGHUP.
pub const INTERRUPTED: u8 = 130;

/// Does what the command line says. `started` is when the process began.
pub fn dispatch(command: Command, started: SystemTime) -> ExitCode {
    if let Err(text) = make_ready(&command) {
        output::error(&text);
        return ExitCode::from(FAILED);
    }
    match command {
        Command::Run(arguments) => run::run(&arguments, started),
        Command::Validate(arguments) => validate::validate(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Init(arguments) => init::init(&arguments),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Man(arguments) => man::man(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Keys(arguments) => keys::keys(&arguments.what),
        Command::Peer(arguments) => peer::peer(*arguments, started),
    }
}

/// Preparations of commands that run something, before they read anything.
fn make_ready(command: &Command) -> Result<(), String> {
    let is_watched = match command {
        Command::Run(_) | Command::Simulate(_) => true,
        // Others look after a peer of a launcher, or of a pod.
        Command::Peer(arguments) => !arguments.launched && arguments.in_cluster.is_none(),
        _ => return Ok(()),
    };
    have_least_open_files().map_err(|error| error.to_string())?;
    match is_watched.then(run::watch) {
        Some(Err(error)) => Err(format!("cannot listen for signals: {error}")),
        Some(Ok(())) | None => Ok(()),
    }
}

/// Tells what is wrong with a manifest, a line a field.
pub fn refuse_manifest(error: &ManifestError, printer: &mut Printer) -> ExitCode {
    let fields = match error {
        ManifestError::Fields { errors } => errors.iter().map(Into::into).collect(),
        _ => Vec::new(),
    };
    let text = crate::chain(error);
    printer.print(&Event::Failed(Failed {
        error: text.clone(),
        fields,
        exit_code: USAGE,
        summary: None,
    }));
    match error {
        ManifestError::Fields { .. } => text.lines().for_each(output::error),
        _ => output::error(&text),
    }
    ExitCode::from(USAGE)
}
