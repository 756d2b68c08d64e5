use std::{collections::BTreeSet, ops::Range};

use clarabel::{
    algebra::CscMatrix,
    solver::{DefaultSettings, DefaultSolver, IPSolver, SupportedConeT},
};
use proptest::prelude::*;

use super::*;

fn plan(topology: &str, peers: u32) -> Plan {
    let text = format!(
        "apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {{name: bound}}
spec:
  groups: [{{name: peers, count: {peers}}}]
  topology: {topology}
  model: {{type: mlp, mlp: {{hidden: [10]}}}}
  data: {{type: idx, idx: {{path: x}}, partition: {{type: iid}}}}
"
    );
    Plan::load(&text, &[]).unwrap()
}

fn custom(peers: u32, edges: &BTreeSet<(u32, u32)>) -> Plan {
    let edges: Vec<String> = edges.iter().map(|(a, b)| format!("[{a}, {b}]")).collect();
    let topology = format!("{{type: custom, custom: {{edges: [{}]}}}}", edges.join(", "));
    plan(&topology, peers)
}

/// In units of an update's bytes over 1 byte a second.
fn least(plan: &Plan, rates: impl Fn(u32) -> Rates) -> LeastTime {
    let found = least_time(plan, &analysis::wiring(plan), rates);
    LeastTime {
        seconds: found.seconds / plan.model.bytes as f64,
        ..found
    }
}

fn is_near(found: f64, expected: f64) -> bool {
    (found / expected - 1.0).abs() < 1e-6
}

/// Numbers that look random, the same everywhere.
fn some(peer: u32) -> f64 {
    f64::from((peer * 7919 + 13) % 31 + 1)
}

#[test]
fn closed_forms_are_the_optimum_of_equal_links() {
    for (topology, factor) in [
        ("{type: mesh}", 1.0),
        ("{type: ring}", 1.0),
        ("{type: hypercube}", 1.0),
        ("{type: torus}", 1.0),
        ("{type: exponential}", 1.0),
        ("{type: randomRegular, randomRegular: {degree: 4}}", 1.0),
        ("{type: star}", 15.0),
        // 2n + 1 updates through an inner peer of a binary tree.
        ("{type: tree, tree: {arity: 2}}", 33.0 / 15.0),
    ] {
        let found = least(&plan(topology, 16), |_| Rates { up: 1.0, down: 1.0 });
        assert!(is_near(found.seconds, 15.0 * factor), "{topology}: {found:?}");
        assert!(found.is_optimum, "{topology}");
        assert!(matches!(found.limit, Limit::ClosedForm(_)), "{topology}");
    }
}

/// On a tree there is only one way from a peer to another one, and on a mesh nothing has to go around.
#[test]
fn closed_forms_are_the_optimum_of_trees_stars_and_meshes_with_any_uplinks() {
    let rates = |peer| Rates {
        up: some(peer),
        down: 1e6,
    };
    for topology in [
        "{type: mesh}",
        "{type: star, star: {hub: 5}}",
        "{type: tree, tree: {arity: 1}}",
        "{type: tree, tree: {arity: 3}}",
    ] {
        let found = least(&plan(topology, 13), rates);
        assert!(found.is_optimum, "{topology}");
        assert!(matches!(found.limit, Limit::ClosedForm(_)), "{topology}: {found:?}");
    }
}

/// Into the two halves of a ring between two slow peers come n + 2 updates, all by their uplinks.
#[test]
fn two_slow_peers_of_a_ring_carry_what_goes_from_half_to_half() {
    let found = least(&plan("{type: ring}", 12), |peer| Rates {
        up: if peer % 6 == 0 { 1.0 } else { 1e3 },
        down: 1e3,
    });
    // No closed form is above 1, a slow peer's own update.
    assert!(is_near(found.seconds, 7.0), "{found:?}");
    assert!(found.is_optimum);
    let links = Links {
        uplinks: vec![0, 6],
        downlinks: vec![],
    };
    assert_eq!(found.limit, Limit::Links(links));
    assert_eq!(found.limit.to_string(), "the uplinks of peers 0, 6");
}

