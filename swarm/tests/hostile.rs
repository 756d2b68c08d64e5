//! Neighbours that mean harm: what they can cost, counted in state, steps and virtual time.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use fltorrent_swarm::{
    Bitfield, ChunkId, Equivocation, EquivocationError, Failure, Message, Metainfo, Signed, Signer, Swarm, Time,
    Verifier,
    simulation::LinkProfile,
    test_utils::{KeyedVerifier, Outcome, Solo, origin_data, origin_metainfo, sign},
};
use support::{
    LONG, Setup, edges,
    interaction::{Vice, World},
    random_degree_four,
};

const MS: Duration = Duration::from_millis(1);

/// Peer 0, whose neighbours are all the others.
fn hub(peers: u32, rounds: u32) -> Solo {
    let setup = Setup {
        peers,
        chunks: 3,
        elements: 12,
        rounds,
        ..Setup::default()
    };
    setup.bench("star").connected()
}

/// Answers the oldest request that a neighbour has not answered and that was not withdrawn.
fn answer(bench: &mut Solo, peer: u32, answered: &mut u32) {
    let sent = bench.sent(peer);
    let is_open = |&(request, _): &(u32, ChunkId)| request > *answered && !sent.contains(&Message::Cancel { request });
    let Some((request, chunk)) = bench.requests(peer).into_iter().find(is_open) else {
        return;
    };
    *answered = request;
    bench.answer(peer, (request, chunk));
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
    // Before strikes were counted, the liars took turns: eight of them were asked again and again for ever.
    for every in [10 * MS, 500 * MS, 5000 * MS] {
        for (liars, is_first) in [(1, true), (8, true), (8, false), (20, true), (20, false)] {
            let took = complete_among_liars(liars, is_first, every);
            let needed = every * 3 * (liars + 1);
            // Silence is waited for as long as a lost neighbour is, and then twice and four times as long: not for ever.
            let most = needed + Duration::from_secs(7 * 30);
            assert!(took < most, "{liars} liars, {every:?} a chunk: {took:?} of {needed:?}");
        }
    }
}

/// What `origin` signs for a round when it says that it trained on `samples`.
fn signed(bench: &Solo, round: u32, origin: u32, samples: u64) -> Signed {
    let metainfo = Metainfo {
        samples,
        ..origin_metainfo(&bench.config, round, origin)
    };
    sign(origin, &metainfo)
}

/// Counts how often it was asked.
struct Counting(Arc<AtomicU32>);

impl Verifier for Counting {
    fn verify(&mut self, signer: Signer, signed: &Signed) -> Result<(), String> {
        self.0.fetch_add(1, Ordering::Relaxed);
        KeyedVerifier { me: 0 }.verify(signer, signed)
    }

    fn sign(&mut self, body: bytes::Bytes) -> Result<Signed, String> {
        KeyedVerifier { me: 0 }.sign(body)
    }
}

