//! The wiring as a graph for Graphviz.

use std::fmt::Write;

use fltorrent_crds::experiment::TopologyType;

use crate::manifest::Resolved;

/// Distance of neighbours on the circle, in inches.
const STEP: f64 = 0.75;

/// The graph in Graphviz's language; `dot` draws it with the layout that it names.
pub(super) fn dot(resolved: &Resolved) -> String {
    let plan = &resolved.plan;
    let kind = resolved.experiment.spec.topology.kind;
    let layout = match kind {
        TopologyType::Tree => "dot",
        _ => "neato",
    };
    let mut text = format!(
        "graph \"{}\" {{\n  layout={layout}; overlap=false; bgcolor=\"transparent\";\n  \
         node [shape=circle, width=0.28, fixedsize=true, fontname=\"sans-serif\", fontsize=9, style=filled, \
         fillcolor=\"white\"];\n  edge [color=\"#555555\"];\n",
        plan.name
    );
    // Writing to a String does not fail.
    for peer in &plan.peers {
        let _ = match on_circle(kind) {
            true => {
                let (x, y) = place(peer.index, plan.peers.len());
                writeln!(text, "  {} [pos=\"{x:.3},{y:.3}!\"];", peer.index)
            }
            false => writeln!(text, "  {};", peer.index),
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

/// Whether the peers' numbers are their places on a circle.
const fn on_circle(kind: TopologyType) -> bool {
    match kind {
        TopologyType::Ring
        | TopologyType::Mesh
        | TopologyType::RandomRegular
        | TopologyType::SmallWorld
        | TopologyType::Exponential
        | TopologyType::ErdosRenyi => true,
        TopologyType::Star
        | TopologyType::Tree
        | TopologyType::Torus
        | TopologyType::Hypercube
        | TopologyType::Custom => false,
    }
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
