//! The forecast for people, in 80 columns.

use std::fmt::Write;

use fltorrent_crds::{BitRate, analysis};
use fltorrent_optimum::Limit;

use super::{
    churn::churn,
    emulated::emulated,
    forecast::{Forecast, LinkBound, PeerForecast},
    lists::{LISTED, NEIGHBOURS, shortened},
    shares::shares,
};
use crate::output::{bytes, description_text, grouped};

/// Columns of a terminal.
const WIDTH: usize = 80;

pub(super) fn text(forecast: &Forecast<'_>, all_peers: bool) -> String {
    let mut text = description_text(&forecast.description);
    text.push_str("\n\n");
    wiring(forecast, &mut text);
    round(forecast, &mut text);
    memory(forecast, &mut text);
    emulated(&forecast.emulated, &mut text);
    churn(&forecast.details, all_peers, &mut text);
    peers(forecast, all_peers, &mut text);
    if let Some(histogram) = &forecast.histogram {
        let listed = if all_peers { usize::MAX } else { LISTED };
        text.push_str(&shares(histogram, listed));
    }
    for note in &forecast.notes {
        let _ = write!(text, "\n{}", wrapped(&format!("note: {note}"), "  "));
    }
    text
}

// Writing to a String does not fail, so what it gives back is not looked at.

fn wiring(forecast: &Forecast<'_>, text: &mut String) {
    let wiring = &forecast.wiring;
    let neighbours = if wiring.least_neighbours == wiring.most_neighbours {
        format!("{} each", wiring.most_neighbours)
    } else {
        format!(
            "{} to {}, mean {:.1}",
            wiring.least_neighbours, wiring.most_neighbours, wiring.mean_neighbours
        )
    };
    let cuts: Vec<u32> = wiring.cuts.cut_vertices.iter().map(|cut| cut.peer).collect();
    let _ = writeln!(
        text,
        "topology\n  connections    {}\n  neighbours     {neighbours}\n  distance       at most {}, mean {:.2}\n  \
         cut vertices   {}\n  bridges        {}\n  spectral gap   {}",
        grouped(wiring.connections),
        wiring.diameter,
        wiring.mean_distance,
        listed_or_none(&cuts),
        wiring.cuts.bridges.len(),
        wiring
            .spectral_gap
            .map_or_else(|| "too small to compute".to_owned(), |gap| format!("{gap:.4}")),
    );
}

fn listed_or_none(peers: &[u32]) -> String {
    match peers.len() {
        0 => "none".to_owned(),
        count => format!("{count}: {}", shortened(peers, NEIGHBOURS)),
    }
}

fn round(forecast: &Forecast<'_>, text: &mut String) {
    let _ = writeln!(
        text,
        "\na round\n  received by each peer   {}\n  by all peers            {}, in {} rounds {}",
        bytes(forecast.received_by_each),
        bytes(forecast.exchanged_a_round),
        forecast.description.rounds,
        bytes(forecast.exchanged),
    );
    for (i, link) in forecast.bounds.iter().enumerate() {
        let name = if i == 0 { "exchange, at least" } else { "" };
        let _ = writeln!(text, "  {name:<22}  {}", bound(link));
    }
}

fn bound(link: &LinkBound) -> String {
    let rates = link
        .up
        .zip(link.down)
        .map_or_else(|| "the manifest's rates".to_owned(), |(up, down)| rates(up, down));
    let limit = match &link.bound.limit {
        Limit::ClosedForm(limit) => closed_form(*limit),
        Limit::Links(links) => {
            let count = links.uplinks.len() + links.downlinks.len();
            format!("{count} links together")
        }
        Limit::Trees(_) => "several uplinks".to_owned(),
    };
    format!("{} at {rates} ({limit})", seconds(link.bound.seconds))
}

fn closed_form(limit: analysis::Limit) -> String {
    match limit {
        analysis::Limit::Downlink { .. } => "downlinks".to_owned(),
        analysis::Limit::NeighboursUplinks { peer } => format!("peer {peer}'s neighbours"),
        analysis::Limit::AllUplinks => "all uplinks".to_owned(),
        analysis::Limit::Uplink { peer } => format!("peer {peer}'s uplink"),
    }
}

pub(super) fn rates(up: BitRate, down: BitRate) -> String {
    if up == down {
        format!("{up} up and down")
    } else {
        format!("{up} up, {down} down")
    }
}

/// Three figures, and no more digits than mean something.
fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 3600.0 => format!("{:.1} h", s / 3600.0),
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.1} s"),
        s => format!("{:.1} ms", s * 1000.0),
    }
}

fn memory(forecast: &Forecast<'_>, text: &mut String) {
    let memory = &forecast.memory;
    let file = match memory.chunks_in_file {
        0 => String::new(),
        file => format!("\n  on disk        {}", bytes(file)),
    };
    let _ = writeln!(
        text,
        "\nmemory of a peer, at most, without its samples\n  program        {}\n  model          {}\n  \
         chunks         {}\n  aggregation    {}\n  connections    {}\n  total          {}, all peers {}{file}",
        bytes(memory.program),
        bytes(memory.model),
        bytes(memory.chunks),
        bytes(memory.combining),
        bytes(memory.connections),
        bytes(memory.total()),
        bytes(forecast.memory_of_all),
    );
}

fn peers(forecast: &Forecast<'_>, all: bool, text: &mut String) {
    let _ = writeln!(
        text,
        "\n{:>6}  {:<14}  {:>5}  {:>13}  neighbours",
        "peer", "group", "links", "sends at least"
    );
    let shown = if all { usize::MAX } else { LISTED };
    for peer in forecast.details.iter().take(shown) {
        let _ = writeln!(text, "{}", line(peer, all));
    }
    let more = forecast.details.len().saturating_sub(shown);
    if more > 0 {
        let _ = writeln!(text, "     … and {} more; --peers lists all", grouped(more as u64));
    }
}