/// Two cliques of four and two connections between them: the slow ends send four updates across and six to their own.
#[test]
fn slow_ends_between_two_cliques_are_found() {
    let mut edges = BTreeSet::from([(0, 4), (1, 5)]);
    for clique in [0, 4] {
        for a in clique..clique + 4 {
            edges.extend((a + 1..clique + 4).map(|b| (a, b)));
        }
    }
    let found = least(&custom(8, &edges), |peer| Rates {
        up: if peer < 2 { 1.0 } else { 1e3 },
        down: 1e3,
    });
    assert!(is_near(found.seconds, 5.0), "{found:?}");
    assert!(found.is_optimum);
}

/// One that is choked still receives what is on its way: slots are the swarm's choice, not the links' limit.
#[test]
fn upload_slots_are_no_limit() {
    let rates = |peer| Rates {
        up: 1e3,
        down: if peer > 4 { 1.0 } else { 4.0 },
    };
    for slots in [1, 2, 8] {
        let mut star = plan("{type: star}", 9);
        star.exchange.upload_slots = slots;
        let found = least(&star, rates);
        assert!(is_near(found.seconds, 8.0), "{found:?}");
        assert!(found.is_optimum);
    }
}

#[test]
fn what_is_no_limit_and_what_never_comes() {
    let ring = plan("{type: ring}", 8);
    let infinite = Rates {
        up: f64::INFINITY,
        down: f64::INFINITY,
    };
    let found = least(&ring, |_| infinite);
    assert_eq!((found.seconds, found.is_optimum), (0.0, true));
    for slow in [Rates { up: 1.0, ..infinite }, Rates { down: 1.0, ..infinite }] {
        let found = least(&ring, |peer| if peer == 3 { slow } else { infinite });
        let expected = if slow.up == 1.0 { 1.0 } else { 7.0 };
        assert!(is_near(found.seconds, expected), "{found:?}");
        assert!(found.is_optimum);
    }
    let never = least(&ring, |peer| Rates {
        up: if peer == 2 { 0.0 } else { 1.0 },
        down: 1.0,
    });
    assert_eq!((never.seconds, never.is_optimum), (f64::INFINITY, true));
    let alone = least(&plan("{type: ring}", 1), |_| Rates { up: 1.0, down: 1.0 });
    assert_eq!((alone.seconds, alone.is_optimum), (0.0, true));
}

/// Every limit is reached at once, and the solver's rounding breaks several sets a little.
#[test]
fn rounding_does_not_hide_that_a_bound_is_reached() {
    let edges = BTreeSet::from([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3)]);
    let found = least(&custom(4, &edges), |peer| Rates {
        up: [9.0, 9.0, 1.0, 5.0][peer as usize],
        down: 3.0,
    });
    assert!(is_near(found.seconds, 1.0), "{found:?}");
    assert!(found.is_optimum);
}

#[test]
fn rates_that_are_far_apart_do_no_harm() {
    let found = least(&plan("{type: ring}", 8), |peer| Rates {
        up: if peer % 4 == 0 { 1e-3 } else { 1e12 },
        down: if peer % 2 == 0 { 1e9 } else { f64::INFINITY },
    });
    assert!(is_near(found.seconds, 5e3), "{found:?}");
    assert!(found.is_optimum);
}

#[test]
fn what_the_programme_does_not_solve_is_said() {
    let limits = "the optimum is computed for up to 60 peers and 500 connections";
    // On a mesh nothing is longer than all uplinks together.
    let mesh = least(&plan("{type: mesh}", 33), |peer| Rates {
        up: some(peer),
        down: 1e3,
    });
    assert_eq!((mesh.is_optimum, mesh.kind()), (false, "closed form"));
    let note = mesh.note().unwrap();
    assert!(note.contains("by a closed form and not the exact optimum"), "{note}");
    assert!(note.contains(limits), "{note}");
    let ring = least(&plan("{type: ring}", MOST_PEERS + 1), |peer| Rates {
        up: some(peer),
        down: 1e3,
    });
    assert_eq!(
        (ring.is_optimum, ring.kind()),
        (false, "a lower bound by spanning trees")
    );
    assert_eq!(ring.limit.to_string(), "several uplinks together");
    let note = ring.note().unwrap();
    assert!(note.contains("by spanning trees and not the exact optimum"), "{note}");
    assert!(note.contains(limits), "{note}");
    for (topology, peers) in [("{type: mesh}", 32), ("{type: ring}", MOST_PEERS)] {
        let small = least(&plan(topology, peers), |_| Rates { up: 1.0, down: 1.0 });
        assert_eq!((small.is_optimum, small.note()), (true, None));
    }
}

