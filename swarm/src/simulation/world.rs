//! Peers, their links, and the loop that lets things happen in order.

mod packets;
mod units;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;

use super::{
    Access, PeerScenario, Scenario, SimulationError, TransportModel,
    agenda::{Agenda, What},
    air::Air,
    bucket::Bucket,
    figures::PeerFigures,
    flow::{Control, Flow},
    peer::{Peer, Read, State},
    window::{Cubic, Uplink, Window},
};
use crate::{
    Time,
    message::{Message, PieceHeader},
    metainfo::{Metainfo, SignedMetainfo},
    round::mix,
    sending::{DeclaredLink, RateAware},
    swarm::Action,
};

/// A run in virtual time.
pub struct Simulation {
    now: Time,
    agenda: Agenda,
    peers: Vec<Peer>,
    up: Vec<Bucket>,
    down: Vec<Bucket>,
    air: Vec<Air>,
    /// Flow 2e is the one from the lower to the higher end of edge e, flow 2e + 1 the way back.
    flows: Vec<Flow>,
    transport: TransportModel,
    /// Stands for every piece.
    content: Bytes,
    /// Lists of messages that have come, to be used again.
    spare: Vec<Vec<Control>>,
    /// What every origin has signed, by round.
    signed: BTreeMap<u32, Vec<Option<SignedMetainfo>>>,
    running: usize,
    steps: u64,
    failed: Option<SimulationError>,
    /// What the scenario called each peer, where that is not its index.
    order: Vec<u32>,
}

impl Simulation {
    /// All peers at the start of their first round; connections are being made.
    pub fn new(scenario: Scenario) -> Self {
        let transport = scenario.transport;
        let longest = scenario
            .peers
            .iter()
            .map(|peer| peer.config.layout.longest())
            .max()
            .unwrap_or(0);
        let mut simulation = Self {
            now: Time::ZERO,
            agenda: Agenda::default(),
            peers: Vec::with_capacity(scenario.peers.len()),
            up: Vec::new(),
            down: Vec::new(),
            air: Vec::new(),
            flows: Vec::new(),
            transport,
            content: Bytes::from(vec![0; longest as usize]),
            spare: Vec::new(),
            signed: BTreeMap::new(),
            running: scenario.peers.len(),
            steps: 0,
            failed: None,
            order: scenario.order,
        };
        let read = Read::default();
        let delays: Vec<Duration> = scenario
            .peers
            .iter()
            .map(|peer| peer.access.delay)
            .collect();
        let degrees: Vec<usize> = scenario
            .peers
            .iter()
            .map(|peer| peer.config.neighbours.len())
            .collect();
        let uplinks: Vec<Option<Uplink>> = scenario.peers.iter().map(uplink).collect();
        let mut wires: Vec<Vec<(u32, u32)>> = vec![Vec::new(); delays.len()];
        for (me, peer) in (0..).zip(scenario.peers) {
            let Access { up, down, .. } = peer.access;
            simulation.up.push(Bucket::new(up, transport.burst));
            simulation.down.push(Bucket::new(down, transport.burst));
            let seed = mix(scenario.seed ^ mix(u64::from(me)));
            simulation.air.push(Air::new(&peer.access, seed));
            for &neighbour in peer.config.neighbours.iter().filter(|&&other| other > me) {
                let edge = simulation.flows.len() as u32 / 2;
                for (from, to) in [(me, neighbour), (neighbour, me)] {
                    let degree = degrees[from as usize];
                    let window = window(&transport, degree, uplinks[from as usize].as_ref());
                    wires[from as usize].push((to, simulation.flows.len() as u32));
                    simulation.flows.push(Flow::new(from, to, window));
                }
                // A hello, its answer, and the stream that is opened then.
                let there = delays[me as usize] + delays[neighbour as usize];
                simulation.agenda.add(there * 2, What::Connected { edge });
            }
            simulation
                .agenda
                .add(peer.train, What::Trained { peer: me });
            simulation
                .peers
                .push(Peer::new(peer.config, peer.train, &read));
        }
        for (peer, mut flows) in simulation.peers.iter_mut().zip(wires) {
            flows.sort_unstable();
            peer.flows = flows;
        }
        simulation
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Events that have happened.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Chunks held of all that have to be held in the round that each peer is in, by all peers.
    pub fn progress(&self) -> (u64, u64) {
        let held = |peer: &Peer| {
            let held = peer.swarm.held();
            (u64::from(held.count()), u64::from(held.len()))
        };
        let add = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
        self.peers.iter().map(held).fold((0, 0), add)
    }

    /// Whether all peers have left.
    pub fn is_over(&self) -> bool {
        self.running == 0
    }

    /// What the peers have measured so far, in the order of their first indices.
    pub fn figures(&self) -> Vec<PeerFigures> {
        let lost = |peer: &Peer| {
            let flows = peer.flows.iter();
            flows.map(|&(_, flow)| self.flows[flow as usize].lost).sum()
        };
        let mut figures: Vec<(u32, PeerFigures)> = (0..)
            .zip(&self.peers)
            .map(|(at, peer)| {
                let figures = PeerFigures {
                    sent: self.up[at as usize].passed,
                    received: self.down[at as usize].passed,
                    lost: lost(peer),
                    stats: *peer.swarm.stats(),
                    ..peer.figures.clone()
                };
                (self.name(at), figures)
            })
            .collect();
        figures.sort_unstable_by_key(|&(name, _)| name);
        figures.into_iter().map(|(_, figures)| figures).collect()
    }

    fn name(&self, peer: u32) -> u32 {
        self.order.get(peer as usize).copied().unwrap_or(peer)
    }

    /// Lets everything happen until all runs are over.
    ///
    /// # Errors
    /// A peer fails, nothing happens any more, or it takes longer than `limit` of virtual time.
    pub fn run(&mut self, limit: Time) -> Result<(), SimulationError> {
        while self.step(limit)? {}
        Ok(())
    }

    /// Lets the next event happen; false when all runs are over.
    ///
    /// # Errors
    /// As for [`Self::run`].
    pub fn step(&mut self, limit: Time) -> Result<bool, SimulationError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.is_over() {
            return Ok(false);
        }
        let Some((time, what)) = self.agenda.pop() else {
            return Err(SimulationError::Stuck {
                at: self.now,
                running: self.running,
            });
        };
        if time > limit {
            return Err(SimulationError::TooLong { limit });
        }
        self.now = time;
        self.steps += 1;
        self.happen(what);
        Ok(true)
    }

