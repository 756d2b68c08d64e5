//! The page about two or more runs: their curves over each other, and what differs.

use maud::{Markup, html};

use super::{
    document,
    figure::{Table, absent, figure},
    learning::{By, Measure},
};
use crate::{
    compare::Comparison,
    plot::{Lines, Name, STYLES, Series},
    run::Run,
    table::{self, Row},
    units::percent,
};

pub(crate) fn page(comparison: &Comparison) -> Markup {
    let count = comparison.runs.len();
    let head = html! {
        p class="kicker" { "FLTorrent" }
        h1 { "Comparison of " (count) " runs" }
        dl class="facts" {
            @for run in &comparison.runs {
                dt { strong { (run.letter) } } dd { (run.name) " · " code { (run.path.display()) } }
            }
        }
        p class={ "ending " @if comparison.same_model { "good" } @else { "open" } } {
            @if comparison.same_model { "✓ All runs ended with the same model, bit for bit" } @else { "≠ The runs ended with different models" }
        }
    };
    let sections = [
        ("outcomes", "Results", outcomes(comparison)),
        ("learning", "Learning", learning(comparison)),
        (
            "differences",
            "Differences between the manifests",
            differences(comparison),
        ),
    ];
    document(&format!("{count} FLTorrent runs"), &head, &sections)
}

fn outcomes(comparison: &Comparison) -> Markup {
    grid(comparison, &table::outcomes(comparison), "Results of the runs")
}

fn differences(comparison: &Comparison) -> Markup {
    match comparison.differences.is_empty() {
        true => html! { p { "None: the manifests are identical." } },
        false => grid(comparison, &table::differences(comparison), "Fields that differ"),
    }
}

fn grid(comparison: &Comparison, rows: &[Row], caption: &str) -> Markup {
    let mut head = vec![""];
    head.extend(comparison.runs.iter().map(|run| run.letter.as_str()));
    let table = Table::new(&head, rows.len(), |at| {
        let row = &rows[at];
        std::iter::once(&row.name).chain(&row.cells).cloned().collect()
    });
    html! { div class="wide" { (table.draw(caption)) } }
}

fn learning(comparison: &Comparison) -> Markup {
    html! {
        div class="grid" {
            @for by in By::ALL {
                @for measure in Measure::ALL { (curves(comparison, measure, by)) }
            }
        }
    }
}

fn curves(comparison: &Comparison, measure: Measure, by: By) -> Markup {
    let title = format!("{} by {}", measure.name(), by.name());
    let points = |run: &Run| -> Vec<(f64, f64)> {
        let point = |round| Some((by.of(round), measure.of(round)?));
        run.rounds.iter().filter_map(point).collect()
    };
    let all: Vec<Vec<(f64, f64)>> = comparison.read.iter().map(points).collect();
    let most = all.iter().flatten().map(|point| point.0).fold(0.0, f64::max);
    let (unit, x) = by.axis(most);
    if all.iter().all(Vec::is_empty) {
        return absent(&title, "no run has finished a round with test samples.");
    }
    let series = comparison
        .runs
        .iter()
        .zip(all)
        .enumerate()
        .map(|(at, (run, points))| Series {
            name: run.letter.clone(),
            points: points.into_iter().map(|(x, y)| (x / unit, y)).collect(),
            style: Some(at % STYLES),
            end: run.letter.clone(),
        });
    let ended = comparison.runs.iter().map(|run| {
        let figure = match measure {
            Measure::Accuracy => percent(run.accuracy),
            Measure::Loss => run.loss.map_or_else(|| "–".to_owned(), |loss| format!("{loss:.4}")),
        };
        format!("{}: {figure}", run.letter)
    });
    let description = format!("At the end {}.", ended.collect::<Vec<_>>().join(", "));
    let id = format!("{}-by-{}", measure.name().to_lowercase(), by.name());
    let name = Name {
        id: &id,
        title: &title,
        description: &description,
    };
    let (at_least, at_most) = measure.spans();
    let lines = Lines {
        x: &x,
        y: measure.axis(),
        whole_x: by == By::Rounds,
        at_least,
        at_most,
        series: series.collect(),
    };
    let mut head = vec!["Round"];
    head.extend(comparison.runs.iter().map(|run| run.letter.as_str()));
    let longest = comparison.read.iter().map(|run| run.rounds.len()).max().unwrap_or(0);
    let table = Table::new(&head, longest, |at| {
        let cell = |run: &Run| {
            let figure = run.rounds.get(at).and_then(|round| measure.of(round));
            figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.4}"))
        };
        std::iter::once((at + 1).to_string())
            .chain(comparison.read.iter().map(cell))
            .collect()
    });
    figure(&name, &lines.draw(&name), &table)
}
