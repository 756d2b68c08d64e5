//! Access links: what is between the peers of a prediction. Packets, or units of many of them, from one peer's uplink through the
//! network to another one's downlink.

mod bucket;
mod churn;
mod event;
mod flow;
mod netem;
mod paced;
mod packets;
mod peer;
mod start;
mod units;
mod window;

use std::{collections::BTreeMap, time::Duration};

use self::{
    bucket::Bucket,
    churn::Again,
    event::AccessEvent,
    flow::{Control, Flow},
    netem::Netem,
    paced::PacedUplink,
    peer::{Own, Read},
    start::Starts,
    window::{Cubic, Uplink, Window},
};
use super::{
    Access, PeerFigures, PeerScenario, Scenario, SimulationError, TransportModel,
    world::{Links, World},
};
use crate::{
    Time,
    churn::Past,
    message::{Message, PieceHeader},
    metainfo::{Metainfo, Signed},
    selection::mix,
    sending::{self, RateAware},
    swarm::{Action, Departure},
};

/// The links between the peers.
pub(super) struct AccessLinks {
    up: Vec<Bucket>,
    /// Where a peer's connections share its uplink by rule.
    paced: Vec<Option<PacedUplink>>,
    down: Vec<Bucket>,
    netem: Vec<Netem>,
    /// Flow 2e is the one from the lower to the higher end of edge e, flow 2e + 1 the way back.
    flows: Vec<Flow>,
    transport: TransportModel,
    /// Lists of messages that have come, to be used again.
    spare: Vec<Vec<Control>>,
    /// Every origin's signed metainfo, by round.
    signed: BTreeMap<u32, Vec<Option<Signed>>>,
    pub(super) failed: Option<SimulationError>,
    /// The scenario's name of each peer, where that is not its index.
    order: Vec<u32>,
    /// What is needed to connect anew, where something happens to peers.
    again: Option<Again>,
    /// What is needed to start processes later.
    starts: Starts,
}

impl AccessLinks {
    /// All peers at the start of their first round; connections are being made.
    pub(super) fn new(scenario: Scenario) -> World<Self> {
        let transport = scenario.transport;
        let mut world = World::new(Self {
            up: Vec::new(),
            paced: Vec::new(),
            down: Vec::new(),
            netem: Vec::new(),
            flows: Vec::new(),
            transport,
            spare: Vec::new(),
            signed: BTreeMap::new(),
            failed: None,
            order: scenario.order,
            again: None,
            starts: Starts::default(),
        });
        let read = Read::default();
        let delays: Vec<Duration> = scenario.peers.iter().map(|peer| peer.access.delay).collect();
        let degrees: Vec<usize> = scenario.peers.iter().map(|peer| peer.config.neighbours.len()).collect();
        let uplinks: Vec<Option<Uplink>> = scenario.peers.iter().map(|peer| uplink(peer, &transport)).collect();
        world.links.again = Again::of(&scenario.peers, &degrees, &uplinks);
        let mut wires: Vec<Vec<(u32, u32)>> = vec![Vec::new(); delays.len()];
        for (me, peer) in (0..).zip(scenario.peers) {
            let Access { up, down, .. } = peer.access;
            world.links.up.push(Bucket::new(up, transport.burst));
            let uplink = uplinks[me as usize]
                .clone()
                .filter(|_| peer.is_paced && transport.unit.is_none());
            world.links.paced.push(uplink.map(PacedUplink::new));
            world.links.down.push(Bucket::new(down, transport.burst));
            let seed = mix(scenario.seed ^ mix(u64::from(me)));
            world.links.netem.push(Netem::new(&peer.access, seed));
            let late = peer.config.late.clone();
            let is_late = |peer: u32| late.binary_search(&peer).is_ok();
            // Whoever joins later connects when it does.
            let is_wired = |other: &&u32| **other > me && !is_late(me) && !is_late(**other);
            for &neighbour in peer.config.neighbours.iter().filter(is_wired) {
                let edge = world.links.flows.len() as u32 / 2;
                for (from, to) in [(me, neighbour), (neighbour, me)] {
                    let degree = degrees[from as usize];
                    let window = window(&transport, degree, uplinks[from as usize].as_ref());
                    wires[from as usize].push((to, world.links.flows.len() as u32));
                    world.links.flows.push(Flow::new(from, to, window));
                }
                // A hello, its answer, and the stream that is opened then.
                let there = delays[me as usize] + delays[neighbour as usize];
                world.add(there * 2, AccessEvent::Connected { edge });
            }
            let (swarm, own) = peer::new(peer.config, &read, &peer.churn, &Past::default(), Time::ZERO);
            if is_late(me) {
                world.seat(swarm, peer.train, own);
                world.starts_later(me, &peer.churn);
            } else {
                world.join(swarm, peer.train, own);
            }
        }
        world.links.starts.read = read;
        for (peer, mut flows) in world.peers.iter_mut().zip(wires) {
            flows.sort_unstable();
            peer.own.flows = flows;
        }
        world
    }

