//! One swarm among three neighbours that say and do anything, in any order.

mod standing;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    Bitfield, Forest, Time,
    chunk::{ChunkId, ChunkLayout},
    config::Config,
    message::{Hello, Message, PieceHeader},
    repair::Repair,
    rules::{Deadline, OnPeerLoss, RoundRules},
    signed::Signed,
    statement::{MeasuredUplink, Speaker, Statement},
    suppliers::UplinkRate,
    swarm::{Action, Departure, Swarm},
    test_utils::{Host, Wish, config, origin_data, origin_metainfo, sign, sign_as},
    view::LinkState,
    vote::Vote,
};

const PEERS: u32 = 4;
const CHUNKS: u32 = 3;
const ROUNDS: u32 = 3;
/// No input makes one neighbour's swarm do more than this.
const MOST_ACTIONS: usize = 400;

/// Each operation takes a few bytes; the end of the bytes ends the run.
pub fn swarm_ops(data: &[u8]) {
    for has_suppliers in [false, true] {
        for goes_on in [false, true] {
            operate(World::new(goes_on, has_suppliers), data);
        }
    }
}

fn operate(mut world: World, data: &[u8]) {
    let mut bytes = data.iter().copied();
    while world.operate(&mut bytes).is_some() {
        world.settle();
        if world.over {
            return;
        }
    }
}

fn chunk_at(round: u32, position: u32) -> ChunkId {
    ChunkId {
        round,
        origin: position / CHUNKS,
        index: position % CHUNKS,
    }
}

fn of_ring(peer: u32) -> [u32; 2] {
    let mut neighbours = [(peer + 1) % PEERS, (peer + PEERS - 1) % PEERS];
    neighbours.sort_unstable();
    neighbours
}

struct World {
    swarm: Swarm,
    host: Host,
    now: Time,
    /// Requests that the swarm has sent on connections that still exist.
    requests: BTreeMap<(u32, u32), ChunkId>,
    /// Chunks that it asks for by standing requests, and pieces that have answered some.
    wants: BTreeSet<(u32, ChunkId)>,
    pushed: u32,
    uploads: BTreeSet<(u32, u32)>,
    completed: Option<u32>,
    over: bool,
}

impl World {
    fn new(goes_on: bool, has_suppliers: bool) -> Self {
        #[expect(clippy::expect_used, reason = "constants")]
        let layout = ChunkLayout::new(7, CHUNKS).expect("seven elements make three chunks");
        // Where the run goes on, one of the others is no neighbour and comes all the same.
        let neighbours = match goes_on {
            true => of_ring(0).to_vec(),
            false => (1..PEERS).collect(),
        };
        let topology: Arc<[Vec<u32>]> = (0..PEERS).map(|of| of_ring(of).to_vec()).collect();
        let whole: Arc<[Vec<u32>]> = (0..PEERS)
            .map(|of| (0..PEERS).filter(|&peer| peer != of).collect())
            .collect();
        let wiring = if goes_on { &topology } else { &whole };
        let forest = || Arc::new(Forest::new(Arc::clone(wiring), &[None; PEERS as usize], CHUNKS));
        let config = Config {
            forest: has_suppliers.then(forest),
            rounds: ROUNDS,
            upload_slots: 2,
            on_peer_loss: if goes_on {
                OnPeerLoss::Continue
            } else {
                OnPeerLoss::Fail
            },
            topology,
            repair: Repair::Reconnect,
            round_rules: RoundRules {
                quorum: 2,
                patience: Duration::from_millis(300),
                deadline: Deadline::After(Duration::from_secs(20)),
            },
            progress_lease: Deadline::After(Duration::from_secs(10)),
            ..config(0, PEERS, neighbours, layout)
        };
        let (swarm, host) = Host::new(config, Time::ZERO);
        Self {
            swarm,
            host,
            now: Time::ZERO,
            requests: BTreeMap::new(),
            wants: BTreeSet::new(),
            pushed: 0,
            uploads: BTreeSet::new(),
            completed: None,
            over: false,
        }
    }