    fn happen(&mut self, what: What) {
        let now = self.now;
        match what {
            What::Connected { edge } => self.connected(edge),
            What::Arrives { flow, packet, acks } => {
                let to = self.flows[flow as usize].to as usize;
                let bytes = self.bytes_of(flow, packet);
                if let Some(at) = self.down[to].pass(now, bytes) {
                    self.agenda.add(at, What::Delivered { flow, packet, acks });
                }
            }
            What::UnitArrives {
                flow,
                bytes,
                is_last,
            } => self.unit_arrives(flow, bytes, is_last),
            What::UnitDelivered {
                flow,
                bytes,
                is_last,
            } => self.unit_delivered(flow, bytes, is_last),
            What::Told { flow } => self.told(flow),
            What::Delivered { flow, packet, acks } => self.delivered(flow, packet, acks),
            What::Taken { flow, request } => {
                let Flow { from, to, .. } = self.flows[flow as usize];
                if self.is_running(from) {
                    let swarm = &mut self.peers[from as usize].swarm;
                    swarm.handle_upload_ended(now, to, request, true);
                    self.act_quietly(from);
                }
            }
            What::AckDue { flow } => {
                self.flows[flow as usize].ack_timer = false;
                if self.flows[flow as usize].unacknowledged > 0 {
                    self.acknowledge(flow);
                }
            }
            What::Probe { flow } => self.probe(flow),
            What::Trained { peer } => {
                self.trained(peer);
            }
            What::Timer { peer } => {
                let at = &mut self.peers[peer as usize];
                if at.state == State::Running && at.timer == Some(now) {
                    at.timer = None;
                    at.swarm.handle_timeout(now);
                    self.act(peer);
                }
            }
        }
    }

    /// A peer's update is ready. In cohorts most peers have none of their own.
    fn trained(&mut self, peer: u32) {
        let now = self.now;
        let at = &mut self.peers[peer as usize];
        at.waiting.publish(now);
        if peer < at.swarm.peers() {
            let update = at.update();
            let round = at.swarm.round();
            // Skew is one round: nobody speaks of older ones any more.
            self.signed = self.signed.split_off(&round.saturating_sub(2));
            let signed = self.signed.entry(round).or_default();
            signed.resize(at.swarm.peers() as usize, None);
            signed[peer as usize] = Some(update.clone());
            at.swarm.publish(now, update);
        }
        self.act(peer);
    }

    fn is_running(&self, peer: u32) -> bool {
        self.peers[peer as usize].state == State::Running
    }

    fn connected(&mut self, edge: u32) {
        let flow = 2 * edge as usize;
        let Flow { from, to, .. } = self.flows[flow];
        self.flows[flow].is_open = true;
        self.flows[flow + 1].is_open = true;
        for (at, other) in [(from, to), (to, from)] {
            self.peers[at as usize]
                .swarm
                .handle_connected(self.now, other);
            self.act(at);
        }
    }

    /// Does what a peer's state machine wants, and sends what its connections have room for.
    fn act(&mut self, at: u32) {
        while let Some(action) = self.peers[at as usize].swarm.poll_action() {
            self.carry_out(at, action);
        }
        let peer = &mut self.peers[at as usize];
        peer.waiting.waits(self.now, peer.swarm.waits_for());
        self.set_timer(at);
    }

    /// As [`Self::act`], after something from which only uploads and requests follow: without requests neither timers nor what
    /// the peer waits for have changed.
    fn act_quietly(&mut self, at: u32) {
        while let Some(action) = self.peers[at as usize].swarm.poll_action() {
            let is_upload = matches!(action, Action::Upload { .. });
            self.carry_out(at, action);
            if !is_upload {
                return self.act(at);
            }
        }
    }