    fn name(&self, peer: u32) -> u32 {
        self.order.get(peer as usize).copied().unwrap_or(peer)
    }
}

impl Links for AccessLinks {
    type Event = AccessEvent;
    type Peer = Own;

    fn happen(world: &mut World<Self>, event: AccessEvent) {
        if world.links.again.is_none() || world.can_happen(&event) {
            world.link_event(event);
        }
    }

    fn publish(world: &mut World<Self>, at: u32) {
        world.publish(at);
    }

    fn carry_out(world: &mut World<Self>, at: u32, action: Action) {
        world.carry_out(at, action);
    }

    fn trains(world: &mut World<Self>, at: u32) -> Option<Duration> {
        world.hangs(at)
    }

    fn acted(world: &mut World<Self>, at: u32) {
        let now = world.now;
        let peer = &mut world.peers[at as usize];
        peer.own.waiting.waits(now, peer.swarm.waits_for());
    }
}

impl World<AccessLinks> {
    /// Whether nobody runs, and nobody will.
    pub(super) fn is_over(&self) -> bool {
        self.running() == 0 && !self.links.starts.will_be()
    }

    /// The peers' measurements so far, in the order of their first indices.
    pub(super) fn figures(&self) -> Vec<PeerFigures> {
        let links = &self.links;
        let mut figures: Vec<(u32, PeerFigures)> = (0..)
            .zip(&self.peers)
            .map(|(at, peer)| {
                let lost = peer.own.flows.iter().map(|&(_, flow)| links.flows[flow as usize].lost);
                let figures = PeerFigures {
                    sent: links.up[at as usize].passed,
                    received: links.down[at as usize].passed,
                    lost: lost.sum(),
                    stats: peer.own.figures.stats + *peer.swarm.stats(),
                    ..peer.own.figures.clone()
                };
                (links.name(at), figures)
            })
            .collect();
        figures.sort_unstable_by_key(|&(name, _)| name);
        figures.into_iter().map(|(_, figures)| figures).collect()
    }

