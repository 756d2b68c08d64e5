//! `fltorrent report`: the page about a run, generated again.

use std::{error::Error, path::Path, process::ExitCode};

use fltorrent_report::{self as report, Subject};

use super::FAILED;
use crate::{
    arguments::ReportArguments,
    manifest::Resolved,
    output::{self, Description, Format, Printer, describe},
};

pub(super) fn report(arguments: &ReportArguments) -> ExitCode {
    let out = match (&arguments.out, arguments.folders.first()) {
        (Some(out), _) => out.clone(),
        (None, Some(folder)) => folder.join(report::FILE),
        (None, None) => report::FILE.into(),
    };
    match report::write(&arguments.folders, &out, &subject) {
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

/// The plan of a run, from the manifest in its folder.
pub(super) fn subject(text: &str, file: &Path) -> Result<Subject, Box<dyn Error + Send + Sync>> {
    let resolved = Resolved::from_text(text, &[]).map_err(|error| error.in_file(file))?;
    let Resolved { experiment, plan } = resolved;
    let Description {
        topology, model, data, ..
    } = describe(&experiment, &plan, None);
    Ok(Subject {
        experiment,
        plan,
        topology,
        model,
        data,
    })
}
