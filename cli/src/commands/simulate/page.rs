//! The page about a simulation.

use fltorrent_report::{
    page::{Table, document, figure},
    plot::{GroupedBars, Lines, Name, Series, ranges},
    units::{bytes, duration},
};
use maud::{Markup, html};

use super::{summary::Simulated, text::why};

/// Peers that have bars of their own.
const BARS: usize = 32;

pub(super) fn page(simulated: &Simulated) -> Markup {
    let description = &simulated.description;
    let head = html! {
        p class="kicker" { "FLTorrent simulation" }
        h1 { (description.name) }
        p class="subtitle" {
            (description.peers) " peers · " (description.topology) " · " (description.model) " · seed " (simulated.seed)
        }
        @if !simulated.notes.is_empty() {
            ul class="notes" { @for note in &simulated.notes { li { (note) } } }
        }
    };
    let sections = [
        ("rounds", "Rounds", rounds(simulated)),
        ("links", "Links", links(simulated)),
        ("waits", "Waits", waits(simulated)),
    ];
    document(
        &format!("{} · FLTorrent simulation", description.name),
        &head,
        &sections,
    )
}

fn rounds(simulated: &Simulated) -> Markup {
    let points = |value: fn(&super::summary::Round) -> f64| {
        let rounds = simulated.rounds.iter();
        rounds
            .map(|round| (f64::from(round.round), value(round)))
            .collect::<Vec<_>>()
    };
    let bound = simulated.bound.seconds;
    let series = |name: &str, points, style| Series {
        name: name.to_owned(),
        points,
        style: Some(style),
        end: String::new(),
    };
    let least = simulated
        .rounds
        .iter()
        .map(|round| (f64::from(round.round), bound))
        .collect();
    let lines = Lines {
        x: "round",
        y: "seconds",
        whole_x: true,
        at_least: (0.0, bound),
        at_most: (0.0, f64::INFINITY),
        series: vec![
            series("round", points(|round| round.seconds), 0),
            series("exchange", points(|round| round.exchange), 1),
            series("lower bound", least, 2),
        ],
    };
    let description = format!(
        "{} in total. The lower bound of an exchange is {}: {} ({}).",
        duration(simulated.seconds),
        duration(bound),
        simulated.bound.limit,
        simulated.bound.kind()
    );
    let name = Name {
        id: "round-times",
        title: "Time of a round",
        description: &description,
    };
    let table = Table::new(
        &["round", "time", "exchange", "÷ bound", "last peer", "why"],
        simulated.rounds.len(),
        |at| {
            let round = &simulated.rounds[at];
            vec![
                round.round.to_string(),
                duration(round.seconds),
                duration(round.exchange),
                round
                    .over_bound
                    .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.3}")),
                round.last.to_string(),
                why(round),
            ]
        },
    );
    figure(&name, &lines.draw(&name), &table)
}

fn links(simulated: &Simulated) -> Markup {
    let percent = |share: Option<f64>| share.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share));
    let bar = |share: Option<f64>| (100.0 * share.unwrap_or(0.0), percent(share));
    let bars = GroupedBars {
        x: "% of the exchanges' time",
        y: "peer",
        parts: &["up", "down"],
        groups: shown(simulated, |peer| vec![bar(peer.up_busy), bar(peer.down_busy)]),
    };
    let description = simulated.bottleneck.map_or_else(
        || "No link has a rate.".to_owned(),
        |most| {
            format!(
                "The bottleneck is peer {}'s {}: busy {:.0} % of the time.",
                most.peer,
                most.link,
                100.0 * most.busy
            )
        },
    );
    let name = Name {
        id: "link-use",
        title: "Link utilisation",
        description: &description,
    };
    let table = Table::new(
        &["peer", "sent", "received", "uplink busy", "downlink busy"],
        simulated.peers.len(),
        |at| {
            let peer = &simulated.peers[at];
            vec![
                peer.peer.to_string(),
                bytes(peer.sent),
                bytes(peer.received),
                percent(peer.up_busy),
                percent(peer.down_busy),
            ]
        },
    );
    figure(&name, &bars.draw(&name), &table)
}

fn waits(simulated: &Simulated) -> Markup {
    let bar = |seconds: f64| (seconds, duration(seconds));
    let bars = GroupedBars {
        x: "seconds of all rounds",
        y: "peer",
        parts: &["nothing to request", "choked"],
        groups: shown(simulated, |peer| vec![bar(peer.nothing), bar(peer.choked)]),
    };
    let name = Name {
        id: "waits",
        title: "What peers waited for",
        description: "For the rest of the exchange a neighbour served them.",
    };
    let table = Table::new(&["peer", "nothing to request", "choked"], simulated.peers.len(), |at| {
        let peer = &simulated.peers[at];
        vec![peer.peer.to_string(), duration(peer.nothing), duration(peer.choked)]
    });
    figure(&name, &bars.draw(&name), &table)
}

/// The bars of evenly spread peers.
fn shown(
    simulated: &Simulated,
    bars: impl Fn(&super::summary::Peer) -> Vec<(f64, String)>,
) -> Vec<(String, Vec<(f64, String)>)> {
    ranges(simulated.peers.len(), BARS)
        .into_iter()
        .map(|range| &simulated.peers[range.start])
        .map(|peer| (peer.peer.to_string(), bars(peer)))
        .collect()
}
