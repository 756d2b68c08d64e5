//! Events for people.

use fltorrent_records::progress::RoundSummary;
use fltorrent_report::units::{bytes, grouped};

use super::{Description, Event, Started, Summary};

pub(super) fn text(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Starting { ready, peers } => Some(format!("starting: {ready} of {peers} peers ready")),
        Event::Started(started) => Some(header(started)),
        Event::Round { rounds, peers, summary } => Some(round(*rounds, *peers, summary)),
        // A warning says it.
        Event::Restarted(_) | Event::Lost(_) => None,
        Event::Finished(summary) => Some(finished(summary)),
        // Errors go to standard error.
        Event::Failed(_) => None,
    }
}

pub(crate) fn description(description: &Description) -> String {
    let Description {
        name,
        peers,
        topology,
        rounds,
        model,
        parameters,
        chunks,
        update_bytes,
        data,
        ..
    } = description;
    let images = match (description.train_samples, description.test_samples) {
        (Some(train), Some(test)) => {
            format!(
                ": {} training and {} test samples",
                grouped(train as u64),
                grouped(test as u64)
            )
        }
        _ => String::new(),
    };
    format!(
        "{name}: {peers} peers, {topology}, {rounds} rounds\n  \
         data     {data}{images}\n  \
         model    {model}: {} parameters, {} in {chunks} chunks",
        grouped(*parameters),
        bytes(*update_bytes),
    )
}

fn header(started: &Started<'_>) -> String {
    format!(
        "{}\n  results  {}{}\n\n{:>9} {:>8} {:>8} {:>11} {:>9} {:>7} {:>8}  {}",
        description(started.description),
        started.results.display(),
        started
            .resumed_after
            .map_or_else(String::new, |rounds| format!(", resumed after round {rounds}")),
        "round",
        "accuracy",
        "loss",
        "chunks",
        "received",
        "train",
        "exchange",
        "model"
    )
}

fn round(rounds: u32, peers: usize, summary: &RoundSummary) -> String {
    format!(
        "{:>9} {:>8} {:>8} {:>11} {:>9} {:>6.2}s {:>7.2}s  {:.12}{}{}",
        format!("{}/{rounds}", u64::from(summary.round) + 1),
        figure(summary.accuracy),
        figure(summary.loss),
        format!("{}/{}", summary.chunks_held, summary.chunks_total),
        bytes(summary.bytes_received),
        summary.train_seconds.max,
        summary.exchange_seconds.mean,
        summary.model_hash,
        if summary.models_agree { "" } else { " and others" },
        match summary.peers < peers {
            true => format!("  {} of {peers} peers", summary.peers),
            false => String::new(),
        },
    )
}

fn finished(summary: &Summary) -> String {
    let reason = match &summary.reason {
        Some(reason) => format!("\nended     early, {reason}"),
        None => String::new(),
    };
    let hash = summary.model_hash.map_or_else(String::new, |hash| hash.to_string());
    let (peers, rounds) = (summary.peers.len(), summary.degraded_rounds);
    let holders = match summary.lost.len() {
        0 => format!("all {peers} peers"),
        lost if peers - lost == 1 => "the peer that is left".to_owned(),
        lost => format!("the {} peers that are left", peers - lost),
    };
    let lost = summary.lost.iter().map(|loss| format!("\nlost      {}", loss.short()));
    let degraded = match rounds {
        0 => String::new(),
        1 => "\ndegraded  1 round, which lacks updates of some peers".to_owned(),
        _ => format!("\ndegraded  {rounds} rounds, which lack updates of some peers"),
    };
    format!(
        "{reason}\naccuracy  {}\nmodel     {hash}, the same on {holders}{}{degraded}\nresults   {}{}",
        figure(summary.accuracy),
        lost.collect::<String>(),
        summary.results,
        match &summary.report {
            Some(report) => format!("\nreport    {report}"),
            None => String::new(),
        }
    )
}

pub(crate) fn figure(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_may_be_missing() {
        assert_eq!(figure(None), "-");
        assert_eq!(figure(Some(0.91234)), "0.9123");
    }
}
