//! Peers over real QUIC on loopback: the same bits as a sequential FedAvg, whatever the topology.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::{sync::Arc, time::Duration};

use fltorrent_peer::driver::RunError;
use fltorrent_records::verdict::Offence;
use support::{Adder, Run};

fn ring(peers: u32) -> Vec<(u32, u32)> {
    (0..peers).map(|at| (at, (at + 1) % peers)).collect()
}

fn star(peers: u32) -> Vec<(u32, u32)> {
    (1..peers).map(|leaf| (0, leaf)).collect()
}

fn mesh(peers: u32) -> Vec<(u32, u32)> {
    (0..peers).flat_map(|a| (a + 1..peers).map(move |b| (a, b))).collect()
}

#[test]
fn every_peer_ends_with_the_bits_of_a_sequential_mean() {
    for edges in [ring(5), star(5), mesh(5)] {
        let run = Arc::new(Run::new(5, edges));
        let oracle = run.oracle();
        for result in run.all() {
            assert_eq!(result.unwrap(), oracle);
        }
    }
}

#[test]
fn one_peer_alone_trains_to_the_end() {
    let run = Arc::new(Run::new(1, vec![]));
    assert_eq!(run.all().remove(0).unwrap(), run.oracle());
}

#[test]
fn chunks_that_do_not_fit_in_ram_come_from_the_file() {
    let run = Arc::new(Run {
        budget: 6000,
        elements: 20_000,
        ..Run::new(3, ring(3))
    });
    let oracle = run.oracle();
    for result in run.all() {
        assert_eq!(result.unwrap(), oracle);
    }
}

#[test]
fn an_update_that_is_not_finite_ends_the_run_with_its_origins_name() {
    let run = Arc::new(Run::new(3, star(3)));
    let results = run.each(3, |me| {
        let poison = if me == 2 { f32::NAN } else { 0.0 };
        Box::new(Adder {
            taken: false,
            poison,
            ..run.adder(me)
        })
    });
    // It may see that for itself before anybody has its chunk.
    let words = [
        "peer 2 published NaN or infinity in round 1",
        "the updates of round 1 could not be aggregated: value 0 of peer 2's own update is NaN",
    ];
    for result in results {
        let error = fltorrent_peer::chain(&result.unwrap_err());
        let is_named = words.iter().any(|words| error.contains(words));
        assert!(is_named, "{error}");
    }
}

#[test]
fn a_peer_that_signs_more_samples_than_it_was_given_ends_the_run_with_its_name() {
    let run = Arc::new(Run {
        boaster: Some(1),
        ..Run::new(2, star(2))
    });
    // What the liar hears of its end is no concern of honest peers.
    let honest = run.all().swap_remove(0).unwrap_err();
    let words = "peer 1 signed an evaluation on 1000 test samples; the plan gives it 2 in round 1";
    assert!(honest.to_string().starts_with(words), "{honest}");
    assert_ne!(honest.blames(), Some(0));
    assert_eq!(honest.verdict().and_then(|it| it.origin), Some(1));
}

/// Who is told of the end by a neighbour has what convicts the origin as well, which came before.
#[test]
fn a_lie_convicts_its_origin_at_peers_that_it_never_meets() {
    let run = Arc::new(Run {
        boaster: Some(1),
        ..Run::new(3, star(3))
    });
    let folder = tempfile::tempdir().unwrap();
    let results = run.each_in(folder.path(), 3, |me| Box::new(run.adder(me)));
    // The liar is told, too, and waits for nobody.
    let liars = results[1].as_ref().unwrap_err().to_string();
    assert!(liars.starts_with("peer 1 signed an evaluation on 1000"), "{liars}");
    for honest in [0, 2] {
        let error = results[honest].as_ref().unwrap_err();
        let verdict = error.verdict().unwrap();
        assert_eq!(verdict.offence, Offence::Miscount);
        assert_eq!((verdict.origin, verdict.round), (Some(1), 1));
        // Whoever reads the files has it too.
        let file = std::fs::read_to_string(folder.path().join(format!("{honest}.jsonl"))).unwrap();
        let told = r#""offence":"miscount","origin":1,"round":1}"#;
        assert!(file.contains(r#""event":"verdict""#) && file.contains(told), "{file}");
    }
}

#[test]
fn a_neighbour_that_never_comes_ends_the_run_with_its_name() {
    let run = Arc::new(Run {
        lost_after: Duration::from_secs(2),
        ..Run::new(3, ring(3))
    });
    for result in run.each(2, |me| Box::new(run.adder(me))) {
        let error = result.unwrap_err();
        assert!(matches!(error, RunError::Swarm(_)), "{error:?}");
        assert!(error.to_string().starts_with("peer 2 is lost"), "{error}");
    }
}
