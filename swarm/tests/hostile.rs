//! Neighbours that mean harm: what they can cost, counted in state, steps and virtual time.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::time::Duration;

use fltorrent_swarm::{ChunkId, Message, Time, sim::origin_data};
use support::{LONG, Setup, bench::Bench};

const MS: Duration = Duration::from_millis(1);

/// Peer 0, whose neighbours are all the others.
fn hub(peers: u32, rounds: u32) -> Bench {
    let setup = Setup {
        peers,
        chunks: 3,
        elements: 12,
        rounds,
        ..Setup::default()
    };
    Bench::new(&setup, "star").connected()
}

/// Answers the oldest request that a neighbour has not answered and that was not withdrawn.
fn answer(bench: &mut Bench, peer: u32, answered: &mut u32) {
    let sent = bench.sent(peer);
    let is_open = |&(request, _): &(u32, ChunkId)| {
        request > *answered && !sent.contains(&Message::Cancel { request })
    };
    let Some((request, chunk)) = bench.requests(peer).into_iter().find(is_open) else {
        return;
    };
    *answered = request;
    let data = origin_data(&bench.config.layout, chunk);
    bench.swarm.handle_piece(bench.now, peer, request, data);
    bench.drain();
    bench.swarm.check().unwrap();
}

/// `liars` claim to have everything and never answer; one, in front of them or behind, answers a request each `every`.
fn complete_among_liars(liars: u32, is_first: bool, every: Duration) -> Time {
    let peers = liars + 2;
    let honest = if is_first { 1 } else { peers - 1 };
    let mut bench = hub(peers, 1);
    bench.publish();
    for origin in 1..peers {
        bench.hear_metainfo(honest, origin);
    }
    for peer in 1..peers {
        bench.hear(peer, Message::Complete { round: 0 });
        bench.hear(peer, Message::Unchoke);
    }
    let mut answered = 0;
    while !bench.swarm.held().is_full() && bench.now < LONG {
        bench.pass(every);
        answer(&mut bench, honest, &mut answered);
    }
    bench.now
}

#[test]
fn liars_that_claim_to_have_everything_cannot_keep_a_peer_from_the_one_that_has_it() {
    // Before doubts were remembered, the liars took turns: eight of them were asked again and again for ever.
    for every in [10 * MS, 500 * MS, 5000 * MS] {
        for (liars, is_first) in [(1, true), (8, true), (8, false), (20, true), (20, false)] {
            let took = complete_among_liars(liars, is_first, every);
            let needed = every * 3 * (liars + 1);
            // Once, before anybody has delivered, silence is waited for as long as a lost neighbour is.
            let most = needed.mul_f64(1.2) + Duration::from_secs(32);
            assert!(
                took < most,
                "{liars} liars, {every:?} a chunk: {took:?} of {needed:?}"
            );
        }
    }
}
