//! Why each round ended, and who was waited for.

use std::collections::{BTreeMap, BTreeSet};

use fltorrent_records::{
    bottleneck::{Bottleneck, WaitedFor},
    survival::{Cause, EndsSaid},
};
use maud::{Markup, html};

use super::figure::{Table, absent, figure};
use crate::{
    plot::{GroupedBars, Name},
    run::Run,
    units::duration,
};

/// Most peers that are named.
const MOST_NAMED: usize = 12;

/// Most missing peers that are named.
const MOST_MISSING: usize = 8;

struct Ending {
    round: u32,
    causes: BTreeMap<&'static str, usize>,
    /// What the peers say of its end.
    said: EndsSaid,
    /// Whom each peer waited for last.
    bottlenecks: Vec<Bottleneck>,
    /// Last peer to have its update ready, and seconds after the first.
    last_update: (u32, f64),
    /// Last peer to complete, and seconds after the last update was ready.
    last_complete: (u32, f64),
}

impl Ending {
    /// Peers of whose update nothing is in the model.
    fn missing(&self) -> &[u32] {
        self.said.of_most().1
    }
}

pub(super) fn section(run: &Run) -> Markup {
    let endings: Vec<Ending> = run
        .rounds
        .iter()
        .filter_map(|round| ending(run, round.summary.round))
        .collect();
    if endings.is_empty() {
        return absent("Why rounds ended", "the metrics of the peers have no exchange records.");
    }
    let mut causes: BTreeMap<&str, usize> = BTreeMap::new();
    for (cause, peers) in endings.iter().flat_map(|ending| &ending.causes) {
        *causes.entry(cause).or_default() += peers;
    }
    let table = Table::new(
        &[
            "Round",
            "Ended with",
            "Without",
            "Waited for",
            "Last update by",
            "After the first",
            "Last to complete",
            "After the last update",
        ],
        endings.len(),
        |at| {
            let ending = &endings[at];
            let causes: Vec<&str> = ending.causes.keys().copied().collect();
            vec![
                (ending.round + 1).to_string(),
                causes.join(", "),
                named(ending.missing()),
                Bottleneck::of_round(ending.bottlenecks.iter().copied()).map_or_else(|| "–".to_owned(), told),
                format!("peer {}", ending.last_update.0),
                duration(ending.last_update.1),
                format!("peer {}", ending.last_complete.0),
                duration(ending.last_complete.1),
            ]
        },
    );
    let (waited, swapped): (f64, f64) = endings.iter().fold((0.0, 0.0), |(waited, swapped), ending| {
        (waited + ending.last_update.1, swapped + ending.last_complete.1)
    });
    html! {
        p {
            @for (cause, count) in &causes {
                "A round of a peer ended " (count) " times with " strong { (cause) } ". "
            }
            @if let Some(degraded) = degraded(&endings) { (degraded) " " }
            @if let Some(uncertified) = uncertified(&endings) { (uncertified) " " }
            "On average " (duration(waited / endings.len() as f64)) " passed between the first and the last update of a round, and " (duration(swapped / endings.len() as f64)) " from then until every peer that reported held all chunks that are in the model."
        }
        div class="grid" {
            (waited_for(&endings, "Last peer to finish training", "last-update", "rounds in which it finished training last", |ending| ending.last_update.0))
            (waited_for(&endings, "Last peer to complete the exchange", "last-complete", "rounds in which it was the last to hold all chunks", |ending| ending.last_complete.0))
            (bottlenecks(&endings))
        }
        details class="wide" { summary { "Every round" } (table.draw("How each round ended")) }
    }
}

