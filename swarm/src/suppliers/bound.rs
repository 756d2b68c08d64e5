//! A time that no exchange beats.
//!
//! Each exchange is a mixture of trees, and none is cheaper than the cheapest tree at given prices of uplinks: n updates cross its edges, and every uplink has
//! to earn what it costs. By weak duality that bounds the time from below for any prices; good ones are found by exponentiated gradient (Kivinen, Warmuth:
//! "Exponentiated Gradient versus Gradient Descent for Linear Predictors", Information and Computation 132, 1997).

use super::{
    graph::Graph,
    search::{cheapest, power},
};

/// Trees that are looked for: edges of all of them together, and how many at least and at most.
const EDGES: u64 = 1 << 21;
const LEAST: u64 = 48;
const MOST: u64 = 400;
/// The first step, and after how many others steps are half as long in square.
const STEP: f64 = 3.0;
const PACE: f64 = 8.0;

/// The best bound found, in the time that a rate of 1 takes for an update; none where the members do not hang together.
pub(super) fn best(graph: Graph<'_>) -> Option<f64> {
    let edges = graph.edges();
    let steps = (EDGES / (edges.len() as u64).max(1)).clamp(LEAST, MOST);
    let members = graph.members();
    // What each uplink earns in all: equal shares make the bound of all uplinks together.
    let mut earned = vec![1.0; members.len()];
    let mut mean = vec![0.0; members.len()];
    let mut best = 0.0_f64;
    for step in 0..steps {
        let (bound, loads) = at(&graph, &edges, &earned)?;
        best = best.max(bound);
        let greatest = loads.iter().copied().fold(0.0, f64::max);
        let length = STEP / (1.0 + step as f64 / PACE).sqrt();
        for (earned, load) in earned.iter_mut().zip(&loads) {
            // Relative to the busiest one, so that no power is above zero.
            *earned *= power(length * (load / greatest - 1.0));
        }
        let sum: f64 = earned.iter().sum();
        for (earned, mean) in earned.iter_mut().zip(&mut mean) {
            *earned /= sum;
            if 2 * step >= steps {
                *mean += *earned;
            }
        }
    }
    let (bound, _) = at(&graph, &edges, &mean)?;
    Some(best.max(bound))
}

/// The bound where each member's uplink earns so much, and how long each sends where all take the cheapest tree.
fn at(graph: &Graph<'_>, edges: &[(u32, u32)], earned: &[f64]) -> Option<(f64, Vec<f64>)> {
    let members = graph.members();
    let mut prices = vec![0.0; graph.peers()];
    for (&peer, earned) in members.iter().zip(earned) {
        prices[peer as usize] = earned / graph.uplink(peer);
    }
    let price = |(edge, &(a, b)): (u32, &(u32, u32))| (prices[a as usize] + prices[b as usize], 0, edge);
    let tree = cheapest(graph, edges, (0..).zip(edges).map(price).collect());
    if tree.len() + 1 != members.len() {
        return None;
    }
    let mut degrees = vec![0_u32; graph.peers()];
    let mut cost = 0.0;
    for edge in tree {
        let (a, b) = edges[edge as usize];
        cost += prices[a as usize] + prices[b as usize];
        degrees[a as usize] += 1;
        degrees[b as usize] += 1;
    }
    let peers = members.len() as f64;
    let all: f64 = members.iter().map(|&peer| prices[peer as usize]).sum();
    let earned: f64 = earned.iter().sum();
    let load = |&peer: &u32| (peers * (f64::from(degrees[peer as usize]) - 1.0) + 1.0) / graph.uplink(peer);
    let loads = members.iter().map(load).collect();
    Some(((peers * cost - (peers - 1.0) * all) / earned, loads))
}
