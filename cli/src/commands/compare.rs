//! `fltorrent compare`: two or more runs side by side.

use std::process::ExitCode;

use fltorrent_report::{self as report, Comparison, ReportError};

use super::{FAILED, report::subject};
use crate::{
    arguments::CompareArguments,
    output::{self, Format, Printer},
};

pub(super) fn compare(arguments: &CompareArguments) -> ExitCode {
    let comparison = match Comparison::read(&arguments.runs, arguments.accuracy, &subject) {
        Ok(comparison) => comparison,
        Err(error) => return failed(&error),
    };
    let mut printer = Printer::new(arguments.output, false);
    match arguments.output {
        Format::Text => printer.line(&comparison.to_string()),
        Format::Json => {
            printer.json(&comparison);
        }
    }
    match &arguments.html {
        Some(out) => match report::write_comparison(&comparison, out) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        None => ExitCode::SUCCESS,
    }
}

fn failed(error: &ReportError) -> ExitCode {
    output::error(&crate::chain(error));
    ExitCode::from(FAILED)
}
