//! Whom a peer asks for what before it is there, and when that changes within a round.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use fltorrent_swarm::{
    Action, ChunkId, ChunkLayout, Config, Departure, Forest, Message, Notice, OnPeerLoss,
    test_utils::{Solo, config, uplink_statement},
};

const PEERS: u32 = 4;
const CHUNKS: u32 = 12;
const CHUNK: u64 = 64 * 1024;
const SECOND: Duration = Duration::from_secs(1);
const FAST: f64 = 1e6;

/// Peer 0 of a mesh, in which everybody asks suppliers, with no metainfo but its own.
fn bench() -> Solo {
    bench_with(4, OnPeerLoss::Fail)
}

/// The same with so many upload slots.
fn bench_with(upload_slots: u32, on_peer_loss: OnPeerLoss) -> Solo {
    let wiring: Arc<[Vec<u32>]> = (0..PEERS)
        .map(|me| (0..PEERS).filter(|&peer| peer != me).collect())
        .collect();
    let layout = ChunkLayout::new(u64::from(CHUNKS) * CHUNK / 4, CHUNKS).unwrap();
    let mut bench = Solo::of(Config {
        forest: Some(Arc::new(Forest::new(
            Arc::clone(&wiring),
            &[None; PEERS as usize],
            CHUNKS,
        ))),
        rounds: 2,
        upload_slots,
        on_peer_loss,
        ..config(0, PEERS, wiring[0].clone(), layout)
    })
    .connected();
    bench.publish();
    bench
}

/// All others' metainfos, from themselves.
fn hear_all(bench: &mut Solo) {
    for peer in 1..PEERS {
        bench.hear_metainfo(peer, peer);
    }
}

/// A peer says in a round what its uplink carries, and a neighbour passes it on.
fn hear_uplink(bench: &mut Solo, from: u32, (round, peer): (u32, u32), rate: f64) {
    let signed = uplink_statement(&bench.config, (round, peer), rate);
    bench.hear(from, Message::Statement(signed));
}

/// Statements that a neighbour was told.
fn statements(bench: &Solo, peer: u32) -> usize {
    let sent = bench.sent(peer).into_iter();
    sent.filter(|it| matches!(it, Message::Statement(_))).count()
}

/// Positions that a neighbour has been asked for, and which of them not any more.
fn wanted(bench: &Solo, peer: u32) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    for message in bench.sent(peer) {
        match message {
            Message::Want { positions, .. } => all.extend(positions),
            Message::Unwant { positions, .. } => positions.iter().for_each(|position| {
                all.remove(position);
            }),
            _ => {}
        }
    }
    all
}

fn is_of(origin: u32) -> impl Fn(&u32) -> bool {
    move |position| position / CHUNKS == origin
}

fn chunk(position: u32) -> ChunkId {
    ChunkId {
        round: 0,
        origin: position / CHUNKS,
        index: position % CHUNKS,
    }
}

/// A neighbour gives a chunk that was asked of it, its piece of that number, and could give so many more.
fn give(bench: &mut Solo, peer: u32, position: u32, (number, backlog): (u32, u32)) {
    bench.answer(peer, (1 << 31 | number << 16 | backlog, chunk(position)));
}

#[test]
fn each_chunk_is_asked_of_one_neighbour() {
    let mut bench = bench();
    hear_all(&mut bench);
    let all: Vec<u32> = (1..PEERS).flat_map(|peer| wanted(&bench, peer)).collect();
    let different: BTreeSet<u32> = all.iter().copied().collect();
    assert_eq!(all.len(), different.len());
    assert_eq!(different, (CHUNKS..PEERS * CHUNKS).collect());
    assert_eq!(bench.swarm.check(), Ok(()));
}

/// Chunks of others' that a neighbour is to pass on.
fn relayed(bench: &Solo, peer: u32) -> usize {
    wanted(bench, peer)
        .iter()
        .filter(|position| !is_of(peer)(position))
        .count()
}

