//! What was run, and how to run it again.

use maud::{Markup, html};

use crate::run::Run;
use crate::units::{bytes, grouped};

/// The resolved manifest and what follows from it.
pub(super) fn manifest(run: &Run) -> Markup {
    let plan = &run.subject.plan;
    html! {
        p {
            (plan.peers.len()) " peers, " (grouped(plan.model.parameters)) " parameters, " (bytes(plan.model.bytes)) " an update in "
            (plan.exchange.num_chunks) " chunks. All defaults are written out."
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
        p { "The same manifest and seed give the same model to the last bit, with the same binary and kind of processor, whatever the topology's timing." }
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

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:@".contains(character);
    match path.chars().all(plain) {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_with_spaces_stays_one_word() {
        assert_eq!(quoted("runs/a-1"), "runs/a-1");
        assert_eq!(quoted("my runs/it's"), "'my runs/it'\\''s'");
    }
}
