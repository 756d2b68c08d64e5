//! `fltorrent plan`: what a manifest will cost, before anything runs.

mod churn;
mod dot;
mod emulated;
mod forecast;
mod lists;
mod shares;
mod text;

use std::process::ExitCode;

use super::refuse_manifest;
use crate::{
    arguments::PlanArguments,
    manifest::Resolved,
    output::{Format, Printer},
    preflight,
};
pub(super) use forecast::Forecast;

pub(super) fn plan(arguments: &PlanArguments) -> ExitCode {
    let mut printer = Printer::new(arguments.output, false);
    let resolved = match Resolved::read(&arguments.manifest.file, &arguments.manifest.sets()) {
        Ok(resolved) => resolved,
        Err(error) => return refuse_manifest(&error, &mut printer),
    };
    if arguments.dot {
        printer.line(&dot::dot(&resolved));
        printer.warnings(&resolved.plan.warnings);
        return ExitCode::SUCCESS;
    }
    let links = forecast::links(arguments.up, arguments.down);
    let forecast = Forecast::of(&resolved, links).with_data(preflight::shares(&resolved.plan));
    match arguments.output {
        Format::Text => {
            printer.line(&text::text(&forecast, arguments.peers));
            printer.warnings(&forecast.warnings);
        }
        Format::Json => {
            printer.json(&forecast);
        }
    }
    ExitCode::SUCCESS
}