#[test]
fn trees_follow_what_was_measured_within_the_round() {
    let mut bench = bench();
    hear_all(&mut bench);
    assert!(relayed(&bench, 1) > 0, "all count as equal");
    bench.swarm.measured_uplink(bench.now, FAST);
    bench.drain();
    hear_uplink(&mut bench, 1, (0, 1), FAST / 50.0);
    hear_uplink(&mut bench, 3, (0, 2), FAST);
    assert!(relayed(&bench, 1) > 0, "others may say something, too");
    bench.pass(SECOND);
    assert_eq!(relayed(&bench, 1), 0, "{:?}", wanted(&bench, 1));
    assert!(wanted(&bench, 1).iter().any(is_of(1)), "nobody else has its own update");
    let is_taken_back = |it: &Message| matches!(it, Message::Unwant { .. });
    assert!(bench.sent(1).iter().any(is_taken_back));
    let all: BTreeSet<u32> = (1..PEERS).flat_map(|peer| wanted(&bench, peer)).collect();
    assert_eq!(all, (CHUNKS..PEERS * CHUNKS).collect());
    assert_eq!(bench.swarm.check(), Ok(()));
}

#[test]
fn an_uplink_is_told_once_a_round_and_where_it_is_another_one() {
    let mut bench = bench();
    hear_all(&mut bench);
    let mut tell = |rate| {
        let told = bench.swarm.measured_uplink(bench.now, rate).is_some();
        bench.drain();
        (
            told,
            (1..PEERS).map(|peer| statements(&bench, peer)).collect::<Vec<_>>(),
        )
    };
    assert_eq!(tell(FAST), (true, vec![1; 3]));
    assert_eq!(tell(FAST * 1.05), (false, vec![1; 3]), "it is near");
    assert_eq!(tell(FAST * 2.0), (false, vec![1; 3]), "it was told in this round");
    // Whoever is next to the one that says it has it from there.
    hear_uplink(&mut bench, 1, (0, 1), FAST);
    assert_eq!(statements(&bench, 2), 1);
    // What comes from two rounds ahead counts for nothing.
    hear_uplink(&mut bench, 1, (2, 1), FAST / 50.0);
    bench.pass(SECOND);
    assert!(relayed(&bench, 1) > 0);
    // The next round is near enough.
    hear_uplink(&mut bench, 1, (1, 1), FAST / 50.0);
    bench.pass(SECOND);
    assert_eq!(relayed(&bench, 1), 0);
    assert_eq!(bench.swarm.check(), Ok(()));
}

#[test]
fn whoever_says_two_things_in_a_round_takes_part_no_more() {
    let mut bench = bench();
    hear_all(&mut bench);
    hear_uplink(&mut bench, 1, (0, 1), FAST);
    hear_uplink(&mut bench, 2, (0, 1), FAST / 50.0);
    assert!(bench.notices().contains(&Notice::Contradiction { peer: 1 }));
    let told = statements(&bench, 3);
    hear_uplink(&mut bench, 2, (0, 1), FAST / 10.0);
    assert_eq!(statements(&bench, 3), told, "it is known by then");
}

#[test]
fn when_a_link_has_gone_all_uplinks_are_told_once_more() {
    let mut bench = bench_with(4, OnPeerLoss::Continue);
    hear_all(&mut bench);
    hear_uplink(&mut bench, 1, (0, 1), FAST);
    hear_uplink(&mut bench, 2, (0, 2), FAST);
    assert_eq!(statements(&bench, 3), 0, "it has them from who says them");
    let broken = Departure::Broken("cut".to_owned());
    bench.swarm.handle_disconnected(bench.now, 1, broken);
    bench.drain();
    assert_eq!(statements(&bench, 3), 3, "this peer's link state, and both");
}