/// The bound by trees, in units of an update's bytes over 1 byte a second.
fn by_trees(plan: &Plan, rates: impl Fn(u32) -> Rates) -> Option<f64> {
    let closed = analysis::exchange_bound(plan, &analysis::wiring(plan), &rates);
    let factor = trees::factor(plan, &Network::new(plan, closed.seconds, rates))?;
    Some(closed.seconds * factor / plan.model.bytes as f64)
}

#[test]
fn trees_prove_the_closed_forms_of_large_graphs() {
    let up = |rate: f64| Rates { up: rate, down: 1e9 };
    for (topology, peers, expected) in [
        ("{type: ring}", 500, 499.0),
        ("{type: randomRegular, randomRegular: {degree: 4}}", 500, 499.0),
        ("{type: star}", 300, 299.0 * 299.0),
        ("{type: tree, tree: {arity: 2}}", 255, 511.0),
        ("{type: mesh}", 100, 99.0),
    ] {
        let plan = plan(topology, peers);
        let found = by_trees(&plan, |_| up(1.0)).unwrap();
        assert!(
            found <= expected && found > 0.999 * expected,
            "{topology}: {found} {expected}"
        );
        // What is no longer than the closed form but for rounding is not called otherwise.
        let least = least(&plan, |_| up(1.0));
        assert!(is_near(least.seconds, expected), "{topology}: {least:?}");
        assert!(matches!(least.limit, Limit::ClosedForm(_)), "{topology}: {least:?}");
    }
}

/// Two slow peers of a ring carry n + 2 updates from half to half, however many peers are between them.
#[test]
fn trees_find_what_no_closed_form_sees_on_large_graphs() {
    let ring = plan("{type: ring}", 400);
    for fast in [1e3, f64::INFINITY] {
        let found = least(&ring, |peer| Rates {
            up: if peer % 200 == 0 { 1.0 } else { fast },
            down: fast,
        });
        assert!(
            found.seconds <= 201.0 && found.seconds > 0.99 * 201.0,
            "{fast}: {found:?}"
        );
        assert_eq!(found.limit, Limit::Trees(SpanningTrees {}));
        assert!(!found.is_optimum);
    }
}

#[test]
fn rates_that_are_none_and_graphs_in_parts_are_no_trouble() {
    let ring = plan("{type: ring}", 80);
    let with = |up: f64| {
        least(&ring, move |peer| Rates {
            up: if peer == 7 { up } else { 1.0 },
            down: 1e3,
        })
    };
    assert_eq!((with(0.0).seconds, with(0.0).is_optimum), (f64::INFINITY, true));
    // What is not known is no limit.
    assert_eq!(with(f64::NAN), with(f64::INFINITY));
    assert!(with(f64::NAN).seconds <= with(1.0).seconds);

    let mut parted = plan("{type: ring}", 80);
    for peer in &mut parted.peers {
        let (half, at) = (peer.index / 40 * 40, peer.index % 40);
        peer.neighbours = vec![half + (at + 1) % 40, half + (at + 39) % 40];
    }
    assert_eq!(by_trees(&parted, |_| Rates { up: 1.0, down: 1.0 }), None);
    let found = least(&parted, |_| Rates { up: 1.0, down: 1.0 });
    assert_eq!((found.is_optimum, found.kind()), (false, "closed form"));
    assert!(is_near(found.seconds, 79.0), "{found:?}");
}

#[test]
fn more_connections_than_trees_are_looked_for_in_have_the_closed_form() {
    let wide = plan("{type: ring}", 80);
    let mut wiring = analysis::wiring(&wide);
    let rates = |peer| Rates {
        up: some(peer),
        down: 1e3,
    };
    let with_trees = least_time(&wide, &wiring, rates);
    wiring.connections = MOST_OF_TREES + 1;
    let without = least_time(&wide, &wiring, rates);
    assert_eq!(without.kind(), "closed form");
    assert!(without.seconds < with_trees.seconds);
}

