//! How chunks travelled: when, over which links, and whose came late.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::figure::{Table, absent, figure};
use crate::{
    plot::{Graph, Lines, Link, Matrix, Name, Series, Shape, range_name, ranges},
    run::Run,
    units::{Unit, bytes, duration},
};

const OLD: &str =
    "the metrics of the peers have no exchange records: an older version wrote them, or no round was finished.";
/// Most rows and columns of the heat map.
const MOST_CELLS: usize = 50;

pub(super) fn section(run: &Run) -> Markup {
    let last = run.last().map_or(0, |last| last.summary.round);
    html! {
        div class="grid" {
            (completion(run, 0))
            @if last > 0 { (completion(run, last)) }
            (availability(run))
            (topology(run))
        }
    }
}

/// Share of all chunks that each peer holds over time, in one round.
fn completion(run: &Run, round: u32) -> Markup {
    let title = format!("Chunks held in round {}", round + 1);
    let curves: Vec<(u32, &[(f64, u32)])> = run
        .peers
        .iter()
        .filter_map(|(&peer, history)| Some((peer, history.exchange(round)?.completion.as_slice())))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let total = run.subject.plan.peers.len() as f64 * f64::from(run.subject.plan.exchange.num_chunks);
    let end = |points: &[(f64, u32)]| points.last().map_or(0.0, |last| last.0);
    let by_end = |a: &&(u32, &[(f64, u32)]), b: &&(u32, &[(f64, u32)])| end(a.1).total_cmp(&end(b.1));
    let (Some(&slowest), Some(&fastest)) = (curves.iter().max_by(by_end), curves.iter().min_by(by_end)) else {
        return absent(&title, OLD);
    };
    let unit = Unit::of_seconds(end(slowest.1));
    let steps = |points: &[(f64, u32)]| -> Vec<(f64, f64)> {
        points
            .iter()
            .map(|&(seconds, held)| (seconds / unit.size, 100.0 * f64::from(held) / total))
            .collect()
    };
    let series = |(peer, points): (u32, &[(f64, u32)]), style: Option<usize>| Series {
        name: format!("peer {peer}"),
        points: steps(points),
        style,
        end: String::new(),
    };
    let mut all: Vec<Series> = curves
        .iter()
        .filter(|(peer, _)| *peer != slowest.0 && *peer != fastest.0)
        .map(|curve| series(*curve, None))
        .collect();
    let called = |what: &str, peer: u32, series: Series| Series {
        name: format!("{what}: peer {peer}"),
        ..series
    };
    all.push(called("first", fastest.0, series(fastest, Some(0))));
    if slowest.0 != fastest.0 {
        all.push(called("last", slowest.0, series(slowest, Some(1))));
    }
    let description = format!(
        "Time since each peer's own update was ready. Peer {} held all chunks after {}, peer {} after {}. Left of 0: chunks received while the peer was still training.",
        fastest.0,
        duration(end(fastest.1)),
        slowest.0,
        duration(end(slowest.1))
    );
    let id = format!("completion-{}", round + 1);
    let name = Name {
        id: &id,
        title: &title,
        description: &description,
    };
    let x = format!("{} since the peer's own update was ready", unit.name);
    let lines = Lines {
        x: &x,
        y: "% of all chunks",
        whole_x: false,
        at_least: (0.0, 100.0),
        at_most: (0.0, 100.0),
        series: all,
    };
    let reached = |points: &[(f64, u32)], share: f64| {
        let point = points.iter().find(|point| f64::from(point.1) >= share * total);
        point.map_or_else(|| "–".to_owned(), |point| signed(point.0))
    };
    let table = Table::new(&["Peer", "Half of the chunks", "90 %", "All"], curves.len(), |at| {
        let (peer, points) = curves[at];
        let mut row = vec![peer.to_string()];
        row.extend([0.5, 0.9, 1.0].map(|share| reached(points, share)));
        row
    });
    figure(&name, &lines.draw(&name), &table)
}

fn signed(seconds: f64) -> String {
    match seconds < 0.0 {
        true => format!("−{}", duration(-seconds)),
        false => duration(seconds),
    }
}

