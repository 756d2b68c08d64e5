//! What the state machines cost in a large swarm: one peer of 1,000, with 10 neighbours and 10 chunks an update.
//!
//! `cargo bench -p fltorrent-swarm` prints the memory that one swarm takes, then the time of each kind of tick. A tick is an
//! input as a driver gives it, with all actions that follow taken out.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

#[path = "support/memory.rs"]
mod memory;
#[path = "support/peer.rs"]
mod peer;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, Throughput};
use fltorrent_swarm::{
    Bitfield, Message,
    message::{FrameDecoder, Limits},
};
use peer::{CHUNKS, NEIGHBOURS, PEERS, POSITIONS, Peer, metainfo};

const LIMITS: Limits = Limits {
    peers: PEERS,
    chunks: CHUNKS,
};

fn main() {
    print_memory();
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    picker(&mut criterion);
    choker(&mut criterion);
    bitfield(&mut criterion);
    codec(&mut criterion);
    criterion.final_summary();
}

/// Bytes that one swarm holds, at each stage of a round.
fn print_memory() {
    println!("memory of one swarm of {PEERS} peers × {CHUNKS} chunks with {NEIGHBOURS} neighbours:");
    let before = memory::held();
    let print = |what: &str| {
        let held = (memory::held() - before) as f64 / 1e6;
        println!("  {what:<44} {held:>7.2} MB");
    };
    let mut peer = Peer::connected();
    print("connected");
    peer.hear_metainfos();
    print("with the metainfos of all origins");
    peer.hear_holdings();
    print("asking, nothing received");
    while peer.solo.swarm.held().count() < POSITIONS / 2 {
        peer.take_piece();
    }
    print("half the chunks received");
    while peer.take_piece() {}
    print("complete");
    peer.next_round();
    peer.hear_metainfos();
    peer.hear_holdings();
    print("asking in the second round, serving the first");
}

fn picker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("picker");
    // A piece is verified, announced to all who lack it, and its place is filled with the next request.
    group.bench_function("piece, and the request after it", |bencher| {
        let mut peer = Peer::asking();
        bencher.iter_custom(|times| peer::timed(times, &mut peer, Peer::asking, Peer::take_piece));
    });
    group.bench_function("have of one chunk", |bencher| {
        let mut peer = Peer::asking();
        bencher.iter_custom(|times| peer::timed(times, &mut peer, Peer::asking, |peer| peer.hear_haves(1)));
    });
    group.bench_function("have of 100 chunks", |bencher| {
        let mut peer = Peer::asking();
        bencher.iter_custom(|times| peer::timed(times, &mut peer, Peer::asking, |peer| peer.hear_haves(100)));
    });
    group.bench_function("bitfield of 10,000 chunks from one that had none", |bencher| {
        let mut peer = Peer::described();
        bencher.iter_custom(|times| peer::timed(times, &mut peer, Peer::described, Peer::hear_bitfield));
    });
    group.bench_function("the same again", |bencher| {
        let mut peer = Peer::asking();
        bencher.iter(|| peer.hear_bitfield_of(1));
    });
    group.bench_function("choke and unchoke: all requests back and sent anew", |bencher| {
        let mut peer = Peer::asking();
        bencher.iter(|| peer.flap(1));
    });
    group.bench_function(
        "choke and unchoke of one that has only the commonest chunk",
        |bencher| {
            let mut peer = Peer::described();
            // The others have everything, and choke.
            while peer.hear_bitfield() && peer.spoken + 1 < NEIGHBOURS {}
            let last = vec![POSITIONS - 1];
            peer.hear(
                NEIGHBOURS,
                Message::Have {
                    round: 0,
                    positions: last,
                },
            );
            bencher.iter(|| peer.flap(NEIGHBOURS));
        },
    );
    group.bench_function("complete, said once more", |bencher| {
        let mut peer = Peer::asking();
        peer.hear(1, Message::Complete { round: 0 });
        bencher.iter(|| peer.hear(1, Message::Complete { round: 0 }));
    });
    group.bench_function("a connection breaks and is there again", |bencher| {
        let mut peer = Peer::asking();
        bencher.iter(|| peer.reconnect(1));
    });
    group.bench_function("when the next timer is due", |bencher| {
        let peer = Peer::asking();
        bencher.iter(|| black_box(&peer.solo.swarm).poll_timeout());
    });
    group.finish();
}

fn choker(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("choker");
    group.bench_function("choice of 4 among 10", |bencher| {
        let mut peer = Peer::described();
        bencher.iter(|| peer.choose());
    });
    group.bench_function("request, and the end of its upload", |bencher| {
        let mut peer = Peer::asking();
        let served = peer.served();
        bencher.iter(|| peer.serve(served));
    });
    group.bench_function("interest lost and found", |bencher| {
        let mut peer = Peer::asking();
        bencher.iter(|| {
            peer.hear(1, Message::NotInterested);
            peer.hear(1, Message::Interested);
        });
    });
    group.finish();
}

fn bitfield(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bitfield");
    group.throughput(Throughput::Elements(POSITIONS.into()));
    let half = peer::holdings(1);
    group.bench_function("insert 10,000", |bencher| {
        bencher.iter(|| {
            let mut bits = Bitfield::new(POSITIONS);
            for position in 0..POSITIONS {
                bits.insert(position);
            }
            bits
        });
    });
    group.bench_function("ask for 10,000", |bencher| {
        bencher.iter(|| (0..POSITIONS).filter(|&at| black_box(&half).contains(at)).count());
    });
    group.bench_function("walk through 10,000", |bencher| {
        bencher.iter(|| black_box(&half).iter().fold(0, u32::wrapping_add));
    });
    group.bench_function("read 10,000", |bencher| {
        bencher.iter(|| Bitfield::from_bytes(black_box(half.as_bytes()), POSITIONS));
    });
    group.finish();
}

fn codec(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("codec");
    let round = 0;
    let every = |step: usize| (0..POSITIONS).step_by(step).collect();
    let messages = [
        (
            "have of 1",
            Message::Have {
                round,
                positions: vec![POSITIONS / 2],
            },
        ),
        (
            "have of 100",
            Message::Have {
                round,
                positions: every(100),
            },
        ),
        (
            "have of 10,000",
            Message::Have {
                round,
                positions: every(1),
            },
        ),
        (
            "bitfield",
            Message::Bitfield {
                round,
                held: peer::holdings(1),
            },
        ),
        ("request", peer::request(1, 0)),
        ("metainfo", Message::Metainfo(metainfo(0, 7))),
    ];
    for (name, message) in messages {
        let frame = message.encode();
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(format!("write {name}"), |bencher| {
            bencher.iter(|| black_box(&message).encode());
        });
        group.bench_function(format!("read {name}"), |bencher| {
            let mut decoder = FrameDecoder::new(LIMITS);
            bencher.iter(|| {
                decoder.extend(black_box(&frame));
                decoder.next().unwrap().unwrap()
            });
        });
    }
    group.finish();
}
