//! What the manifest says that happens to peers.

use std::{collections::BTreeMap, fmt::Write};

use fltorrent_crds::{
    Interval,
    plan::{At, ChurnPlan},
};

use super::{
    forecast::PeerForecast,
    lists::{LISTED, NEIGHBOURS, shortened},
};

/// Adds a line for each time and kind of event.
pub(super) fn churn(peers: &[PeerForecast<'_>], all: bool, text: &mut String) {
    let mut events: BTreeMap<(At, &str, String), Vec<u32>> = BTreeMap::new();
    for peer in peers {
        for due in peer.churn {
            let key = (due.at, due.event.name(), length(due));
            events.entry(key).or_default().push(peer.peer);
        }
    }
    if events.is_empty() {
        return;
    }
    text.push_str("\nchurn\n");
    let shown = if all { usize::MAX } else { LISTED };
    let width = if all { usize::MAX } else { NEIGHBOURS };
    // Writing to a String does not fail, so what it gives back is not looked at.
    for ((at, event, length), peers) in events.iter().take(shown) {
        let _ = writeln!(
            text,
            "  {:<14} {event:<7} {length:<11} peers {}",
            time(*at),
            shortened(peers, width)
        );
    }
    if let Some(more) = events.len().checked_sub(shown).filter(|more| *more > 0) {
        let _ = writeln!(text, "  … and {more} more; --peers lists all");
    }
}

fn time(at: At) -> String {
    match at {
        At::Round(round) => format!("round {}", round + 1),
        At::After(time) => format!("after {}", Interval::from(time)),
    }
}

fn length(due: &ChurnPlan) -> String {
    due.lasts
        .map_or_else(String::new, |lasts| format!("for {}", Interval::from(lasts)))
}