/// Mean seconds until a peer holds all of an origin's chunks.
fn availability(run: &Run) -> Markup {
    const TITLE: &str = "Delivery time by origin";
    // The mean of a range of peers and a range of origins, over their rounds.
    let mut known: BTreeMap<u32, BTreeMap<u32, f64>> = BTreeMap::new();
    for (&peer, history) in &run.peers {
        for (&origin, &(sum, count)) in &history.origins {
            let mean = (sum / f64::from(count.max(1))).max(0.0);
            known.entry(peer).or_default().insert(origin, mean);
        }
    }
    let mut origins: Vec<u32> = known.values().flat_map(BTreeMap::keys).copied().collect();
    origins.sort_unstable();
    origins.dedup();
    let holders: Vec<u32> = known.keys().copied().collect();
    let figures = || known.values().flat_map(BTreeMap::values).copied();
    if origins.len() < 2 || holders.is_empty() {
        return absent(TITLE, OLD);
    }
    let unit = Unit::of_seconds(figures().fold(0.0, f64::max));
    let mean = |holders: &[u32], origins: &[u32]| {
        let cells = holders.iter().filter_map(|holder| known.get(holder));
        let cells = cells.flat_map(|row| origins.iter().filter_map(|origin| row.get(origin)));
        let (sum, count) = cells.fold((0.0, 0_u32), |(sum, count), figure| (sum + figure, count + 1));
        (count > 0).then(|| sum / f64::from(count) / unit.size)
    };
    let columns = ranges(origins.len(), MOST_CELLS);
    let matrix = Matrix {
        x: "origin of the chunks",
        y: "holder",
        unit: unit.name,
        columns: columns.iter().map(|range| of(&origins, range)).collect(),
        rows: ranges(holders.len(), MOST_CELLS)
            .iter()
            .map(|rows| {
                let row = columns
                    .iter()
                    .map(|range| mean(&holders[rows.clone()], &origins[range.clone()]));
                (of(&holders, rows), row.collect())
            })
            .collect(),
    };
    let slowest_origin = origins
        .iter()
        .filter_map(|origin| Some((*origin, mean(&holders, &[*origin])?)))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    let description = slowest_origin.map_or_else(String::new, |(origin, mean)| {
        format!(
            "Time from a peer's own update until it held all chunks of an origin, mean over the rounds. Those of peer {origin} arrived last, after {} on average.",
            duration(mean * unit.size)
        )
    });
    let name = Name {
        id: "availability",
        title: TITLE,
        description: &description,
    };
    let table = Table::new(&["Origin", "Mean", "Longest"], origins.len(), |at| {
        let origin = origins[at];
        let all = known.values().filter_map(|row| row.get(&origin)).copied();
        vec![
            origin.to_string(),
            mean(&holders, &[origin]).map_or_else(|| "–".to_owned(), |mean| duration(mean * unit.size)),
            duration(all.fold(0.0, f64::max)),
        ]
    });
    figure(&name, &matrix.draw(&name), &table)
}

/// The name of a range of peers, by their indices.
fn of(peers: &[u32], range: &std::ops::Range<usize>) -> String {
    let (Some(first), Some(last)) = (peers.get(range.start), peers.get(range.end.saturating_sub(1))) else {
        return String::new();
    };
    range_name(&(*first as usize..*last as usize + 1))
}

/// The links with what flowed over them in the whole run.
fn topology(run: &Run) -> Markup {
    let plan = &run.subject.plan;
    let flow = |from: u32, to: u32| {
        // The receiver's figures are exact; without them the sender's will do.
        let received = run.peers.get(&to).and_then(|peer| peer.flows.get(&from));
        let sent = run.peers.get(&from).and_then(|peer| peer.flows.get(&to));
        received
            .map(|flow| flow.1)
            .or_else(|| sent.map(|flow| flow.0))
            .unwrap_or(0)
    };
    let mut links = Vec::new();
    for peer in &plan.peers {
        for &other in peer.neighbours.iter().filter(|&&other| other > peer.index) {
            links.push(Link {
                a: peer.index as usize,
                b: other as usize,
                forth: flow(peer.index, other),
                back: flow(other, peer.index),
            });
        }
    }
    let graph = Graph {
        peers: plan.peers.len(),
        links,
    };
    let busiest = graph
        .links
        .iter()
        .max_by_key(|link| (link.forth + link.back, std::cmp::Reverse(link.a)));
    let drawn = match graph.shape() {
        Shape::Star { hub } => format!("Peer {hub} is the hub."),
        Shape::Tree => "From peer 0 downwards.".to_owned(),
        Shape::Circle => "Clockwise by index, peer 0 at the top.".to_owned(),
    };
    let most = busiest.filter(|link| link.forth + link.back > 0).map_or_else(
        || "No flows were recorded.".to_owned(),
        |link| {
            format!(
                "Each wedge is the payload that one peer sent to another, wide at the sender. The largest flow is between peers {} and {}, {}.",
                link.a,
                link.b,
                bytes(link.forth + link.back)
            )
        },
    );
    let description = format!("{drawn} {most}");
    let name = Name {
        id: "topology",
        title: "Traffic between peers",
        description: &description,
    };
    let table = Table::new(
        &["Link", "First to second", "Second to first"],
        graph.links.len(),
        |at| {
            let link = &graph.links[at];
            vec![format!("{} – {}", link.a, link.b), bytes(link.forth), bytes(link.back)]
        },
    );
    figure(&name, &graph.draw(&name, bytes), &table)
}
