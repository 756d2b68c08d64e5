//! A simulation in words.

use super::summary::{Round, Simulated};
use crate::{
    counts::counted,
    output::{bytes, description_text},
};

/// Rounds that are shown one by one.
const SHOWN: usize = 40;
/// Peers that are named at most where they are missing.
const MANY: usize = 8;

pub(super) fn text(simulated: &Simulated) -> String {
    let mut lines = vec![
        description_text(&simulated.description),
        format!(
            "  bound    {:.3} s per round at least: {} ({})",
            simulated.bound.seconds,
            simulated.bound.limit,
            simulated.bound.kind()
        ),
        String::new(),
        format!(
            "{:>7} {:>11} {:>11} {:>8} {:>6}  {}",
            "round", "time", "exchange", "÷ bound", "last", "what the last peer waited for"
        ),
    ];
    lines.extend(simulated.rounds.iter().take(SHOWN).map(row));
    if let Some(more) = simulated.rounds.len().checked_sub(SHOWN + 1) {
        lines.push(format!("    … {} more rounds", more + 1));
    }
    lines.push(String::new());
    lines.extend(totals(simulated));
    lines.join("\n")
}

fn row(round: &Round) -> String {
    format!(
        "{:>7} {:>9.3} s {:>9.3} s {:>8} {:>6}  {}{}",
        round.round,
        round.seconds,
        round.exchange,
        ratio(round.over_bound),
        round.last,
        why(round),
        without(round)
    )
}

/// The waiting times of the last peer of a round, in words.
pub(super) fn why(round: &Round) -> String {
    format!(
        "served {:.0} %, nothing to request {:.0} %, choked {:.0} %",
        100.0 * (1.0 - round.nothing - round.choked).max(0.0),
        100.0 * round.nothing,
        100.0 * round.choked
    )
}

/// Whose update a round lacks.
fn without(round: &Round) -> String {
    let missing: Vec<String> = round.missing.iter().map(ToString::to_string).collect();
    match (round.cause.is_all(), missing.as_slice()) {
        (true, []) => String::new(),
        (false, []) => "; some chunks are missing".to_owned(),
        (_, missing) if missing.len() > MANY => format!("; without {} peers", missing.len()),
        (_, missing) => format!("; without {}", missing.join(", ")),
    }
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.3}"))
}

fn totals(simulated: &Simulated) -> Vec<String> {
    let payload = simulated.payload.max(1) as f64;
    let mut lines = vec![
        format!(
            "  total       {:.3} s; exchange ÷ bound {}",
            simulated.seconds,
            ratio(simulated.over_bound)
        ),
        format!(
            "  bytes       {} of chunks, {} on the wire ({:.3} ×), control {:.2} %, duplicates {:.2} %",
            bytes(simulated.payload),
            bytes(simulated.wire),
            simulated.wire as f64 / payload,
            100.0 * simulated.control as f64 / payload,
            100.0 * simulated.duplicate as f64 / payload
        ),
        format!(
            "  counts      {} chokes, {} packets lost, {} events simulated",
            simulated.chokes, simulated.packets_lost, simulated.events
        ),
    ];
    if !simulated.churn.is_empty() {
        lines.push(format!("  churn       {}", counted(simulated.churn.len(), "event")));
    }
    let lost = simulated.lost.iter().take(SHOWN);
    lines.extend(lost.map(|lost| {
        format!(
            "  lost        peer {} after {:.3} s: {}",
            lost.peer, lost.seconds, lost.why
        )
    }));
    if let Some(cohort) = simulated.cohort {
        lines.push(format!("  cohorts     the updates of {cohort} peers travelled as one"));
    }
    if let Some(exact) = simulated.exact {
        lines.push(format!(
            "  exact       {:.3} s without cohorts; exchange ÷ bound {}, {} events: cohorts are {:+.1} % off",
            exact.seconds,
            ratio(exact.over_bound),
            exact.events,
            100.0 * exact.error
        ));
    }
    if let Some(most) = simulated.bottleneck {
        lines.push(format!(
            "  bottleneck  peer {}'s {}, busy for {:.0} % of the exchange",
            most.peer,
            most.link,
            100.0 * most.busy
        ));
    }
    lines
}
