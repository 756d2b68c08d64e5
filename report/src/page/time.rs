//! Where a round's time goes, and who sends and receives.

use fltorrent_records::report::RoundReport;
use maud::{Markup, html};

use super::figure::{Table, absent, figure};
use crate::{
    plot::{GroupedBars, Name, StackedBars, range_name, ranges},
    run::{Finished, Run},
    units::{Unit, bytes, duration},
};

/// Most bars of a plot.
const MOST_BARS: usize = 50;
const PARTS: [&str; 4] = ["training", "exchange", "aggregation", "evaluation"];

pub(super) fn section(run: &Run) -> Markup {
    html! { div class="grid" { (rounds(run)) (peers(run)) } }
}

const fn parts(round: &Finished) -> [f64; 4] {
    let summary = &round.summary;
    [
        summary.train_seconds.mean,
        summary.exchange_seconds.mean,
        summary.aggregate_seconds.mean,
        summary.evaluate_seconds.mean,
    ]
}

fn rounds(run: &Run) -> Markup {
    const TITLE: &str = "Time of a round";
    if run.rounds.is_empty() {
        return absent(TITLE, "no round was finished.");
    }
    let all = |part: usize| run.rounds.iter().map(move |round| parts(round)[part]).sum::<f64>();
    let total: f64 = (0..PARTS.len()).map(all).sum();
    let share = |part| 100.0 * all(part) / total.max(f64::MIN_POSITIVE);
    let description = format!(
        "Mean over the peers. Training took {:.0} % of it, exchange {:.0} %, aggregation {:.1} %, evaluation {:.0} %.",
        share(0),
        share(1),
        share(2),
        share(3)
    );
    let most = run.rounds.iter().map(|round| parts(round).iter().sum());
    let unit = Unit::of_seconds(most.fold(0.0, f64::max));
    let bars = ranges(run.rounds.len(), MOST_BARS).into_iter().map(|range| {
        let rounds = &run.rounds[range.clone()];
        let mean = |part: usize| {
            let sum: f64 = rounds.iter().map(|round| parts(round)[part]).sum();
            sum / rounds.len() as f64 / unit.size
        };
        (
            range_name(&(range.start + 1..range.end + 1)),
            (0..PARTS.len()).map(mean).collect(),
        )
    });
    let name = Name {
        id: "time-of-a-round",
        title: TITLE,
        description: &description,
    };
    let plot = StackedBars {
        x: "round",
        y: unit.name,
        parts: &PARTS,
        bars: bars.collect(),
    };
    let table = Table::new(
        &["Round", "Training", "Exchange", "Aggregation", "Evaluation"],
        run.rounds.len(),
        |at| {
            let round = &run.rounds[at];
            let mut row = vec![(round.summary.round + 1).to_string()];
            row.extend(parts(round).map(duration));
            row
        },
    );
    figure(&name, &plot.draw(&name), &table)
}

/// Payload bytes that a peer has sent and received. What it has sent is what its neighbours have received of it, where
/// their figures are there: the last uploads of a peer come after its last line.
fn traffic(run: &Run) -> Vec<(u32, u64, u64)> {
    let sent_as_received = |peer: u32| -> u64 {
        let others = run.peers.values().filter_map(|other| other.flows.get(&peer));
        others.map(|flow| flow.1).sum()
    };
    run.peers
        .iter()
        .map(|(&index, history)| {
            let sum = |bytes: fn(&RoundReport) -> u64| -> u64 {
                history.rounds.values().map(|(_, report)| bytes(report)).sum()
            };
            let sent = sum(|report| report.bytes_sent).max(sent_as_received(index));
            (index, sent, sum(|report| report.bytes_received))
        })
        .collect()
}

fn peers(run: &Run) -> Markup {
    const TITLE: &str = "Bytes by peer";
    let traffic = traffic(run);
    let most = traffic.iter().map(|(_, sent, received)| *sent.max(received)).max();
    let Some(most) = most.filter(|most| *most > 0) else {
        return absent(TITLE, "no peer has finished a round with others.");
    };
    let unit = Unit::of_bytes(most as f64);
    let groups = ranges(traffic.len(), MOST_BARS).into_iter().map(|range| {
        let peers = &traffic[range.clone()];
        let mean = |sum: u64| {
            let mean = sum / peers.len() as u64;
            (mean as f64 / unit.size, bytes(mean))
        };
        let name = match (peers.first(), peers.last()) {
            (Some(first), Some(last)) if peers.len() > 1 => format!("{}–{}", first.0, last.0),
            (first, _) => first.map_or_else(String::new, |first| first.0.to_string()),
        };
        let (sent, received) = (
            peers.iter().map(|peer| peer.1).sum(),
            peers.iter().map(|peer| peer.2).sum(),
        );
        (name, vec![mean(sent), mean(received)])
    });
    let least = traffic.iter().map(|peer| peer.1).min().unwrap_or(0);
    let greatest = traffic.iter().map(|peer| peer.1).max().unwrap_or(0);
    let description = format!(
        "Payload of the whole run. Peers sent between {} and {}.",
        bytes(least),
        bytes(greatest)
    );
    let name = Name {
        id: "bytes-by-peer",
        title: TITLE,
        description: &description,
    };
    let plot = GroupedBars {
        x: unit.name,
        y: "peer",
        parts: &["sent", "received"],
        groups: groups.collect(),
    };
    let table = Table::new(&["Peer", "Sent", "Received"], traffic.len(), |at| {
        let (peer, sent, received) = traffic[at];
        vec![peer.to_string(), bytes(sent), bytes(received)]
    });
    figure(&name, &plot.draw(&name), &table)
}