    fn link_event(&mut self, event: AccessEvent) {
        let now = self.now;
        match event {
            AccessEvent::Connected { edge } => self.connected(edge),
            AccessEvent::Arrives { flow, packet, acks } => {
                let to = self.links.flows[flow as usize].to as usize;
                let bytes = self.bytes_of(flow, packet);
                if let Some(at) = self.links.down[to].pass(now, bytes) {
                    self.add(at, AccessEvent::Delivered { flow, packet, acks });
                }
            }
            AccessEvent::UnitArrives { flow, bytes, is_last } => self.unit_arrives(flow, bytes, is_last),
            AccessEvent::UnitDelivered { flow, bytes, is_last } => self.unit_delivered(flow, bytes, is_last),
            AccessEvent::ControlDelivered { flow } => self.control_delivered(flow),
            AccessEvent::Delivered { flow, packet, acks } => self.delivered(flow, packet, acks),
            AccessEvent::Taken { flow, request } => {
                let Flow { from, to, .. } = self.links.flows[flow as usize];
                if self.is_running(from) {
                    let swarm = &mut self.peers[from as usize].swarm;
                    swarm.handle_upload_ended(now, to, request, true);
                    self.act_quietly(from);
                }
            }
            AccessEvent::AckDue { flow } => {
                self.links.flows[flow as usize].ack_timer = false;
                if self.links.flows[flow as usize].unacknowledged > 0 {
                    self.acknowledge(flow);
                }
            }
            AccessEvent::Probe { flow } => self.probe(flow),
            AccessEvent::Paced { peer } => self.goes_on(peer),
            AccessEvent::Churn { peer } => self.churn(peer),
            AccessEvent::Wakes { peer } => self.wakes(peer),
            AccessEvent::Starts { peer } => self.starts(peer),
            AccessEvent::Silent { edge } => self.silent(edge),
            AccessEvent::Connects { a, b } => self.connects(a, b),
        }
    }

    /// A peer's update is ready. In cohorts most peers have none of their own.
    fn publish(&mut self, peer: u32) {
        let now = self.now;
        let at = &mut self.peers[peer as usize];
        at.own.waiting.publish(now);
        if peer < at.swarm.peers() && at.swarm.gives() {
            let round = at.swarm.round();
            let update = at.own.update(round);
            // Skew is one round: nobody speaks of older ones any more.
            self.links.signed = self.links.signed.split_off(&round.saturating_sub(2));
            let signed = self.links.signed.entry(round).or_default();
            signed.resize(at.swarm.peers() as usize, None);
            signed[peer as usize] = Some(update.clone());
            at.swarm.publish(now, update);
        }
    }

    fn connected(&mut self, edge: u32) {
        let flow = 2 * edge as usize;
        let Flow { from, to, .. } = self.links.flows[flow];
        self.links.flows[flow].is_open = true;
        self.links.flows[flow + 1].is_open = true;
        for (at, other) in [(from, to), (to, from)] {
            self.peers[at as usize].swarm.handle_connected(self.now, other);
            self.act(at);
        }
    }

