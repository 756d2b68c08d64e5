//! `fltorrent report`: the page about a run, made anew.

use std::process::ExitCode;

use super::FAILED;
use crate::{
    arguments::ReportArguments,
    output::{self, Format, Printer},
    report,
};

pub(super) fn report(arguments: &ReportArguments) -> ExitCode {
    let out = match (&arguments.out, arguments.folders.first()) {
        (Some(out), _) => out.clone(),
        (None, Some(folder)) => folder.join(report::FILE),
        (None, None) => report::FILE.into(),
    };
    match report::write(&arguments.folders, &out) {
        Ok(run) => {
            for note in run.notes() {
                output::warning(note);
            }
            let mut printer = Printer::new(Format::Text, false);
            printer.line(&format!("report    {}", out.display()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::error(&crate::chain(&error));
            ExitCode::from(FAILED)
        }
    }
}