#[test]
fn faster_links_take_so_much_less_time() {
    let ring = plan("{type: ring}", 80);
    let at = |factor: f64| {
        least(&ring, move |peer| Rates {
            up: factor * some(peer),
            down: factor * 50.0,
        })
    };
    let scaled = at(1.0).times_as_fast(10.0);
    assert!(is_near(at(10.0).seconds, scaled.seconds));
    assert_eq!(at(10.0).limit, scaled.limit);
}

#[test]
fn the_same_links_have_the_same_bound_and_slower_ones_a_longer_one() {
    let wiring = plan("{type: smallWorld, smallWorld: {degree: 4, rewire: 0.3}}", 40);
    let at = |factor: f64| {
        least(&wiring, move |peer| Rates {
            up: factor * some(peer).powi(2),
            down: factor * 300.0,
        })
    };
    assert_eq!(at(1.0), at(1.0));
    assert!(is_near(at(0.5).seconds, 2.0 * at(1.0).seconds));
    assert!(at(1.0).is_optimum);
}

#[test]
fn links_are_named_in_words_and_for_programs() {
    let links = Limit::Links(Links {
        uplinks: (0..9).collect(),
        downlinks: vec![4],
    });
    assert_eq!(
        links.to_string(),
        "the uplinks of peers 0, 1, 2, 3, 4, 5 and 3 more and the downlink of peer 4"
    );
    let found = LeastTime {
        seconds: 1.5,
        limit: Limit::Links(Links {
            uplinks: vec![1, 2],
            downlinks: vec![],
        }),
        is_optimum: true,
    };
    assert_eq!(
        serde_json::to_value(&found).unwrap(),
        serde_json::json!({
            "seconds": 1.5,
            "limit": {"type": "links", "uplinks": [1, 2], "downlinks": []},
            "isOptimum": true
        })
    );
    let closed = LeastTime {
        limit: Limit::ClosedForm(analysis::Limit::Uplink { peer: 3 }),
        ..found
    };
    assert_eq!(
        serde_json::to_value(&closed).unwrap()["limit"],
        serde_json::json!({"type": "uplink", "peer": 3})
    );
    assert_eq!(
        serde_json::to_value(Limit::Trees(SpanningTrees {})).unwrap(),
        serde_json::json!({"type": "spanningTrees"})
    );
}

/// The same optimum from the programme with all flows: `f[t, e] ≤ c[e]` carries n·r from the source to each t.
fn with_flows(plan: &Plan, rates: &[Rates]) -> f64 {
    let peers = plan.peers.len();
    let links: Vec<(usize, usize)> = (0..peers)
        .flat_map(|from| {
            let neighbours = plan.peers[from].neighbours.iter();
            neighbours.map(move |&to| (from, to as usize))
        })
        .collect();
    // Columns: what links carry, r, then for each sink the flows on links and from the source to each peer.
    let rate = links.len();
    let flow = |sink: usize, link: usize| rate + 1 + sink * (links.len() + peers) + link;
    let columns = flow(peers, 0);
    let (mut row, mut column, mut value) = (Vec::new(), Vec::new(), Vec::new());
    let mut limits = Vec::new();
    let mut push = |values: &[(usize, f64)], limit: f64| {
        for &(at, coefficient) in values {
            row.push(limits.len());
            column.push(at);
            value.push(coefficient);
        }
        limits.push(limit);
    };
    let mut conserved = Vec::new();
    for sink in 0..peers {
        for peer in 0..peers {
            let mut values = vec![(flow(sink, links.len() + peer), 1.0)];
            for (link, &(from, to)) in links.iter().enumerate() {
                if to == peer {
                    values.push((flow(sink, link), 1.0));
                }
                if from == peer {
                    values.push((flow(sink, link), -1.0));
                }
            }
            if peer == sink {
                values.push((rate, -(peers as f64)));
            }
            conserved.push(values);
        }
    }
    conserved.iter().for_each(|values| push(values, 0.0));
    let equalities = peers * peers;
    for (peer, own) in rates.iter().enumerate() {
        let ends = |end: fn(&(usize, usize)) -> usize| {
            let all = links.iter().enumerate();
            all.filter(|(_, link)| end(link) == peer)
                .map(|(link, _)| (link, 1.0))
                .collect::<Vec<_>>()
        };
        push(&ends(|link| link.0), own.up);
        push(&ends(|link| link.1), own.down);
        for sink in 0..peers {
            push(&[(flow(sink, links.len() + peer), 1.0), (rate, -1.0)], 0.0);
        }
    }
    for link in 0..links.len() {
        (0..peers).for_each(|sink| push(&[(flow(sink, link), 1.0), (link, -1.0)], 0.0));
    }
    (0..columns).for_each(|at| push(&[(at, -1.0)], 0.0));
    let matrix = CscMatrix::new_from_triplets(limits.len(), columns, row, column, value);
    let mut objective = vec![0.0; columns];
    objective[rate] = -1.0;
    let cones = [
        SupportedConeT::ZeroConeT(equalities),
        SupportedConeT::NonnegativeConeT(limits.len() - equalities),
    ];
    let settings = DefaultSettings {
        verbose: false,
        ..DefaultSettings::default()
    };
    let none = CscMatrix::zeros((columns, columns));
    let mut solver = DefaultSolver::new(&none, &objective, &matrix, &limits, &cones, settings).unwrap();
    solver.solve();
    solver.solution.x[rate].recip()
}