fn line(peer: &PeerForecast<'_>, all: bool) -> String {
    let group: String = peer.group.chars().take(14).collect();
    let width = if all { usize::MAX } else { NEIGHBOURS };
    format!(
        "{:>6}  {group:<14}  {:>5}  {:>14}  {}",
        peer.peer,
        peer.neighbours.len(),
        bytes(peer.least_sent),
        shortened(peer.neighbours, width)
    )
}

/// Words in lines of [`WIDTH`] columns.
fn wrapped(words: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line + 1 + word.chars().count() > WIDTH && line > 0 {
            lines.push(format!("{indent}{word}"));
        } else if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{commands::plan::forecast, manifest::Resolved};

    const QUICKSTART: &str = include_str!("../../../../examples/quickstart.yaml");

    fn shown(sets: &[(&str, &str)], all: bool) -> String {
        let sets: Vec<(String, String)> = sets.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let resolved = Resolved::from_text(QUICKSTART, &sets).unwrap();
        text(&Forecast::of(&resolved, forecast::links(None, None)), all)
    }

    #[test]
    fn eighty_columns_are_enough() {
        for sets in [
            &[][..],
            &[
                ("topology.type", "mesh"),
                ("groups[0].count", "60"),
                ("data.partition", "{type: iid}"),
            ],
            &[
                ("topology.type", "star"),
                ("groups[0].count", "60"),
                ("data.partition", "{type: iid}"),
            ],
            &[
                ("topology", "{type: tree, tree: {arity: 1}}"),
                ("model.mlp.hidden", "[8000, 8000]"),
            ],
        ] {
            let text = shown(sets, false);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(WIDTH), "{text}");
        }
    }

    #[test]
    fn links_of_the_manifest_are_shown_and_bound_the_exchange() {
        let text = shown(
            &[
                (
                    "groups",
                    "[{name: fast, count: 4}, {name: slow, count: 4, network: {up: 2Mbit, down: 8Mbit}, computeSlowdown: 2.5}]",
                ),
                (
                    "network.default",
                    "{up: 10Mbit, down: 10Mbit, delay: 20ms, jitter: 1ms, loss: 0.5%}",
                ),
            ],
            false,
        );
        for line in [
            "at the manifest's rates (4 links together)",
            "  fast           up and down 10 Mbit/s, queue 61.0 KiB\n",
            "                 delay 20ms ± 1ms, 0.5 % lost\n",
            "  slow           up 2 Mbit/s, queue 29.3 KiB\n",
            "                 down 8 Mbit/s, queue 48.8 KiB\n",
            "                 congestion control paced by the uplink rate\n",
            "                 trains 2.5× slower\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!shown(&[], false).contains("emulated"));
    }

    #[test]
    fn what_happens_to_peers_is_shown_by_time() {
        let churn = "[{event: crash, peers: [5], round: 3}, {event: pause, peers: [1, 2], round: 2, for: 90s}]";
        let text = shown(&[("churn", churn)], false);
        let expected =
            "\nchurn\n  round 2        pause   for 1m30s   peers 1, 2\n  round 3        crash               peers 5\n";
        assert!(text.contains(expected), "{text}");
        let many = shown(
            &[
                ("churn", "[{event: pause, rate: 1, for: 1s}]"),
                ("training.rounds", "30"),
            ],
            false,
        );
        assert!(many.contains("  … and 14 more; --peers lists all\n"), "{many}");
        assert!(many.lines().all(|line| line.chars().count() <= WIDTH), "{many}");
        assert!(!shown(&[], false).contains("churn"));
    }

    #[test]
    fn long_lists_are_cut_with_a_count() {
        assert_eq!(shortened(&[1, 2, 30], 8), "1, 2, 30");
        assert_eq!(shortened(&[1, 2, 30, 4], 10), "1 … 3 more");
        assert_eq!(shortened(&[1, 2, 30, 44], 10), "1 … 3 more");
        assert_eq!(shortened(&[7; 30], 14), "7, 7 … 28 more");
        assert_eq!(shortened(&[1, 2, 30, 4], 11), "1, 2, 30, 4");
        assert_eq!(shortened(&[], 11), "");
        let many = [("groups[0].count", "60"), ("data.partition", "{type: iid}")];
        assert!(shown(&many, false).contains("… and 44 more; --peers lists all"));
        let all = shown(&many, true);
        assert!(all.contains("\n    59  peers"), "{all}");
    }

    #[test]
    fn notes_say_what_is_good_to_know() {
        let text = shown(&[("topology.type", "star"), ("exchange.uploadSlots", "7")], false);
        assert!(text.contains("note: no peer is ever choked: 7 upload slots"), "{text}");
        assert!(text.contains("note: 1 peer is a cut vertex: without peer 0"), "{text}");
        assert!(text.contains("at least 49 times its own"), "{text}");
        let quiet = shown(&[("topology.type", "mesh"), ("groups[0].count", "12")], false);
        assert!(!quiet.contains("note:"), "{quiet}");
    }

    #[test]
    fn seconds_have_three_figures() {
        for (value, text) in [
            (0.0123, "12.3 ms"),
            (1.234, "1.2 s"),
            (123.4, "123 s"),
            (7200.0, "2.0 h"),
        ] {
            assert_eq!(seconds(value), text);
        }
    }
}
