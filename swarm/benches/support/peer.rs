//! One peer of a large swarm, and what its neighbours say to it.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fltorrent_swarm::{
    Action, Bitfield, ChunkId, ChunkLayout, Config, Departure, Message, Metainfo, PieceHeader, Signed, Signer,
    Verifier, check_piece,
    test_utils::{Solo, config},
};

pub(crate) const PEERS: u32 = 1000;
pub(crate) const CHUNKS: u32 = 10;
pub(crate) const NEIGHBOURS: u32 = 10;
pub(crate) const POSITIONS: u32 = PEERS * CHUNKS;
/// Chunks are small, so that hashing them does not hide what is measured.
const ELEMENTS: u64 = 64;
const CHUNK: [u8; 4 * ELEMENTS as usize] = [0; 4 * ELEMENTS as usize];

/// Signatures are not the state machines' work.
struct Trusting;

impl Verifier for Trusting {
    fn verify(&mut self, _: Signer, _: &Signed) -> Result<(), String> {
        Ok(())
    }

    fn sign(&mut self, body: Bytes) -> Result<Signed, String> {
        Ok(signed(body))
    }
}

/// The peer that is measured, with all that it has asked for.
pub(crate) struct Peer {
    pub(crate) solo: Solo,
    asked: VecDeque<(u32, u32, ChunkId)>,
    uploads: Vec<(u32, u32)>,
    /// Chokes that each neighbour was told, by its index.
    chokes: [u32; NEIGHBOURS as usize + 1],
    unchoked: [bool; NEIGHBOURS as usize + 1],
    requests: u32,
    /// Neighbours that have said that they hold everything.
    pub(crate) spoken: u32,
    /// What the neighbours have not announced yet.
    unsaid: Vec<(u32, u32)>,
    /// Of actions, to be used again.
    spare: Vec<Action>,
}

/// What an origin signs: certificate and signature are as long as real ones.
pub(crate) fn metainfo(round: u32, origin: u32) -> Signed {
    let metainfo = Metainfo {
        run: [7; 16],
        attempt: 0,
        round,
        origin,
        incarnation: 0,
        samples: 100,
        evaluation: Default::default(),
        base: [0; 32],
        folded: [0; 32],
        hashes: vec![*blake3::hash(&CHUNK).as_bytes(); CHUNKS as usize],
    };
    signed(metainfo.encode())
}

fn signed(body: Bytes) -> Signed {
    Signed {
        body,
        certificate: vec![0; 400].into(),
        signature: vec![0; 64].into(),
    }
}

/// Three fifths of all chunks, others for each neighbour.
pub(crate) fn holdings(neighbour: u32) -> Bitfield {
    let mut held = Bitfield::new(POSITIONS);
    for position in 0..POSITIONS {
        if (position.wrapping_mul(2_654_435_761) >> 8).wrapping_mul(neighbour * 2 + 1) % 5 < 3 {
            held.insert(position);
        }
    }
    held
}

/// A neighbour's request for a chunk that this peer made itself.
pub(crate) fn request(request: u32, chokes: u32) -> Message {
    Message::Request {
        request,
        chokes,
        chunk: ChunkId {
            round: 0,
            origin: 0,
            index: request % CHUNKS,
        },
    }
}

/// How long `times` ticks take. A tick that can do nothing says so; then it goes on, untimed, with a new peer.
pub(crate) fn timed(times: u64, peer: &mut Peer, anew: fn() -> Peer, tick: impl Fn(&mut Peer) -> bool) -> Duration {
    let mut spent = Duration::ZERO;
    let mut done = 0;
    while done < times {
        let start = Instant::now();
        while done < times && tick(peer) {
            done += 1;
        }
        spent += start.elapsed();
        if done < times {
            *peer = anew();
        }
    }
    spent
}

impl Peer {
    /// All neighbours are there and want something; this peer's own update is published.
    pub(crate) fn connected() -> Self {
        let layout = ChunkLayout::new(ELEMENTS * u64::from(CHUNKS), CHUNKS).unwrap();
        let config = Config {
            rounds: 3,
            ..config(0, PEERS, (1..=NEIGHBOURS).collect(), layout)
        };
        let mut peer = Self {
            solo: Solo::trusting(config, Box::new(Trusting)),
            asked: VecDeque::new(),
            uploads: Vec::new(),
            chokes: Default::default(),
            unchoked: Default::default(),
            requests: 0,
            spoken: 0,
            unsaid: Vec::new(),
            spare: Vec::new(),
        };
        for neighbour in 1..=NEIGHBOURS {
            peer.solo.connect(neighbour);
            peer.hear(neighbour, Message::Interested);
        }
        peer.publish();
        peer
    }

    /// In the middle of a round: all metainfos are known, and each neighbour has three fifths of the chunks.
    pub(crate) fn asking() -> Self {
        let mut peer = Self::connected();
        peer.hear_metainfos();
        peer.hear_holdings();
        peer
    }

    /// All metainfos are known; no neighbour has said what it has.
    pub(crate) fn described() -> Self {
        let mut peer = Self::connected();
        peer.hear_metainfos();
        peer
    }

    fn publish(&mut self) {
        let signed = metainfo(self.solo.swarm.round(), 0);
        self.solo.publish_as(signed);
        self.react();
    }

    pub(crate) fn next_round(&mut self) {
        self.solo.swarm.begin_round(self.solo.now);
        self.publish();
    }

