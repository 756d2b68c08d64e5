//! The page: one file without any other, and without a script.

mod about;
mod comparison;
mod endings;
mod exchange;
mod figure;
mod learning;
mod time;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Subject, run::Run};
use crate::units::{bytes, duration, percent};
pub(super) use comparison::page as comparison;
pub use figure::{Table, figure};

const STYLE: &str = include_str!("style.css");
/// Nothing is loaded, not even by text that a manifest brings along.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The page about one run.
pub(super) fn page(run: &Run) -> Markup {
    let subject = &run.subject;
    let name = &subject.plan.name;
    let sections = [
        ("learning", "Learning", learning::section(run)),
        ("time", "Time and bytes", time::section(run)),
        ("exchange", "Exchange", exchange::section(run)),
        ("endings", "Why rounds ended", endings::section(run)),
        ("manifest", "Manifest", about::manifest(run)),
        ("reproduce", "How to reproduce", about::reproduce(run)),
    ];
    let head = html! {
        p class="kicker" { "FLTorrent run" }
        h1 { (name) }
        p class="subtitle" { (subtitle(subject)) }
        (ending(run))
        (tiles(run))
        @if !run.notes.is_empty() {
            ul class="notes" { @for note in &run.notes { li { (note) } } }
        }
    };
    document(&format!("{} · FLTorrent run", name), &head, &sections)
}

/// A page of sections, each with id and name, behind a head.
pub fn document(title: &str, head: &Markup, sections: &[(&str, &str, Markup)]) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#main" { "Skip to the figures" }
                header {
                    (head)
                    nav aria-label="Sections" {
                        @for (id, name, _) in sections { a href={ "#" (id) } { (name) } }
                    }
                }
                main id="main" {
                    @for (id, name, content) in sections {
                        section id=(id) aria-labelledby={ (id) "-heading" } {
                            h2 id={ (id) "-heading" } { (name) }
                            (content)
                        }
                    }
                }
                footer { "Made by fltorrent " (env!("CARGO_PKG_VERSION")) ". This file needs no other file and loads nothing." }
            }
        }
    }
}

fn subtitle(subject: &Subject) -> String {
    let Subject {
        plan,
        topology,
        model,
        data,
        ..
    } = subject;
    format!("{} peers · {topology} · {model} · {data}", plan.peers.len())
}

/// How the run ended, in words and by a symbol.
fn ending(run: &Run) -> Markup {
    let (planned, finished) = (run.planned_rounds(), run.finished_rounds());
    let Some(ending) = &run.ending else {
        return html! {
            p class="ending open" { span aria-hidden="true" { "◌ " } "No summary: the run is still on, its launcher was killed, or peers were started by hand" }
        };
    };
    let (class, symbol, words) = match ending.outcome.as_str() {
        "completed" | "complete" => ("good", "✓", format!("Completed all {planned} rounds")),
        "converged" => ("good", "✓", format!("Converged after {finished} of {planned} rounds")),
        "stopped" | "interrupted" => ("open", "■", format!("Stopped after {finished} of {planned} rounds")),
        "failed" => ("bad", "✗", format!("Failed after {finished} of {planned} rounds")),
        other => ("open", "◌", format!("Ended: {other}")),
    };
    html! {
        p class={ "ending " (class) } { span aria-hidden="true" { (symbol) " " } (words) }
        @if let Some(error) = &ending.error { p class="error" { (error) } }
    }
}

/// The figures that people look for first.
fn tiles(run: &Run) -> Markup {
    let last = run.last();
    let best = run
        .rounds
        .iter()
        .filter_map(|round| Some((round.summary.accuracy?, round.summary.round)))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let result = run.result();
    let hash = result
        .map(|last| last.summary.model_hash.to_string())
        .unwrap_or_default();
    let short: String = hash.chars().take(12).collect();
    let peers = run.subject.plan.peers.len();
    // What some peers say of their own test samples is not the model's accuracy.
    let whose = match last {
        Some(last) if last.summary.peers < peers => {
            format!("on the parts of {} of {peers} peers; ", last.summary.peers)
        }
        _ => String::new(),
    };
    html! {
        dl class="tiles" {
            (tile("Accuracy", &percent(last.and_then(|last| last.summary.accuracy)), &best.map_or_else(String::new, |(best, round)| format!("{whose}best {} in round {}", percent(Some(best)), round + 1))))
            (tile("Loss", &last.and_then(|last| last.summary.loss).map_or_else(|| "–".to_owned(), |loss| format!("{loss:.4}")), "on the test samples"))
            (tile("Time", &run.ending.as_ref().map_or_else(|| last.map_or_else(|| "–".to_owned(), |last| duration(last.seconds)), |ending| duration(ending.wall_seconds)), &run.ending.as_ref().and_then(|ending| ending.startup_seconds).map_or_else(String::new, |startup| format!("of it {} to start", duration(startup)))))
            (tile("Bytes received", &bytes(run.rounds.last().map_or(0, |last| last.bytes)), &format!("by all {peers} peers")))
            (tile("Model", if short.is_empty() { "–" } else { &short }, match last {
                Some(last) if !last.summary.models_agree => "differs between peers",
                Some(_) if result.is_none() => "the run failed",
                Some(last) if last.summary.peers == peers => "the same bits on all peers",
                Some(_) => "the same bits on the peers that are here",
                None => "no round is finished",
            }))
        }
    }
}

fn tile(name: &str, value: &str, note: &str) -> Markup {
    html! { div { dt { (name) } dd { strong { (value) } @if !note.is_empty() { span { (note) } } } } }
}