#[test]
fn two_metainfos_of_one_origin_and_round_are_a_proof_that_convinces_anybody() {
    let mut bench = hub(4, 2);
    let verified = Arc::new(AtomicU32::new(0));
    let verifier = Box::new(Counting(verified.clone()));
    bench.swarm = Swarm::new(bench.config.clone(), verifier, bench.now);
    let mut bench = bench.connected();
    let versions = [70, 80, 90].map(|samples| signed(&bench, 0, 2, samples));
    for version in &versions[..2] {
        bench.hear(1, Message::Metainfo(version.clone()));
    }
    let Some(failure @ Failure::Equivocation { .. }) = bench.failure() else {
        panic!("{:?}", bench.failure());
    };
    let Failure::Equivocation { proof, .. } = &failure else {
        unreachable!();
    };
    // Whoever gets the proof needs nothing but the bytes, the plan and the authority.
    let shown = Equivocation::decode(&proof.encode(), bench.config.limits()).unwrap();
    assert_eq!(shown.verify(3, &mut KeyedVerifier { me: 0 }).unwrap(), (2, 0));
    assert_eq!(failure.proof(), Some(format!("{shown:x}")));
    assert_eq!(format!("{shown:x}").len(), 2 * proof.encode().len());
    // The other neighbours have both, so that they can convict the origin too.
    for other in [2, 3] {
        let passed_on = versions[..2].iter().cloned().map(Message::Metainfo);
        assert_eq!(bench.sent(other), passed_on.collect::<Vec<_>>());
    }
    // Who spoke of the second one may not know the first.
    assert_eq!(bench.sent(1), [Message::Metainfo(versions[0].clone())]);
    // More of the kind is neither checked nor passed on nor told.
    bench.forget_sent();
    let before = verified.load(Ordering::Relaxed);
    for _ in 0..100 {
        for (peer, version) in (1..4).zip(&versions) {
            bench.hear(peer, Message::Metainfo(version.clone()));
        }
    }
    assert_eq!(verified.load(Ordering::Relaxed), before);
    assert!(bench.failure().is_none() && bench.sent(2).is_empty());
    assert_eq!(bench.swarm.open_neighbours(), 3, "who passed it on is honest");
}

#[test]
fn what_proves_nothing_is_no_proof() {
    let bench = hub(4, 3);
    let limits = bench.config.limits();
    let proof = |first: &Signed, second: &Signed| {
        let frames = [first, second].map(|it| Message::Metainfo(it.clone()).encode());
        Equivocation::decode(&frames.concat(), limits).unwrap()
    };
    let convict = |first: &Signed, second: &Signed| proof(first, second).verify(3, &mut KeyedVerifier { me: 0 });
    let true_one = signed(&bench, 1, 2, 70);
    assert_eq!(convict(&true_one, &signed(&bench, 1, 2, 80)).unwrap(), (2, 1));
    let same = convict(&true_one, &true_one);
    assert!(matches!(same, Err(EquivocationError::Same)));
    let mut another_run = origin_metainfo(&bench.config, 1, 2);
    another_run.run = [8; 16];
    let mut another_attempt = origin_metainfo(&bench.config, 1, 2);
    another_attempt.attempt = 1;
    for unrelated in [
        signed(&bench, 0, 2, 80),
        signed(&bench, 1, 3, 80),
        sign(2, &another_run),
        sign(2, &another_attempt),
    ] {
        let verdict = convict(&true_one, &unrelated);
        assert!(matches!(verdict, Err(EquivocationError::Unrelated)));
    }
    // Neighbour 3 cannot convict 2 with what it signed itself.
    let forged = sign(3, &Metainfo::decode(&signed(&bench, 1, 2, 80).body, 3).unwrap());
    for (first, second) in [(&true_one, &forged), (&forged, &true_one)] {
        let verdict = convict(first, second);
        assert!(matches!(verdict, Err(EquivocationError::Signature(_))));
    }
    let unreadable = proof(&true_one, &true_one).verify(4, &mut KeyedVerifier { me: 0 });
    assert!(matches!(unreadable, Err(EquivocationError::Metainfo(_))));

    let bytes = proof(&true_one, &forged).encode();
    let trailing = [&bytes[..], &[0]].concat();
    let thrice = [&bytes[..], &Message::Metainfo(forged).encode()].concat();
    let other = [&Message::Unchoke.encode()[..], &bytes].concat();
    let no_proofs = [&[], &bytes[..bytes.len() - 1], &trailing, &thrice, &other];
    for no_proof in no_proofs {
        let verdict = Equivocation::decode(no_proof, limits);
        assert!(matches!(verdict, Err(EquivocationError::Form)), "{verdict:?}");
    }
}