fn ending(run: &Run, round: u32) -> Option<Ending> {
    let mut causes: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut said = EndsSaid::default();
    let mut bottlenecks = Vec::new();
    let mut ready: Vec<(u32, f64)> = Vec::new();
    let mut complete: Vec<(u32, f64)> = Vec::new();
    for (&peer, history) in &run.peers {
        let (Some(&time), Some((_, report))) = (history.complete.get(&round), history.rounds.get(&round)) else {
            continue;
        };
        let end = history.ends.get(&round);
        *causes
            .entry(words(end.map_or(Cause::All, |end| end.cause)))
            .or_default() += 1;
        if let Some(end) = end {
            said.add(end, !run.lost.contains(&peer));
            bottlenecks.extend(end.bottleneck);
        }
        ready.push((peer, time - report.exchange_seconds));
        complete.push((peer, time));
    }
    let latest = |times: &[(u32, f64)]| times.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    let first = ready.iter().map(|(_, time)| *time).fold(f64::INFINITY, f64::min);
    let (last_update, last_complete) = (latest(&ready)?, latest(&complete)?);
    Some(Ending {
        round,
        causes,
        said,
        bottlenecks,
        last_update: (last_update.0, last_update.1 - first),
        last_complete: (last_complete.0, (last_complete.1 - last_update.1).max(0.0)),
    })
}

const fn words(cause: Cause) -> &'static str {
    match cause {
        Cause::All => "all chunks of all peers",
        Cause::Quorum => "what the present peers held",
        Cause::Deadline => "what was there by the deadline",
    }
}

/// A sentence on the rounds whose model lacks something.
fn degraded(endings: &[Ending]) -> Option<String> {
    let lacking: Vec<u32> = endings
        .iter()
        .filter(|it| !it.missing().is_empty())
        .map(|it| it.round)
        .collect();
    let peers: BTreeSet<u32> = endings.iter().flat_map(|it| it.missing().iter().copied()).collect();
    let first = lacking.first()?;
    let peers = named(&peers.into_iter().collect::<Vec<u32>>());
    let (count, all, first) = (lacking.len(), endings.len(), first + 1);
    Some(format!(
        "In {count} of {all} rounds, the first of them round {first}, updates are missing: of {peers}."
    ))
}

/// A sentence on the rounds whose end too few have signed.
fn uncertified(endings: &[Ending]) -> Option<String> {
    let told_by: Vec<u32> = endings
        .iter()
        .filter(|it| it.said.is_uncertified_before())
        .map(|it| it.round)
        .collect();
    // What a peer says when it closes a round is of the one before, which counts from 1 here.
    let first = told_by.first()?;
    let rounds = match told_by.len() {
        1 => "1 round is".to_owned(),
        count => format!("{count} rounds are"),
    };
    Some(format!(
        "{rounds} uncertified, as far as the rounds after them tell, from round {first} on: no more than half of all peers signed that they ended such a round alike."
    ))
}

fn named(peers: &[u32]) -> String {
    let named: Vec<String> = peers.iter().take(MOST_MISSING).map(u32::to_string).collect();
    match (peers.len(), peers.len().saturating_sub(MOST_MISSING)) {
        (0, _) => "–".to_owned(),
        (1, _) => format!("peer {}", named.concat()),
        (_, 0) => format!("peers {}", named.join(", ")),
        (_, more) => format!("peers {} and {more} more", named.join(", ")),
    }
}

fn told(bottleneck: Bottleneck) -> String {
    format!("peer {}, {}", bottleneck.peer, bottleneck.phase.name())
}

