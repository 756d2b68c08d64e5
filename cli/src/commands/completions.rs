//! `fltorrent completions`: what a shell completes.

use std::process::ExitCode;

use clap::CommandFactory;

use crate::{
    arguments::{Arguments, CompletionsArguments},
    output::{Format, Printer},
};

pub(super) fn completions(arguments: &CompletionsArguments) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "fltorrent", &mut script);
    Printer::new(Format::Text, false).line(String::from_utf8_lossy(&script).trim_end());
    ExitCode::SUCCESS
}