#[test]
fn a_choked_neighbour_gets_what_it_wants_and_no_more_than_there_are_slots_at_once() {
    let mut bench = bench_with(2, OnPeerLoss::Fail);
    hear_all(&mut bench);
    for peer in 1..PEERS {
        let positions = (0..CHUNKS).collect();
        bench.hear(peer, Message::Want { round: 0, positions });
    }
    let started = |bench: &Solo| -> Vec<usize> { (1..PEERS).map(|peer| bench.uploads(peer).len()).collect() };
    assert_eq!(started(&bench).iter().sum::<usize>(), 2, "two slots");
    // After each piece it is another one's turn.
    let mut ended = BTreeSet::new();
    for _ in 0..9 {
        let started = bench.actions.iter().filter_map(|action| match action {
            Action::Upload { to, request, .. } => Some((*to, *request)),
            _ => None,
        });
        let active: Vec<_> = started.filter(|it| !ended.contains(it)).collect();
        assert_eq!(active.len(), 2);
        ended.insert(active[0]);
        bench
            .swarm
            .handle_upload_ended(bench.now, active[0].0, active[0].1, true);
        bench.drain();
    }
    assert!(
        started(&bench).iter().all(|&pieces| pieces >= 3),
        "{:?}",
        started(&bench)
    );
    // Whoever takes nothing for long keeps nobody from being served.
    bench.pass(60 * SECOND);
    bench.hear(3, Message::Interested);
    let active = started(&bench).iter().sum::<usize>() - ended.len();
    assert_eq!(active, 3);
}

#[test]
fn a_neighbour_that_comes_back_is_told_of_all_uplinks() {
    let mut bench = bench();
    hear_all(&mut bench);
    for peer in 1..PEERS {
        hear_uplink(&mut bench, peer, (0, peer), FAST);
    }
    bench.forget_sent();
    bench.connect(2);
    assert_eq!(statements(&bench, 2), 3);
}

/// Neighbour 1 gives a chunk a second and could give so many more, neighbour 2 has all that is asked of that and nothing to do; what was asked of each
/// before, in all.
fn busy_and_idle(backlog: u32) -> (Solo, BTreeSet<u32>, usize) {
    let mut bench = bench();
    hear_all(&mut bench);
    let of_busy = wanted(&bench, 1);
    let of_idle = wanted(&bench, 2).len();
    for peer in 1..PEERS {
        bench.hear(peer, Message::Unchoke);
    }
    let mut positions = of_busy.iter().copied();
    for number in 0..3 {
        bench.pass(SECOND);
        give(&mut bench, 1, positions.next().unwrap(), (number, backlog));
    }
    let positions: Vec<u32> = positions.collect();
    let left = positions.iter().copied().collect();
    bench.hear(2, Message::Have { round: 0, positions });
    bench.hear(2, Message::Idle { round: 0 });
    (bench, left, of_idle)
}

#[test]
fn an_idle_neighbour_is_asked_for_what_waits_for_a_busy_one() {
    let (bench, left, of_idle) = busy_and_idle(20);
    let moved: BTreeSet<u32> = wanted(&bench, 2).intersection(&left).copied().collect();
    assert_eq!((moved.len(), wanted(&bench, 2).len()), (2, of_idle + 2));
    assert!(wanted(&bench, 1).is_disjoint(&moved), "it is taken back there");
    assert_eq!(bench.swarm.check(), Ok(()));
}

#[test]
fn what_a_supplier_does_not_have_itself_moves_when_it_has_taken_long() {
    let (mut bench, left, of_idle) = busy_and_idle(0);
    assert_eq!(wanted(&bench, 2).len(), of_idle, "it may come at any moment");
    bench.pass(5 * SECOND);
    let moved = wanted(&bench, 2).intersection(&left).count();
    assert_eq!(moved, 2);
    assert_eq!(bench.swarm.check(), Ok(()));
}

