//! A neighbour that never stops talking: what it says costs a bounded amount of memory and a bounded number of steps each.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../benches/support/memory.rs"]
mod memory;
mod support;

use std::time::Duration;

use fltorrent_swarm::{
    Bitfield, ChunkId, Departure, Message, PieceHeader, Swarm, Time,
    test_utils::{KeyedVerifier, origin_metainfo, sign},
};
use support::{Setup, edges};

const PEERS: u32 = 8;
const POSITIONS: u32 = PEERS * 6;
const MOST_OUTSTANDING: usize = 64;

/// Peer 0 in a mesh, all of whose neighbours are there; only neighbour 1 ever speaks.
struct Flooded {
    config: fltorrent_swarm::Config,
    swarm: Swarm,
    now: Time,
    /// Actions that followed from the last input.
    actions: usize,
    uploads: Vec<u32>,
    requests: u32,
}

impl Flooded {
    fn new() -> Self {
        let setup = Setup {
            peers: PEERS,
            rounds: 4,
            ..Setup::default()
        };
        let config = setup.config(0, &edges("mesh", PEERS));
        let mut flooded = Self {
            swarm: Swarm::new(config.clone(), Box::new(KeyedVerifier { me: config.me() }), Time::ZERO),
            config,
            now: Time::ZERO,
            actions: 0,
            uploads: Vec::new(),
            requests: 0,
        };
        for peer in 1..PEERS {
            flooded.connect(peer);
        }
        let own = sign(0, &origin_metainfo(&flooded.config, 0, 0));
        flooded.swarm.publish(flooded.now, own);
        for origin in 1..PEERS {
            let metainfo = sign(origin, &origin_metainfo(&flooded.config, 0, origin));
            flooded.hear(Message::Metainfo(metainfo));
        }
        flooded
    }

    fn connect(&mut self, peer: u32) {
        self.swarm.handle_connected(self.now, peer);
        let hello = fltorrent_swarm::Hello {
            peer,
            ..self.config.hello.clone()
        };
        self.swarm.handle_message(self.now, peer, Message::Hello(hello));
        self.drain();
    }

    fn hear(&mut self, message: Message) {
        self.swarm.handle_message(self.now, 1, message);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.swarm.poll_action() {
            self.actions += 1;
            if let fltorrent_swarm::Action::Upload { request, .. } = action {
                self.uploads.push(request);
            }
        }
    }

    fn request(&mut self, round: u32) {
        self.requests += 1;
        self.hear(Message::Request {
            request: self.requests,
            chokes: 0,
            chunk: ChunkId {
                round,
                origin: 0,
                index: self.requests % 6,
            },
        });
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        if self.swarm.poll_timeout().is_some_and(|due| due <= self.now) {
            self.swarm.handle_timeout(self.now);
            self.drain();
        }
    }
}

/// What it says in each turn, and how many actions may follow from that.
type Flood = (&'static str, usize, fn(&mut Flooded, u32));

fn all() -> Vec<u32> {
    (0..POSITIONS).collect()
}

fn full() -> Bitfield {
    let mut held = Bitfield::new(POSITIONS);
    for position in 0..POSITIONS {
        held.insert(position);
    }
    held
}

const FLOODS: [Flood; 13] = [
    ("one have, again and again", 1, |it, turn| {
        it.hear(Message::Have {
            round: turn % 2,
            positions: vec![turn % POSITIONS],
        });
    }),
    ("haves of everything", 1, |it, turn| {
        it.hear(Message::Have {
            round: turn % 2,
            positions: all(),
        });
    }),
    ("full and empty bitfields", 1, |it, turn| {
        let held = if turn % 3 == 0 {
            full()
        } else {
            Bitfield::new(POSITIONS)
        };
        it.hear(Message::Bitfield { round: turn % 2, held });
    }),
    ("complete", 1, |it, turn| {
        it.hear(Message::Complete { round: turn % 2 });
    }),
    ("known metainfos", 0, |it, turn| {
        let origin = turn % PEERS;
        let metainfo = origin_metainfo(&it.config, 0, origin);
        it.hear(Message::Metainfo(sign(origin, &metainfo)));
    }),
    ("two metainfos by turns", 8, |it, turn| {
        let mut metainfo = origin_metainfo(&it.config, 0, 1);
        metainfo.samples += u64::from(turn);
        it.hear(Message::Metainfo(sign(1, &metainfo)));
    }),
    ("interest", 1, |it, turn| {
        it.hear(if turn % 2 == 0 {
            Message::Interested
        } else {
            Message::NotInterested
        });
    }),
    ("requests while choked", 0, |it, _| it.request(0)),
    ("requests for what there is not", 0, |it, _| it.request(1)),
    ("requests that are withdrawn", 3, |it, _| {
        it.hear(Message::Interested);
        it.request(0);
        let request = it.requests;
        it.hear(Message::Cancel { request });
        if let Some(ended) = it.uploads.pop() {
            it.swarm.handle_upload_ended(it.now, 1, ended, false);
            it.drain();
        }
    }),
    ("unchoke and choke", MOST_OUTSTANDING + 1, |it, turn| {
        it.hear(match turn {
            0 => Message::Complete { round: 0 },
            turn if turn % 2 == 0 => Message::Choke {
                last_started: 0,
                skipped: Vec::new(),
            },
            _ => Message::Unchoke,
        });
    }),
    ("pieces that were withdrawn", MOST_OUTSTANDING + 1, |it, turn| {
        it.hear(Message::Complete { round: 0 });
        it.hear(Message::Unchoke);
        it.hear(Message::Choke {
            last_started: 0,
            skipped: Vec::new(),
        });
        let header = PieceHeader {
            request: 1 + turn % 2,
            chunk: ChunkId {
                round: 0,
                origin: 1,
                index: 0,
            },
            length: 400,
        };
        it.swarm.handle_piece_header(1, &header);
        it.drain();
    }),
    ("connections", 2 * MOST_OUTSTANDING, |it, _| {
        let cut = Departure::Broken("again".to_owned());
        it.swarm.handle_disconnected(it.now, 1, cut);
        it.connect(1);
        it.hear(Message::Complete { round: 0 });
        it.hear(Message::Unchoke);
        it.hear(Message::Interested);
    }),
];

#[test]
fn no_flood_takes_more_memory_the_longer_it_goes_on_or_more_steps_than_it_has_messages() {
    for (what, most, say) in FLOODS {
        let mut flooded = Flooded::new();
        let mut after = [0; 2];
        let mut turn = 0;
        for held in &mut after {
            for _ in 0..5000 {
                flooded.actions = 0;
                say(&mut flooded, turn);
                turn += 1;
                assert!(
                    flooded.actions <= most,
                    "{what}: {} actions in turn {turn}",
                    flooded.actions
                );
                flooded.pass(Duration::from_micros(100));
            }
            flooded.swarm.check().unwrap();
            *held = memory::held();
        }
        let grown = after[1] - after[0];
        assert!(grown < 4096, "{what}: {grown} bytes more after 5,000 more turns");
        assert_eq!(flooded.swarm.open_neighbours(), 7, "{what}: it broke a rule");
    }
}