/// Whom the peers waited for last, each in each round.
fn bottlenecks(endings: &[Ending]) -> Markup {
    const TITLE: &str = "Peer that others waited for last";
    let counts = WaitedFor::count(endings.iter().flat_map(|ending| ending.bottlenecks.iter().copied()));
    let Some(most) = counts.first() else {
        return absent(TITLE, "no peer has written whom it waited for.");
    };
    let all: usize = counts.iter().map(WaitedFor::times).sum();
    let description = format!(
        "A peer's wait in a round ended {} of {all} times with the update of peer {}: {} times its training took more of the wait, {} times the exchange of its chunks.",
        most.times(),
        most.peer,
        most.training,
        most.exchange
    );
    let name = Name {
        id: "bottlenecks",
        title: TITLE,
        description: &description,
    };
    let bar = |count: usize| (count as f64, count.to_string());
    let plot = GroupedBars {
        x: "times that a peer waited for it last",
        y: "",
        parts: &["training", "exchange"],
        groups: counts
            .iter()
            .take(MOST_NAMED)
            .map(|it| (format!("peer {}", it.peer), vec![bar(it.training), bar(it.exchange)]))
            .collect(),
    };
    let table = Table::new(&["Peer", "Training", "Exchange"], counts.len(), |at| {
        let WaitedFor {
            peer,
            training,
            exchange,
        } = counts[at];
        [peer as usize, training, exchange]
            .map(|count| count.to_string())
            .to_vec()
    });
    figure(&name, &plot.draw(&name), &table)
}

fn waited_for(endings: &[Ending], title: &str, id: &str, x: &str, peer: impl Fn(&Ending) -> u32) -> Markup {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for ending in endings {
        *counts.entry(peer(ending)).or_default() += 1;
    }
    let mut counts: Vec<(u32, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|&(peer, count)| (std::cmp::Reverse(count), peer));
    let most = counts.first().copied().unwrap_or_default();
    let description = format!(
        "Peer {} in {} of {} rounds.{}",
        most.0,
        most.1,
        endings.len(),
        if counts.len() > MOST_NAMED {
            format!(" The {MOST_NAMED} most frequent of {} peers are drawn.", counts.len())
        } else {
            String::new()
        }
    );
    let name = Name {
        id,
        title,
        description: &description,
    };
    let plot = GroupedBars {
        x,
        y: "",
        parts: &["rounds"],
        groups: counts
            .iter()
            .take(MOST_NAMED)
            .map(|(peer, count)| (format!("peer {peer}"), vec![(*count as f64, count.to_string())]))
            .collect(),
    };
    let table = Table::new(&["Peer", "Rounds"], counts.len(), |at| {
        vec![counts[at].0.to_string(), counts[at].1.to_string()]
    });
    figure(&name, &plot.draw(&name), &table)
}

#[cfg(test)]
mod tests {
    use fltorrent_records::survival::RoundEnd;

    use super::*;

    /// A round of which each peer says who was missing, and whether the round before is certified.
    fn ending(round: u32, ends: &[(&[u32], bool)]) -> Ending {
        let mut said = EndsSaid::default();
        for &(missing, certified_before) in ends {
            let end = RoundEnd {
                round,
                cause: Cause::Deadline,
                missing: missing.to_vec(),
                present: 3,
                certified_before: Some(certified_before),
                bottleneck: None,
            };
            said.add(&end, true);
        }
        Ending {
            round,
            causes: BTreeMap::new(),
            said,
            bottlenecks: Vec::new(),
            last_update: (0, 0.0),
            last_complete: (0, 0.0),
        }
    }

    #[test]
    fn uncertified_rounds_are_counted_and_the_first_is_named() {
        let certified = || ending(1, &[(&[], true), (&[], true), (&[], false)]);
        let told = |round| ending(round, &[(&[], false), (&[], true), (&[], false)]);
        assert_eq!(uncertified(&[certified()]), None);
        let one = uncertified(&[certified(), told(2)]).unwrap();
        assert!(one.starts_with("1 round is uncertified"), "{one}");
        let text = uncertified(&[certified(), told(2), told(4)]).unwrap();
        assert!(text.starts_with("2 rounds are uncertified"), "{text}");
        // Of the round that ended before the third one, from 1.
        assert!(text.contains("from round 2 on"), "{text}");
    }

    #[test]
    fn the_last_peer_does_not_say_alone_who_was_missing() {
        let text = degraded(&[ending(2, &[(&[1, 4], true), (&[1, 4], true), (&[], true)])]).unwrap();
        assert!(text.ends_with("updates are missing: of peers 1, 4."), "{text}");
    }
}