    /// `None` at the end of the bytes.
    fn operate(&mut self, bytes: &mut impl Iterator<Item = u8>) -> Option<()> {
        let kind = bytes.next()?;
        let peer = 1 + u32::from(kind >> 6) % (PEERS - 1);
        match kind % 16 {
            0 => self.advance(Duration::from_millis(1 << (bytes.next()? % 16))),
            1 => {
                self.forget(peer);
                self.swarm.handle_connected(self.now, peer);
                let hello = Hello {
                    peer,
                    round: self.swarm.round(),
                    ..self.host.config.hello.clone()
                };
                self.swarm.handle_message(self.now, peer, Message::Hello(hello));
            }
            2 => {
                let departure = match bytes.next()? % 8 {
                    0 => Departure::Finished,
                    1 => Departure::Failed("it says so".to_owned()),
                    _ => Departure::Broken("cut".to_owned()),
                };
                self.forget(peer);
                self.swarm.handle_disconnected(self.now, peer, departure);
            }
            3 => self.publish(),
            4 => {
                if self.completed == Some(self.swarm.round()) {
                    self.swarm.begin_round(self.now);
                }
            }
            5 => self.answer(peer, bytes.next()?),
            6 => {
                for _ in 0..PEERS * CHUNKS {
                    self.answer(peer, u8::MAX);
                    self.settle();
                }
            }
            7 => {
                if let Some(&(to, request)) = self.uploads.iter().next() {
                    self.uploads.remove(&(to, request));
                    self.swarm.handle_upload_ended(self.now, to, request, kind & 16 == 0);
                }
            }
            8 => {
                let header = PieceHeader {
                    request: u32::from(bytes.next()?),
                    chunk: self.chunk(bytes)?,
                    length: u32::from(bytes.next()?),
                };
                let verdict = self.swarm.handle_piece_header(peer, &header);
                let asked = self.requests.get(&(peer, header.request));
                assert!(verdict.is_none() || asked == Some(&header.chunk));
            }
            9 if kind & 16 != 0 => self.swarm.progressed(self.now),
            9 if kind & 32 != 0 => {
                let rate = 1e5 * f64::from(bytes.next()?);
                self.swarm.measured_uplink(self.now, rate);
            }
            9 => self.swarm.handle_unreachable(peer, "nobody is there".to_owned()),
            10 => self.tell_all(peer),
            11 if self.host.config.forest.is_some() => self.stand(peer, bytes)?,
            _ => {
                let message = self.message(bytes)?;
                self.swarm.handle_message(self.now, peer, message);
            }
        }
        Some(())
    }

    fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(due) = self.swarm.poll_timeout().filter(|&due| due <= until) {
            self.now = self.now.max(due);
            self.swarm.handle_timeout(self.now);
            self.settle();
            // A timer that is due again at once would never let time pass.
            let mut again = 0;
            while self.swarm.poll_timeout().is_some_and(|due| due <= self.now) {
                self.swarm.handle_timeout(self.now);
                self.settle();
                again += 1;
                assert!(again < 8, "a timer fires again and again");
            }
        }
        self.now = until;
    }

    fn publish(&mut self) {
        let round = self.swarm.round();
        let me = self.host.config.me();
        self.host.keep_update(round);
        let signed = sign(me, &origin_metainfo(&self.host.config, round, me));
        self.swarm.publish(self.now, signed);
    }

    /// The messages of a neighbour that holds everything of this peer's round.
    fn tell_all(&mut self, peer: u32) {
        let round = self.swarm.round();
        let metainfos = (1..PEERS).map(|origin| {
            let metainfo = origin_metainfo(&self.host.config, round, origin);
            Message::Metainfo(sign(origin, &metainfo))
        });
        let rest = [Message::Complete { round }, Message::Unchoke, Message::Interested];
        let messages: Vec<_> = metainfos.chain(rest).collect();
        for message in messages {
            self.swarm.handle_message(self.now, peer, message);
            self.settle();
        }
    }

    /// A piece for the neighbour's oldest request: right, wrong, or broken off.
    fn answer(&mut self, peer: u32, how: u8) {
        let mut mine = self.requests.range((peer, 0)..(peer + 1, 0));
        let Some((&(_, request), &chunk)) = mine.next() else {
            return;
        };
        let data = origin_data(&self.host.config.layout, chunk);
        let header = PieceHeader {
            request,
            chunk,
            length: data.len() as u32,
        };
        let Some(hash) = self.swarm.handle_piece_header(peer, &header) else {
            return;
        };
        self.requests.remove(&(peer, request));
        let data = match how % 8 {
            0 => return self.swarm.handle_piece_failed(self.now, peer, request),
            1 => vec![0x55; data.len()].into(),
            _ => data,
        };
        self.host
            .receive(self.now, &mut self.swarm, peer, (&header, data), &hash);
    }

    fn chunk(&self, bytes: &mut impl Iterator<Item = u8>) -> Option<ChunkId> {
        Some(ChunkId {
            round: u32::from(bytes.next()? % 4),
            origin: u32::from(bytes.next()?) % PEERS,
            index: u32::from(bytes.next()?) % CHUNKS,
        })
    }

    fn message(&self, bytes: &mut impl Iterator<Item = u8>) -> Option<Message> {
        let kind = bytes.next()?;
        let round = u32::from(kind >> 4) % (ROUNDS + 1);
        let small = |byte: u8| u32::from(byte) % 8;
        Some(match kind % 16 {
            0 => {
                let (last_started, mask) = (small(bytes.next()?), bytes.next()?);
                let skipped = (0..last_started).filter(|at| mask >> at & 1 != 0);
                Message::Choke {
                    last_started,
                    skipped: skipped.collect(),
                }
            }
            1 => Message::Unchoke,
            2 => Message::Interested,
            3 => Message::NotInterested,
            4 | 5 => {
                let mask = u16::from_be_bytes([bytes.next()?, bytes.next()?]);
                let set = (0..PEERS * CHUNKS).filter(|at| mask >> at & 1 != 0);
                if kind % 16 == 4 {
                    let positions = set.collect();
                    Message::Have { round, positions }
                } else {
                    let mut held = Bitfield::new(PEERS * CHUNKS);
                    set.for_each(|position| {
                        held.insert(position);
                    });
                    Message::Bitfield { round, held }
                }
            }
            6 => Message::Request {
                request: u32::from(bytes.next()?),
                chokes: small(bytes.next()?) / 4,
                chunk: self.chunk(bytes)?,
            },
            7 => Message::Cancel {
                request: u32::from(bytes.next()?),
            },
            8 | 9 => {
                let (origin, how) = (u32::from(bytes.next()?) % PEERS, bytes.next()?);
                let mut metainfo = origin_metainfo(&self.host.config, round, origin);
                match how % 16 {
                    0 => metainfo.samples += 1,
                    1 => metainfo.attempt += 1,
                    2 => metainfo.origin = u32::from(how),
                    _ => {}
                }
                let signer = if how % 16 == 3 { PEERS } else { origin };
                Message::Metainfo(sign(signer, &metainfo))
            }
            10 => Message::Complete { round },
            11 => Message::Withdraw {
                request: u32::from(bytes.next()?),
            },
            12 => Message::Reject {
                request: u32::from(bytes.next()?),
            },
            13 => Message::Closed { round },
            14 => Message::Statement(self.statement(bytes, round)?),
            _ => Message::Hello(Hello {
                peer: small(bytes.next()?),
                ..self.host.config.hello.clone()
            }),
        })
    }

    /// What a peer says of its links, its uplink, or a round's end; sometimes signed by another one.
    fn statement(&self, bytes: &mut impl Iterator<Item = u8>, round: u32) -> Option<Signed> {
        let (who, mask, small) = (bytes.next()?, bytes.next()?, u32::from(bytes.next()?) % 4);
        let of = |bits: u8, len: u32| {
            let mut set = Bitfield::new(len);
            for at in (0..len).filter(|at| bits >> at & 1 != 0) {
                set.insert(at);
            }
            set
        };
        let statement = match who & 0x80 {
            0 => Statement::Links(LinkState {
                sequence: small,
                joining: who & 0x20 != 0,
                from: u32::from(who >> 3 & 3),
                gives: u32::from(who >> 2 & 3),
                down: of(mask, PEERS).iter().collect(),
                extra: of(mask >> 2, PEERS).iter().collect(),
                finished: of(mask >> 4, PEERS).iter().collect(),
                suspects: of(mask >> 6, PEERS).iter().collect(),
            }),
            _ if mask == 0xff => Statement::Uplink(MeasuredUplink {
                round,
                rate: UplinkRate::default().measured(1e5 * f64::from(1 + small)),
            }),
            _ => {
                let held = of(bytes.next()?, CHUNKS);
                let lacks = (!held.is_full()).then_some((small, held));
                Statement::Vote(Vote {
                    round,
                    ballot: 1 + u32::from(mask >> 6),
                    epoch: u32::from(mask >> 7),
                    cuts: mask & 0x20 != 0,
                    is_closed: mask & 0x10 != 0,
                    members: of(mask & 0x0f, PEERS),
                    lacks: lacks.into_iter().collect(),
                })
            }
        };
        let peer = u32::from(who) % PEERS;
        let hello = &self.host.config.hello;
        let speaker = Speaker {
            run: hello.run,
            attempt: hello.attempt,
            peer,
            incarnation: small / 3,
        };
        Some(sign_as(
            if who & 0x40 == 0 { peer } else { 0 },
            statement.encode(&speaker),
        ))
    }

    fn forget(&mut self, peer: u32) {
        self.requests.retain(|&(to, _), _| to != peer);
        self.uploads.retain(|&(to, _)| to != peer);
        self.wants.retain(|&(of, _)| of != peer);
    }

    /// Does what the swarm wants and checks what it promises.
    fn settle(&mut self) {
        let mut actions = 0;
        while let Some(action) = self.swarm.poll_action() {
            actions += 1;
            assert!(actions < MOST_ACTIONS, "one input has too many effects");
            self.carry_out(action);
        }
        if let Err(what) = self.swarm.check() {
            panic!("{what}");
        }
    }

    fn carry_out(&mut self, action: Action) {
        let Some(wish) = self.host.obey(self.now, &mut self.swarm, action) else {
            return;
        };
        match wish {
            Wish::Send {
                to,
                message: Message::Request { request, chunk, .. },
            } => {
                assert!(!self.host.has(&chunk), "it holds {chunk:?}");
                self.requests.insert((to, request), chunk);
            }
            Wish::Send {
                to,
                message: Message::Want { round, positions },
            } => {
                for position in positions {
                    let chunk = chunk_at(round, position);
                    assert!(!self.host.has(&chunk), "it holds {chunk:?}");
                    self.wants.insert((to, chunk));
                }
            }
            Wish::Send {
                to,
                message: Message::Unwant { round, positions },
            } => {
                for position in positions {
                    self.wants.remove(&(to, chunk_at(round, position)));
                }
            }
            Wish::Upload { to, header, .. } => {
                self.uploads.insert((to, header.request));
            }
            Wish::AbortUpload { to, request } => {
                assert!(self.uploads.contains(&(to, request)));
            }
            Wish::AbortDownload { from, request } => {
                self.requests.remove(&(from, request));
            }
            Wish::Complete { round } => self.completed = Some(round),
            Wish::Disconnect { peer, .. } | Wish::Hangup { peer } => self.forget(peer),
            Wish::End(departure) => {
                let has_left = departure == Departure::Finished;
                let was_last = self.completed == Some(ROUNDS - 1);
                assert!(was_last || !has_left, "it left too early");
                self.over = true;
            }
            Wish::Send { .. } | Wish::Adopt | Wish::Dial { .. } => {}
        }
    }
}
