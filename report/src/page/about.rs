//! What was run, and how to run it again.

use maud::{Markup, html};

use crate::{
    run::Run,
    units::{bytes, grouped, quoted},
};

/// The resolved manifest and what follows from it.
pub(super) fn manifest(run: &Run) -> Markup {
    let plan = &run.subject.plan;
    html! {
        p {
            (plan.peers.len()) " peers, " (grouped(plan.model.parameters)) " parameters, " (bytes(plan.model.bytes)) " per update in "
            (plan.exchange.num_chunks) " chunks. Defaults are filled in."
        }
        @if !plan.warnings.is_empty() {
            ul class="notes" {
                @for warning in &plan.warnings { li { code { (warning.path) } ": " (warning.message) } }
            }
        }
        details class="wide" open {
            summary { "manifest.yaml" }
            pre tabindex="0" role="region" aria-label="The manifest" { code { (run.manifest) } }
        }
    }
}

/// The command, and what must come out of it.
pub(super) fn reproduce(run: &Run) -> Markup {
    let folder = run.folders.first().map(|folder| folder.join("manifest.yaml"));
    let file = folder.map_or_else(
        || "manifest.yaml".to_owned(),
        |file| quoted(&file.display().to_string()),
    );
    let ending = run.ending.as_ref();
    let version = ending
        .map(|ending| ending.version.as_str())
        .filter(|version| !version.is_empty());
    html! {
        p { "The same manifest and seed give the same model, bit for bit, on the same binary and processor type, regardless of timing." }
        pre tabindex="0" role="region" aria-label="The command" { code { "fltorrent run " (file) } }
        dl class="facts" {
            dt { "Seed" } dd { code { (run.subject.plan.seed) } }
            dt { "Version" } dd { code { (version.unwrap_or("not recorded")) } }
            @if let Some(ending) = ending {
                dt { "Started" } dd { (ending.started) }
                dt { "Run" } dd { code { (ending.run.as_deref().unwrap_or("–")) } }
            }
            dt { "Plan hash" } dd { code { (run.plan_hash()) } }
            dt { "Model hash" } dd { code { (run.result().map_or_else(|| "–".to_owned(), |last| last.summary.model_hash.to_string())) } }
            dt { "Folders" } dd { @for folder in &run.folders { code { (folder.display()) } " " } }
        }
    }
}