#[test]
fn one_lie_of_an_origin_ends_the_run_and_is_proven_by_whoever_hears_both() {
    let setup = Setup::default();
    let mut network = setup.network("ring");
    network.check_always();
    let config = setup.config(5, &edges("ring", 8));
    while network.progress(4).1 < 40 {
        assert!(network.step());
    }
    let lie = Metainfo {
        samples: 77,
        ..origin_metainfo(&config, 0, 5)
    };
    network.inject(3, 4, Message::Metainfo(sign(5, &lie)));
    assert!(network.run(LONG));
    let mut convictions = 0;
    for node in 0..8 {
        match network.outcome(node) {
            Outcome::Failed(Failure::Equivocation { proof, .. }) => {
                assert_eq!(proof.verify(6, &mut KeyedVerifier { me: 0 }).unwrap(), (5, 0));
                convictions += 1;
            }
            // The word of a neighbour that has heard both names the same origin.
            Outcome::Failed(Failure::Neighbour { message, .. }) => {
                let words = "peer 5 signed two different updates for round 0";
                assert!(message.starts_with(words), "{message}");
            }
            other => panic!("peer {node}: {other:?}"),
        }
    }
    assert!(convictions > 0);
}

/// Plays a run of eight to its end although `vices` are there.
fn complete_in_spite_of(topology: &str, vices: impl IntoIterator<Item = (u32, u32)>, vice: Vice) {
    let setup = Setup {
        chunks: 3,
        elements: 12,
        ..Setup::default()
    };
    let edges = edges(topology, 8);
    let mut world = World::new(&setup, &edges);
    for (from, to) in vices {
        world.spoil(from, to, vice);
    }
    let most = 100 * u64::from(setup.rounds * setup.peers * setup.chunks) * edges.len() as u64;
    assert!(world.settle(most), "{vice:?} in a {topology} wedged it");
    for node in &world.nodes {
        assert_eq!(node.host.outcome, Outcome::Left, "{vice:?} in a {topology}");
        assert_eq!(node.host.digests, world.nodes[0].host.digests);
    }
}

#[test]
fn who_never_unchokes_or_never_ends_a_piece_is_gone_around() {
    for vice in [Vice::NeverUnchokes, Vice::SlowLoris] {
        complete_in_spite_of("ring", [(3, 4)], vice);
        // Half of a mesh serve nobody but the next one, or what they make could be had from nobody.
        let mean = (0..4).flat_map(|from| (0..8).map(move |to| (from, to)));
        let mean = mean.filter(|&(from, to)| from != to && to != from + 1);
        complete_in_spite_of("mesh", mean, vice);
    }
}

#[test]
fn a_link_that_trickles_holds_up_only_what_it_alone_can_give() {
    let time = |trickles: bool| {
        let setup = Setup::default();
        let mut network = setup.network("ring");
        network.check_always();
        if trickles {
            let trickle = LinkProfile {
                rate: 100.0,
                ..setup.link
            };
            network.set_profile(3, 4, trickle);
        }
        assert!(network.run(LONG));
        setup.assert_complete(&network);
        network.now()
    };
    let (even, uneven) = (time(false), time(true));
    // All of 134 kB through that link would take twenty minutes and more.
    assert!(uneven < even * 30, "{uneven:?} instead of {even:?}");
}

