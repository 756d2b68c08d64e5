//! `fltorrent validate`: what would run, or everything that is wrong.

use std::process::ExitCode;

use fltorrent_crds::plan::Warning;
use serde::Serialize;

use super::refuse_manifest;
use crate::{
    arguments::ValidateArguments,
    manifest::Resolved,
    output::{Description, Format, Printer, describe, description_text},
    preflight,
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Valid<'a> {
    event: &'static str,
    #[serde(flatten)]
    description: &'a Description,
    /// By which peers on several machines know that they work from the same plan.
    plan_hash: String,
    warnings: &'a [Warning],
}

pub(super) fn validate(arguments: &ValidateArguments) -> ExitCode {
    let mut printer = Printer::new(arguments.output, false);
    let resolved = match Resolved::read(&arguments.manifest.file, &arguments.manifest.sets()) {
        Ok(resolved) => resolved,
        Err(error) => return refuse_manifest(&error, &mut printer),
    };
    let description = describe(&resolved.experiment, &resolved.plan, None);
    let mut warnings = resolved.plan.warnings.clone();
    warnings.extend(preflight::warnings(&resolved.plan));
    match arguments.output {
        Format::Text => {
            printer.line(&description_text(&description));
            printer.line(&format!("  plan     {}", resolved.plan.hash_text()));
            printer.warnings(&warnings);
            printer.line("the manifest is valid");
        }
        Format::Json => {
            let valid = Valid {
                event: "valid",
                description: &description,
                plan_hash: resolved.plan.hash_text(),
                warnings: &warnings,
            };
            printer.json(&valid);
        }
    }
    ExitCode::SUCCESS
}