    pub(crate) fn hear_metainfos(&mut self) {
        for origin in 1..PEERS {
            let signed = metainfo(self.solo.swarm.round(), origin);
            self.hear(1, Message::Metainfo(signed));
        }
    }

    pub(crate) fn hear_holdings(&mut self) {
        for neighbour in 1..=NEIGHBOURS {
            self.hear_bitfield_of(neighbour);
            self.hear(neighbour, Message::Unchoke);
            let held = holdings(neighbour);
            let unsaid = (0..POSITIONS).filter(|&at| !held.contains(at));
            self.unsaid.extend(unsaid.map(|at| (neighbour, at)));
        }
    }

    pub(crate) fn hear_bitfield_of(&mut self, neighbour: u32) {
        let held = holdings(neighbour);
        let round = self.solo.swarm.round();
        self.hear(neighbour, Message::Bitfield { round, held });
    }

    /// The next neighbour that has not said what it has says so.
    pub(crate) fn hear_bitfield(&mut self) -> bool {
        if self.spoken == NEIGHBOURS {
            return false;
        }
        self.spoken += 1;
        let mut held = Bitfield::new(POSITIONS);
        for position in 0..POSITIONS {
            held.insert(position);
        }
        self.hear(self.spoken, Message::Bitfield { round: 0, held });
        true
    }

    pub(crate) fn hear(&mut self, neighbour: u32, message: Message) {
        self.solo.hear(neighbour, message);
        self.react();
    }

    /// A neighbour announces so many more chunks.
    pub(crate) fn hear_haves(&mut self, count: usize) -> bool {
        let Some(&(neighbour, _)) = self.unsaid.last() else {
            return false;
        };
        let mut positions = Vec::with_capacity(count);
        while positions.len() < count
            && let Some((_, at)) = self.unsaid.pop_if(|it| it.0 == neighbour)
        {
            positions.push(at);
        }
        positions.reverse();
        self.hear(neighbour, Message::Have { round: 0, positions });
        true
    }

    /// The answer to the oldest request comes, a tenth of a millisecond later.
    pub(crate) fn take_piece(&mut self) -> bool {
        let Some((from, request, chunk)) = self.asked.pop_front() else {
            return false;
        };
        self.solo.now += Duration::from_micros(100);
        let length = CHUNK.len() as u32;
        let header = PieceHeader { request, chunk, length };
        let Solo { swarm, now, .. } = &mut self.solo;
        if let Some(hash) = swarm.handle_piece_header(from, &header) {
            swarm.handle_piece(*now, from, &header, check_piece(&CHUNK, &hash));
        }
        self.react();
        true
    }

    pub(crate) fn flap(&mut self, neighbour: u32) {
        self.hear(
            neighbour,
            Message::Choke {
                last_started: 0,
                skipped: Vec::new(),
            },
        );
        self.hear(neighbour, Message::Unchoke);
        self.asked.clear();
    }

    pub(crate) fn reconnect(&mut self, neighbour: u32) {
        let cut = Departure::Broken(String::new());
        let Solo { swarm, now, .. } = &mut self.solo;
        swarm.handle_disconnected(*now, neighbour, cut);
        self.solo.connect(neighbour);
        self.hear_bitfield_of(neighbour);
        self.hear(neighbour, Message::Interested);
        self.hear(neighbour, Message::Unchoke);
        self.asked.clear();
    }

    /// The choker's time has come.
    pub(crate) fn choose(&mut self) {
        self.solo.now += Duration::from_secs(10);
        self.solo.swarm.handle_timeout(self.solo.now);
        self.react();
        self.asked.clear();
    }

    /// A neighbour that has a slot.
    pub(crate) fn served(&self) -> u32 {
        (1..=NEIGHBOURS).find(|&it| self.unchoked[it as usize]).unwrap()
    }

    /// It asks for a chunk and gets it.
    pub(crate) fn serve(&mut self, neighbour: u32) {
        self.requests += 1;
        let chokes = self.chokes[neighbour as usize];
        self.hear(neighbour, request(self.requests, chokes));
        let (to, request) = self.uploads.pop().unwrap();
        let Solo { swarm, now, .. } = &mut self.solo;
        swarm.handle_upload_ended(*now, to, request, true);
        self.react();
    }

    /// Takes out what the swarm wants.
    fn react(&mut self) {
        self.solo.drain();
        while !self.solo.actions.is_empty() {
            let mut actions = std::mem::replace(&mut self.solo.actions, std::mem::take(&mut self.spare));
            for action in actions.drain(..) {
                match action {
                    Action::Send { to, message } => self.sent(to, message),
                    Action::Upload { to, request, .. } => self.uploads.push((to, request)),
                    Action::Fence { to } => self.solo.drained(to),
                    Action::Disconnect { peer, violation } => panic!("peer {peer}: {violation}"),
                    _ => {}
                }
            }
            self.spare = actions;
        }
    }

    fn sent(&mut self, to: u32, message: Message) {
        match message {
            Message::Request { request, chunk, .. } => self.asked.push_back((to, request, chunk)),
            Message::Choke { .. } => {
                self.chokes[to as usize] += 1;
                self.unchoked[to as usize] = false;
            }
            Message::Unchoke => self.unchoked[to as usize] = true,
            _ => {}
        }
    }
}