    fn carry_out(&mut self, at: u32, action: Action) {
        let now = self.now;
        match action {
            Action::Send { to, message } => {
                let bytes = message.length();
                self.peers[at as usize].figures.control += u64::from(bytes);
                let control = self.control(message);
                self.say(at, to, control, bytes);
            }
            Action::Upload { to, request, chunk } => {
                let Some(flow) = self.peers[at as usize].flow_to(to) else {
                    return;
                };
                let length = self.length(at, chunk.index);
                let header = PieceHeader {
                    request,
                    chunk,
                    length,
                };
                let unit = self.transport.unit;
                match unit {
                    Some(unit) => self.upload_in_units(flow, header, unit),
                    None => {
                        self.flows[flow as usize].upload(header);
                        self.pump(flow);
                    }
                }
                self.flows[flow as usize].offer(request, length, unit);
                self.take_uploads(flow);
            }
            // Its messages are on their way already.
            Action::Fence { to } => self.peers[at as usize].swarm.handle_drained(now, to),
            // What the transport has taken is sent, and a piece whose request was withdrawn is dropped where it arrives.
            Action::AbortUpload { .. } | Action::AbortDownload { .. } => {}
            Action::Store { .. } | Action::Release { .. } => {}
            Action::Complete { .. } => {
                let peer = &mut self.peers[at as usize];
                let round = peer.waiting.complete(now);
                peer.figures.rounds.push(round);
                if !peer.swarm.is_last() {
                    peer.swarm.begin_round(now);
                    let trained = now + peer.train;
                    self.agenda.add(trained, What::Trained { peer: at });
                }
            }
            Action::Leave => {
                self.peers[at as usize].state = State::Left;
                self.running -= 1;
                let neighbours: Vec<u32> = self.peers[at as usize]
                    .flows
                    .iter()
                    .map(|&(neighbour, _)| neighbour)
                    .collect();
                for neighbour in neighbours {
                    self.say(at, neighbour, Control::Finished, 1);
                }
            }
            Action::Disconnect { peer, violation } => {
                self.fail(at, format!("peer {peer}: {violation}"));
            }
            // The state machine counts them.
            Action::Notice(_) => {}
            Action::Fail(failure) => self.fail(at, failure.to_string()),
        }
    }

    /// A metainfo by its name, anything else as it is: what there is most of without an allocation of its own.
    fn control(&self, message: Message) -> Control {
        match message {
            Message::Metainfo(signed) => match Metainfo::peek(&signed.body) {
                Ok((round, origin)) => Control::Metainfo { round, origin },
                Err(_) => Control::Message(Box::new(Message::Metainfo(signed))),
            },
            Message::Have { round, positions } => Control::Have { round, positions },
            Message::Request {
                request,
                chokes,
                chunk,
            } => Control::Request {
                request,
                chokes,
                chunk,
            },
            other => Control::Message(Box::new(other)),
        }
    }

    fn fail(&mut self, peer: u32, why: String) {
        let (at, peer) = (self.now, self.name(peer));
        self.failed
            .get_or_insert(SimulationError::Failed { peer, at, why });
    }

    fn length(&self, at: u32, index: u32) -> u32 {
        self.peers[at as usize].swarm.layout().bytes(index)
    }

    fn say(&mut self, at: u32, to: u32, control: Control, bytes: u32) {
        let Some(flow) = self.peers[at as usize].flow_to(to) else {
            return;
        };
        if !self.flows[flow as usize].is_open {
            return;
        }
        if self.transport.unit.is_some() {
            return self.say_in_units(flow, control, bytes);
        }
        self.flows[flow as usize].say(control, bytes);
        self.pump(flow);
    }

    fn set_timer(&mut self, at: u32) {
        let now = self.now;
        let peer = &mut self.peers[at as usize];
        if peer.state != State::Running {
            return;
        }
        let Some(wanted) = peer.swarm.poll_timeout().map(|time| time.max(now)) else {
            return;
        };
        if peer.timer.is_none_or(|set| wanted < set || set < now) {
            peer.timer = Some(wanted);
            self.agenda.add(wanted, What::Timer { peer: at });
        }
    }
}

/// What a peer's connections share of its uplink, where they go by its rate.
fn uplink(peer: &PeerScenario) -> Option<Uplink> {
    let lane = peer.access.up.filter(|_| peer.is_rate_aware)?;
    Some(Arc::new(Mutex::new(DeclaredLink::new(
        lane.rate, lane.queue,
    ))))
}

fn window(transport: &TransportModel, neighbours: usize, uplink: Option<&Uplink>) -> Window {
    match uplink {
        Some(uplink) => Window::RateAware {
            controller: RateAware::new(Time::ZERO, transport.payload.into()),
            uplink: Arc::clone(uplink),
            headers: transport.overhead,
        },
        None => {
            let packet = transport.payload + transport.overhead;
            Window::Cubic(Cubic::new(neighbours, packet))
        }
    }
}
