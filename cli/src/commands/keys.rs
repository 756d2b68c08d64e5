//! `fltorrent keys init`: the keys of an experiment on several machines.

use std::{process::ExitCode, time::SystemTime};

use super::{FAILED, refuse_manifest};
use crate::{
    arguments::{KeysCommand, KeysInitArguments},
    keys::{self, KeyOptions},
    manifest::Resolved,
    output::{self, Format, Printer},
    shell,
};

pub(super) fn keys(command: &KeysCommand) -> ExitCode {
    let KeysCommand::Init(arguments) = command;
    init(arguments)
}

fn init(arguments: &KeysInitArguments) -> ExitCode {
    let mut printer = Printer::new(Format::Text, false);
    let peers = match (&arguments.file, arguments.peers) {
        (Some(file), _) => match Resolved::read(file, &arguments.set) {
            Ok(resolved) => u32::try_from(resolved.plan.peers.len()).unwrap_or(u32::MAX),
            Err(error) => return refuse_manifest(&error, &mut printer),
        },
        // The command line asks for one of the two.
        (None, peers) => peers.unwrap_or_default(),
    };
    let wanted = KeyOptions {
        peers,
        attempts: arguments.attempts,
        days: arguments.days,
    };
    let out = &arguments.out;
    match keys::init(out, wanted, SystemTime::now()) {
        Ok(run) => {
            printer.line(&format!(
                "run {run}: keys of {peers} peers in {}, valid for {} days and {} attempts\n\
                 Copy each folder to the machine of its peer and nowhere else (scp -rp {} machine:keys).\n\
                 Who has a folder is that peer: keep them secret, and remove them here when they are copied.",
                out.display(),
                arguments.days,
                arguments.attempts,
                shell::path(&out.join("peer-0")),
            ));
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::error(&crate::chain(&error));
            ExitCode::from(FAILED)
        }
    }
}