/// A connected graph of so many peers with so many connections more than a tree, and links of 1 to 20.
fn exchanges(peers: Range<u32>, more: usize) -> impl Strategy<Value = (u32, BTreeSet<(u32, u32)>, Vec<Rates>)> {
    peers.prop_flat_map(move |peers| {
        let parents = (1..peers).map(|peer| 0..peer).collect::<Vec<_>>();
        let more = prop::collection::vec((0..peers, 0..peers), 0..more);
        let rate = || (1_u32..=20).prop_map(f64::from);
        let rates = (rate(), rate()).prop_map(|(up, down)| Rates { up, down });
        let rates = prop::collection::vec(rates, peers as usize);
        (parents, more, rates).prop_map(move |(parents, more, rates)| {
            let mut edges: BTreeSet<(u32, u32)> = parents.into_iter().zip(1..).collect();
            let more = more.into_iter().filter(|(a, b)| a != b);
            edges.extend(more.map(|(a, b)| (a.min(b), a.max(b))));
            (peers, edges, rates)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_is_the_optimum_of_all_flows_and_no_less_than_the_closed_forms((peers, edges, rates) in exchanges(2..8, 8)) {
        let plan = custom(peers, &edges);
        let found = least(&plan, |peer| rates[peer as usize]);
        prop_assert!(found.is_optimum);
        let expected = with_flows(&plan, &rates);
        prop_assert!((found.seconds / expected - 1.0).abs() < 2e-6, "{} {expected}", found.seconds);
        let wiring = analysis::wiring(&plan);
        let closed = analysis::exchange_bound(&plan, &wiring, |peer| rates[peer as usize]);
        prop_assert!(found.seconds * plan.model.bytes as f64 >= closed.seconds);
    }

    /// How near is in docs/bound.md.
    #[test]
    fn trees_are_never_above_the_optimum_and_near_it_where_uplinks_limit((peers, edges, rates) in exchanges(6..17, 20)) {
        let plan = custom(peers, &edges);
        let both = least(&plan, |peer| rates[peer as usize]);
        let trees = by_trees(&plan, |peer| rates[peer as usize]).unwrap();
        prop_assert!(trees <= both.seconds * (1.0 + GAP), "{trees} {both:?}");
        let uplinks = |peer: u32| Rates { down: f64::INFINITY, ..rates[peer as usize] };
        let optimum = least(&plan, uplinks).seconds;
        let trees = by_trees(&plan, uplinks).unwrap();
        prop_assert!(trees <= optimum * (1.0 + GAP), "{trees} {optimum}");
        prop_assert!(trees >= 0.9 * optimum, "{trees} {optimum}");
    }
}
