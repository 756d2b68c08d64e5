//! `fltorrent peer`: one peer of a run on several machines, one in a pod of a cluster, or, hidden, one that a launcher started.

mod in_cluster;
mod lines;
mod setup;
mod watch;

use std::{process::ExitCode, time::SystemTime};

use fltorrent_peer::{process, train::safetensors::LoadError};
use thiserror::Error;

use super::{FAILED, INTERRUPTED, USAGE, refuse_manifest};
use crate::{
    arguments::PeerArguments,
    keys::KeysError,
    launcher::ResultsError,
    manifest::ManifestError,
    output::{self, Format, Printer},
    preflight::PreflightError,
    resume::ResumeError,
};

/// Why a peer that was started by hand is not complete.
#[derive(Debug, Error)]
pub(super) enum PeerError {
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Preflight(#[from] PreflightError),
    #[error(transparent)]
    Resume(#[from] ResumeError),
    #[error(transparent)]
    InitialModel(#[from] LoadError),
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error("the peer could not be set up")]
    System(#[from] std::io::Error),
    #[error("interrupted by {0}; the neighbours were notified")]
    Interrupted(&'static str),
    #[error("{0}")]
    Left(String),
    #[error("{0}")]
    Failed(String),
}

pub(super) fn peer(arguments: PeerArguments, started: SystemTime) -> ExitCode {
    if let Some(folder) = &arguments.in_cluster {
        return in_cluster::main(folder);
    }
    if arguments.launched {
        return launched(arguments);
    }
    let mut printer = Printer::new(Format::Text, arguments.standalone.quiet);
    let result =
        setup::prepare(&arguments, started, &printer).and_then(|setup| watch::run(setup, started, &mut printer));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(PeerError::Manifest(error)) => refuse_manifest(&error, &mut printer),
        Err(error) => {
            let code = match error {
                PeerError::Usage(_) | PeerError::Resume(_) => USAGE,
                PeerError::Interrupted(_) => INTERRUPTED,
                PeerError::Left(_) => process::LEFT,
                _ => FAILED,
            };
            crate::chain(&error).lines().for_each(output::error);
            ExitCode::from(code)
        }
    }
}

/// The launcher gives what the command line requires.
fn launched(arguments: PeerArguments) -> ExitCode {
    let (Some(index), Some(manifest), Some(results)) = (arguments.index, arguments.manifest, arguments.results) else {
        output::error("--launched needs --index, --results and a manifest; it is for `fltorrent run`");
        return ExitCode::from(USAGE);
    };
    process::main(process::Options {
        index,
        manifest,
        results,
        resume: arguments.resume,
        model_out: arguments.model_out,
        incarnation: arguments.incarnation,
        listen: arguments.listen,
    })
}