    fn carry_out(&mut self, at: u32, action: Action) {
        let now = self.now;
        match action {
            Action::Send { to, message } => {
                let bytes = message.length();
                self.peers[at as usize].own.figures.control += u64::from(bytes);
                let control = self.control(message);
                self.say(at, to, control, bytes);
            }
            Action::Upload { to, request, chunk } => {
                let Some(flow) = self.peers[at as usize].own.flow_to(to) else {
                    return;
                };
                let length = self.length(at, chunk.index);
                let header = PieceHeader { request, chunk, length };
                let unit = self.links.transport.unit;
                match unit {
                    Some(unit) => self.upload_in_units(flow, header, unit),
                    None => {
                        self.links.flows[flow as usize].upload(header);
                        self.pump(flow);
                    }
                }
                let is_paced = self.links.paced[at as usize].is_some();
                self.links.flows[flow as usize].offer(request, length, unit, is_paced);
                self.take_uploads(flow);
            }
            // Its messages are on their way already.
            Action::Fence { to } => self.peers[at as usize].swarm.handle_drained(now, to),
            // What the transport has taken is sent, and a piece whose request was withdrawn is dropped where it arrives.
            Action::AbortUpload { .. } | Action::AbortDownload { .. } => {}
            Action::Begin { .. } => self.train(at),
            Action::Adopt(adoption) => {
                self.peers[at as usize].own.goes_on_from(adoption.round, adoption.model);
                self.train(at);
            }
            Action::MakeModel { round } => {
                let peer = &mut self.peers[at as usize];
                if let Some(model) = peer.own.model_of(round) {
                    let hashes = vec![[0; 32]; peer.swarm.layout().chunks() as usize];
                    peer.swarm.offer_model(now, round, model, hashes);
                }
            }
            Action::Dial { peer } => self.connects_in(Duration::ZERO, at, peer),
            Action::Hangup { peer } => self.hangs_up(at, peer, "it is not needed any more"),
            // Its processes leave nothing behind.
            Action::Recall(recall) => self.peers[at as usize].swarm.handle_recall_ended(now, recall.id),
            Action::Release { .. } => {}
            Action::Complete { round } => {
                let is_quiet = self.links.again.is_none();
                let peer = &mut self.peers[at as usize];
                let figures = peer.own.waiting.complete(now, round);
                peer.own.figures.rounds.push(figures);
                if let Some(end) = peer.swarm.round_end().filter(|_| !is_quiet) {
                    peer.own.ends(end);
                }
                self.join_with(round + 1);
                self.go_on(at);
            }
            Action::Leave => {
                self.stop(at);
                self.others_have_finished();
                let flows = self.peers[at as usize].own.flows.clone();
                for (neighbour, _) in flows {
                    self.say(at, neighbour, Control::Closed(Departure::Finished), 1);
                }
            }
            Action::Disconnect { peer, violation } => match self.links.again {
                None => self.fail(at, format!("peer {peer}: {violation}")),
                Some(_) => self.breaks(at, peer, &violation.to_string()),
            },
            // The state machine counts them.
            Action::Notice(_) => {}
            Action::Fail(failure) => match self.links.again {
                None => self.fail(at, failure.to_string()),
                Some(_) => self.gives_up(at, failure.to_string()),
            },
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
            Message::Request { request, chokes, chunk } => Control::Request { request, chokes, chunk },
            other => Control::Message(Box::new(other)),
        }
    }

    fn fail(&mut self, peer: u32, why: String) {
        let (at, peer) = (self.now, self.links.name(peer));
        self.links
            .failed
            .get_or_insert(SimulationError::Failed { peer, at, why });
    }

    fn length(&self, at: u32, index: u32) -> u32 {
        self.peers[at as usize].swarm.layout().bytes(index)
    }

    fn say(&mut self, at: u32, to: u32, control: Control, bytes: u32) {
        let Some(flow) = self.peers[at as usize].own.flow_to(to) else {
            return;
        };
        if !self.links.flows[flow as usize].is_open {
            return;
        }
        if self.links.transport.unit.is_some() {
            return self.say_in_units(flow, control, bytes);
        }
        self.links.flows[flow as usize].say(control, bytes);
        self.pump(flow);
    }
}

/// The uplink's state that a peer's connections share, where they go by its rate.
fn uplink(peer: &PeerScenario, transport: &TransportModel) -> Option<Uplink> {
    let (packet, headers) = (transport.payload, transport.overhead);
    let declared = peer.access.up.filter(|_| peer.is_rate_aware);
    let declared = declared.map(|lane| sending::Uplink::new(lane.rate, lane.queue, headers));
    match peer.is_paced {
        // Units share a link by themselves.
        true if transport.unit.is_none() => {
            let declared = declared.map(|it| it.by_turns(packet));
            declared.or_else(|| Some(sending::Uplink::observed(packet, headers)))
        }
        _ => declared,
    }
    .map(Uplink::new)
}

fn window(transport: &TransportModel, neighbours: usize, uplink: Option<&Uplink>) -> Window {
    let packet = transport.payload + transport.overhead;
    let is_declared = uplink.is_some_and(|uplink| !uplink.lock().is_observed());
    let aware = |uplink: &Uplink| (RateAware::new(Time::ZERO, transport.payload.into()), uplink.clone());
    Window {
        search: (!is_declared).then(|| Cubic::new(neighbours, packet)),
        aware: uplink.map(aware),
    }
}