#[test]
fn of_two_idle_neighbours_one_is_asked() {
    let (mut bench, left, _) = busy_and_idle(0);
    let positions: Vec<u32> = left.iter().copied().collect();
    bench.hear(3, Message::Have { round: 0, positions });
    bench.hear(3, Message::Idle { round: 0 });
    bench.pass(5 * SECOND);
    let of = |bench: &Solo, peer| -> BTreeSet<u32> { wanted(bench, peer).intersection(&left).copied().collect() };
    let (second, third) = (of(&bench, 2), of(&bench, 3));
    assert!(second.len() == 2 && third.len() == 2, "{second:?} {third:?}");
    // What one gives is not taken from it by the other.
    for peer in 1..PEERS {
        let positions = vec![];
        bench.hear(peer, Message::Have { round: 0, positions });
    }
    assert_eq!((of(&bench, 2), of(&bench, 3)), (second, third));
}

#[test]
fn whoever_is_asked_for_what_moved_has_its_time() {
    let (mut bench, left, _) = busy_and_idle(20);
    let moved: BTreeSet<u32> = wanted(&bench, 2).intersection(&left).copied().collect();
    bench.pass(10 * SECOND);
    assert!(wanted(&bench, 2).is_superset(&moved));
    assert_eq!(bench.swarm.stats().overdue, 0);
}

#[test]
fn whoever_has_gone_on_is_asked_for_what_is_late() {
    let (mut bench, ..) = busy_and_idle(0);
    bench.hear(3, Message::Complete { round: 0 });
    let before = wanted(&bench, 3);
    bench.pass(5 * SECOND);
    assert_eq!(wanted(&bench, 3), before, "what it supplies itself comes first");
    for (number, &position) in (0..).zip(&before) {
        give(&mut bench, 3, position, (number, 0));
    }
    assert_eq!(wanted(&bench, 3).len(), before.len() + 2);
    assert_eq!(bench.swarm.check(), Ok(()));
}

#[test]
fn whoever_is_a_round_behind_is_told_of_the_metainfo_that_it_lacks() {
    let mut bench = bench();
    hear_all(&mut bench);
    let told = |bench: &Solo, peer| {
        let sent = bench.sent(peer).into_iter();
        sent.filter(|it| matches!(it, Message::Metainfo(_))).count()
    };
    let before = told(&bench, 2);
    // This peer completes the round and goes on before it tells those of it that should have it from elsewhere.
    for peer in [1, 3] {
        bench.hear(peer, Message::Complete { round: 0 });
    }
    let positions = (2 * CHUNKS..3 * CHUNKS).collect();
    bench.hear(2, Message::Have { round: 0, positions });
    for peer in 1..PEERS {
        bench.hear(peer, Message::Unchoke);
        for (number, position) in (0..).zip(wanted(&bench, peer)) {
            give(&mut bench, peer, position, (number, 0));
        }
    }
    bench.swarm.begin_round(bench.now);
    bench.drain();
    assert_eq!((bench.swarm.round(), told(&bench, 2)), (1, before));
    bench.pass(SECOND);
    assert_eq!(
        told(&bench, 2),
        before + 2,
        "those of the origins that are as far from it as from this peer"
    );
    assert_eq!(told(&bench, 1), 1, "it has completed the round");
}

#[test]
fn what_is_taken_back_twice_is_announced_once() {
    let mut bench = bench();
    let round = 0;
    bench.hear(2, Message::Interested);
    let positions = vec![1];
    bench.hear(2, Message::Want { round, positions });
    assert_eq!(bench.uploads(2).len(), 1, "announcements are gathered while it is sent");
    bench.pass(SECOND);
    bench.forget_sent();
    for _ in 0..2 {
        let positions = vec![0];
        bench.hear(2, Message::Want { round, positions });
        let positions = vec![0];
        bench.hear(2, Message::Unwant { round, positions });
    }
    bench.pass(SECOND);
    let announced: Vec<Vec<u32>> = bench
        .sent(2)
        .into_iter()
        .filter_map(|message| match message {
            Message::Have { positions, .. } => Some(positions),
            _ => None,
        })
        .collect();
    assert!(announced.concat().contains(&0));
    for positions in announced {
        assert!(positions.is_sorted_by(|a, b| a < b), "{positions:?}");
    }
}