#[test]
fn a_round_that_is_played_back_later_changes_nothing() {
    for later in 1..3 {
        let mut bench = hub(4, 4);
        let said: Vec<Message> = (1..4)
            .map(|origin| Message::Metainfo(signed(&bench, 0, origin, u64::from(origin) + 1)))
            .chain([
                Message::Bitfield {
                    round: 0,
                    held: Bitfield::new(12),
                },
                Message::Have {
                    round: 0,
                    positions: (3..12).collect(),
                },
                Message::Complete { round: 0 },
                Message::Interested,
                Message::Unchoke,
            ])
            .collect();
        for round in 0..later {
            bench.complete_round(round);
            bench.swarm.begin_round(bench.now);
            bench.drain();
        }
        bench.forget_sent();
        // Neighbour 1 has completed that round, so that it would be taken for one that began anew.
        for peer in 2..4 {
            for message in &said {
                bench.hear(peer, message.clone());
                bench.swarm.check().unwrap();
            }
            assert!(bench.requests(peer).is_empty(), "nothing of it is asked for");
        }
        assert!(bench.swarm.held().is_empty());
        assert!((0..4).all(|origin| bench.swarm.metainfo(origin).is_none()));
        // A chunk of that round is no answer to a request of this one, though it has the same place.
        bench.hear_metainfo(1, 3);
        let round = bench.swarm.round();
        let positions = vec![9];
        bench.hear(1, Message::Have { round, positions });
        let (request, chunk) = bench.requests(1)[0];
        let old = origin_data(&bench.config.layout, ChunkId { round: 0, ..chunk });
        bench.answer_with(1, (request, chunk), &old);
        assert_eq!(bench.swarm.stats().corrupt, 1);
        assert_eq!(bench.swarm.open_neighbours(), 3);
        bench.pass(Duration::from_secs(1));
        bench.answer(1, bench.requests(1)[1]);
        bench.forget_sent();
        bench.complete_round(later);
    }
}

/// A linear congruential generator (Knuth) is random enough for faults: true in `percent` of all calls.
struct Chance(u64);

impl Chance {
    fn draw(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn happens(&mut self, percent: u64) -> bool {
        self.draw(100) < percent
    }
}

#[test]
fn half_of_thirty_two_send_bad_pieces_and_drop_connections_and_all_end_with_the_same_model() {
    for seed in 1..4 {
        let setup = Setup {
            peers: 32,
            rounds: 3,
            seed,
            ..Setup::default()
        };
        let edges = random_degree_four(32, seed);
        let mut network = setup.network_of(&edges);
        let neighbours: Vec<Vec<u32>> = (0..32).map(|me| setup.config(me, &edges).neighbours).collect();
        let mut chance = Chance(seed);
        let mut seen = [0; 32];
        let mut dropped = 0;
        while !network.is_over() {
            assert!(network.now() < LONG && network.step(), "wedged");
            for bad in (0..32).step_by(2) {
                let uploads = network.stats(bad).uploads;
                if uploads == seen[bad as usize] {
                    continue;
                }
                seen[bad as usize] = uploads;
                let of_its = &neighbours[bad as usize];
                let other = of_its[chance.draw(of_its.len() as u64) as usize];
                if chance.happens(5) {
                    network.corrupt_next(bad, other);
                }
                if chance.happens(5) {
                    network.disconnect(bad, other);
                    dropped += 1;
                }
            }
        }
        setup.assert_complete(&network);
        let corrupt: u64 = (0..32).map(|node| network.stats(node).corrupt).sum();
        let sent: u64 = (0..32).step_by(2).map(|bad| network.stats(bad).uploads).sum();
        // About one in twenty, or it would be another test.
        for count in [corrupt, dropped] {
            assert!(
                (sent / 40..sent / 10).contains(&count),
                "{corrupt} bad, {dropped} dropped of {sent}"
            );
        }
    }
}

#[test]
fn chunks_that_take_longer_than_a_lost_neighbour_is_waited_for_come_through() {
    // Peers 1 and 2 have all of each other long before peer 0 has anything of either. A chunk to peer 0 takes 80 s, and a
    // neighbour that has delivered nothing yet is given up after 30 s where another one has the chunk.
    let setup = Setup {
        peers: 3,
        chunks: 1,
        elements: 1000,
        rounds: 1,
        ..Setup::default()
    };
    let mut network = setup.network("mesh");
    network.check_always();
    for from in [1, 2] {
        let slow = LinkProfile {
            rate: 50.0,
            ..setup.link
        };
        network.set_profile(from, 0, slow);
    }
    assert!(network.run(LONG), "{:?}", network.stats(0));
    setup.assert_complete(&network);
}
