//! The wiring as a graph for Graphviz.

use std::fmt::Write;

use fltorrent_crds::topology::Layout;

use crate::manifest::Resolved;

/// Distance of neighbours on the circle, in inches.
const STEP: f64 = 0.75;

/// The graph in Graphviz's language; `dot` draws it with the layout that it names.
pub(super) fn dot(resolved: &Resolved) -> String {
    let plan = &resolved.plan;
    let wiring = resolved.experiment.spec.topology.wiring.layout();
    let layout = match wiring {
        Layout::Levels => "dot",
        Layout::Circle | Layout::Free => "neato",
    };
    let mut text = format!(
        "graph \"{}\" {{\n  layout={layout}; overlap=false; bgcolor=\"transparent\";\n  \
         node [shape=circle, width=0.28, fixedsize=true, fontname=\"sans-serif\", fontsize=9, style=filled, \
         fillcolor=\"white\"];\n  edge [color=\"#555555\"];\n",
        plan.name
    );
    // Writing to a String does not fail.
    for peer in &plan.peers {
        let _ = match wiring {
            Layout::Circle => {
                let (x, y) = place(peer.index, plan.peers.len());
                writeln!(text, "  {} [pos=\"{x:.3},{y:.3}!\"];", peer.index)
            }
            Layout::Levels | Layout::Free => writeln!(text, "  {};", peer.index),
        };
    }
    for peer in &plan.peers {
        for other in peer.neighbours.iter().filter(|other| **other > peer.index) {
            let _ = writeln!(text, "  {} -- {other};", peer.index);
        }
    }
    text.push('}');
    text
}

/// Clockwise from the top.
fn place(index: u32, peers: usize) -> (f64, f64) {
    let radius = STEP * peers as f64 / std::f64::consts::TAU;
    let angle = std::f64::consts::TAU * f64::from(index) / peers as f64;
    (radius * angle.sin(), radius * angle.cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_and_every_connection_is_there_once() {
        let quickstart = include_str!("../../../../examples/quickstart.yaml");
        let text = dot(&Resolved::from_text(quickstart, &[]).unwrap());
        assert_eq!(text.matches("pos=").count(), 8);
        assert_eq!(text.matches(" -- ").count(), 8);
        assert!(text.contains("  0 -- 7;"), "{text}");
    }
}
