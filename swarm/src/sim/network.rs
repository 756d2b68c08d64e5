//! Nodes, the links between them, and the loop that lets things happen in order.

mod links;

use std::{collections::BTreeMap, time::Duration};

use super::{
    event::{Agenda, What},
    node::{Node, Outcome},
};
use crate::{
    Time,
    config::Config,
    message::PieceHeader,
    swarm::{Action, Departure, Notice, PieceVerdict, Stats},
};

/// How a link behaves in one direction.
#[derive(Clone, Copy, Debug)]
pub struct LinkProfile {
    /// Bytes a second.
    pub rate: f64,
    /// From the last byte sent to the last byte there.
    pub delay: Duration,
}

/// What a network is made of.
pub struct NetworkConfig {
    /// One configuration a node, in index order.
    pub nodes: Vec<Config>,
    /// Every link, both ways.
    pub link: LinkProfile,
    /// How long each node trains, in index order.
    pub train_times: Vec<Duration>,
    /// How long after a break a connection is made again.
    pub reconnect: Duration,
}

/// One direction of a link.
pub(super) struct Pipe {
    pub(super) profile: LinkProfile,
    /// When the transport has sent all that it has taken.
    free_at: Time,
    /// When the last control message arrives: they stay in order.
    control_at: Time,
    pub(super) corrupt_next: bool,
    /// Pieces are taken and never sent.
    pub(super) mute: bool,
}

/// One link; `connection` names the connection that exists, so that what belongs to an older one is dropped.
pub(super) struct Edge {
    connection: Option<u64>,
    pub(super) severed: bool,
}

/// Swarms in virtual time.
pub struct Network {
    now: Time,
    agenda: Agenda,
    pub(super) nodes: Vec<Node>,
    pub(super) pipes: BTreeMap<(u32, u32), Pipe>,
    pub(super) edges: BTreeMap<(u32, u32), Edge>,
    reconnect: Duration,
    connections: u64,
    aborted: std::collections::BTreeSet<(u32, u32, u64, u32)>,
    steps: u64,
    pub(super) checked: bool,
    pub(super) fault: Option<String>,
}

impl Network {
    /// All nodes at the start of round 0; connections are made as soon as time passes.
    pub fn new(config: NetworkConfig) -> Self {
        let mut network = Self {
            now: Time::ZERO,
            agenda: Agenda::default(),
            nodes: Vec::new(),
            pipes: BTreeMap::new(),
            edges: BTreeMap::new(),
            reconnect: config.reconnect,
            connections: 0,
            aborted: Default::default(),
            steps: 0,
            checked: false,
            fault: None,
        };
        for (node, train_time) in config.nodes.into_iter().zip(config.train_times) {
            let (me, first) = (node.me(), node.first_round());
            for &neighbour in &node.neighbours {
                let pipe = Pipe {
                    profile: config.link,
                    free_at: Time::ZERO,
                    control_at: Time::ZERO,
                    corrupt_next: false,
                    mute: false,
                };
                network.pipes.insert((me, neighbour), pipe);
                if me < neighbour {
                    network.edges.insert(
                        (me, neighbour),
                        Edge {
                            connection: None,
                            severed: false,
                        },
                    );
                    network.agenda.add(
                        Time::ZERO,
                        What::Connect {
                            a: me,
                            b: neighbour,
                        },
                    );
                }
            }
            network.agenda.add(
                train_time,
                What::Trained {
                    at: me,
                    round: first,
                },
            );
            network.nodes.push(Node::new(node, train_time));
        }
        for at in 0..network.nodes.len() as u32 {
            network.set_timer(at);
        }
        network
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Events that have happened.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How a node's run ended.
    pub fn outcome(&self, node: u32) -> &Outcome {
        &self.nodes[node as usize].outcome
    }

    /// BLAKE3 over all chunks of each round that a node has completed.
    pub fn digests(&self, node: u32) -> &[[u8; 32]] {
        &self.nodes[node as usize].digests
    }

    /// When a node completed each round.
    pub fn completed_at(&self, node: u32) -> &[Time] {
        &self.nodes[node as usize].completed_at
    }

    /// A node's counts.
    pub fn stats(&self, node: u32) -> &Stats {
        self.nodes[node as usize].swarm.stats()
    }

    /// Bytes of chunks that a node has received and kept, by neighbour.
    pub fn received_from(&self, node: u32) -> impl Iterator<Item = (u32, u64)> {
        self.nodes[node as usize].swarm.received_from()
    }

    /// What a node has reported.
    pub fn notices(&self, node: u32) -> &[Notice] {
        &self.nodes[node as usize].notices
    }

    /// The round that a node is in, and how many of its chunks it holds.
    pub fn progress(&self, node: u32) -> (u32, u32) {
        let swarm = &self.nodes[node as usize].swarm;
        (swarm.round(), swarm.held().count())
    }

    /// Most chunks that a node ever stored.
    pub fn stored_most(&self, node: u32) -> usize {
        self.nodes[node as usize].stored_most
    }

    /// Whether no node runs any more.
    pub fn is_over(&self) -> bool {
        self.nodes.iter().all(|node| !node.is_running())
    }

    /// Lets the next event happen; false when there is none.
    pub fn step(&mut self) -> bool {
        let Some((time, what)) = self.agenda.pop() else {
            return false;
        };
        self.now = time;
        self.steps += 1;
        self.happen(what);
        true
    }

    /// Lets everything happen that happens before `until`.
    pub fn run_until(&mut self, until: Time) {
        while !self.is_over() && self.agenda.next_time().is_some_and(|time| time <= until) {
            self.step();
        }
        self.now = self.now.max(until);
    }

    /// Lets things happen until all runs are over; false when that takes longer than `limit`, or nothing happens.
    pub fn run(&mut self, limit: Time) -> bool {
        while !self.is_over() {
            if self.agenda.next_time().is_none_or(|time| time > limit) {
                return false;
            }
            self.step();
        }
        true
    }

    fn happen(&mut self, what: What) {
        let now = self.now;
        match what {
            What::Connect { a, b } => self.connect(a, b),
            What::Message {
                from,
                to,
                connection,
                message,
            } => {
                if self.is_current(from, to, connection) {
                    self.nodes[to as usize]
                        .swarm
                        .handle_message(now, from, message);
                    self.act(to);
                }
            }
            What::Piece {
                from,
                to,
                connection,
                header,
                data,
            } => {
                let aborted = self.aborted.remove(&(from, to, connection, header.request));
                if self.is_current(from, to, connection) && !aborted {
                    let swarm = &mut self.nodes[to as usize].swarm;
                    if swarm.handle_piece_header(from, &header) == PieceVerdict::Read {
                        swarm.handle_piece(now, from, header.request, data);
                    }
                    self.act(to);
                }
            }
            What::UploadEnded {
                at,
                to,
                connection,
                request,
            } => {
                if self.is_current(at, to, connection) {
                    self.nodes[at as usize]
                        .swarm
                        .handle_upload_ended(now, to, request, true);
                    self.act(at);
                }
            }
            What::Disconnected {
                at,
                from,
                connection,
                departure,
            } => {
                // A newer connection has replaced it already.
                let replaced = self
                    .edges
                    .get(&ordered(at, from))
                    .is_some_and(|edge| edge.connection > Some(connection));
                if !replaced && self.nodes[at as usize].is_running() {
                    self.nodes[at as usize]
                        .swarm
                        .handle_disconnected(now, from, departure);
                    self.act(at);
                }
            }
            What::Trained { at, round } => {
                let node = &mut self.nodes[at as usize];
                if node.is_running() {
                    let signed = node.train(round);
                    node.swarm.publish(now, signed);
                    self.act(at);
                }
            }
            What::Timer { at } => {
                let node = &mut self.nodes[at as usize];
                if node.is_running() && node.timer == Some(now) {
                    node.timer = None;
                    node.swarm.handle_timeout(now);
                    self.act(at);
                }
            }
        }
    }

    fn connect(&mut self, a: u32, b: u32) {
        let both_run = self.nodes[a as usize].is_running() && self.nodes[b as usize].is_running();
        let Some(edge) = self.edges.get_mut(&ordered(a, b)) else {
            return;
        };
        if edge.severed || edge.connection.is_some() || !both_run {
            return;
        }
        self.connections += 1;
        edge.connection = Some(self.connections);
        for direction in [(a, b), (b, a)] {
            if let Some(pipe) = self.pipes.get_mut(&direction) {
                pipe.free_at = self.now;
                pipe.control_at = self.now;
            }
        }
        for (at, peer) in [(a, b), (b, a)] {
            self.nodes[at as usize]
                .swarm
                .handle_connected(self.now, peer);
        }
        self.act(a);
        self.act(b);
    }

    /// Does what a node's swarm wants.
    fn act(&mut self, at: u32) {
        while let Some(action) = self.nodes[at as usize].swarm.poll_action() {
            self.carry_out(at, action);
        }
        if self.checked && self.fault.is_none() {
            let checked = self.nodes[at as usize].swarm.check();
            self.fault = checked
                .err()
                .map(|what| format!("peer {at}, step {}: {what}", self.steps));
        }
        self.set_timer(at);
    }

    fn carry_out(&mut self, at: u32, action: Action) {
        let now = self.now;
        let node = &mut self.nodes[at as usize];
        match action {
            Action::Send { to, message } => self.send(at, to, message),
            Action::Upload { to, request, chunk } => {
                let Some(data) = node.store.get(&chunk).cloned() else {
                    let what = format!("peer {at} was to send {chunk:?}, which it has not stored");
                    self.fault.get_or_insert(what);
                    return;
                };
                let length = data.len() as u32;
                let header = PieceHeader {
                    request,
                    chunk,
                    length,
                };
                self.upload(at, to, header, data);
            }
            Action::AbortUpload { to, request } => {
                if let Some(connection) = self.connection(at, to) {
                    self.aborted.insert((at, to, connection, request));
                }
            }
            Action::Fence { to } => node.swarm.handle_drained(now, to),
            Action::AbortDownload { .. } => {}
            Action::Store { chunk, data } => node.keep(chunk, data),
            Action::Complete { round } => {
                node.finish_round(now, round);
                if !node.swarm.is_last() {
                    node.swarm.begin_round(now);
                    let train_time = node.train_time;
                    self.agenda.add(
                        now + train_time,
                        What::Trained {
                            at,
                            round: round + 1,
                        },
                    );
                }
            }
            Action::Release { round } => node.release(round),
            Action::Disconnect { peer, violation } => {
                self.break_edge(at, peer, Departure::Broken(violation.to_string()));
            }
            Action::Notice(notice) => node.notices.push(notice),
            Action::Leave => self.end(at, Outcome::Left, Departure::Finished),
            Action::Fail(failure) => {
                let departure = Departure::Failed(failure.to_string());
                self.end(at, Outcome::Failed(failure), departure);
            }
        }
    }

    fn end(&mut self, at: u32, outcome: Outcome, departure: Departure) {
        self.nodes[at as usize].outcome = outcome;
        for neighbour in self.nodes[at as usize].config.neighbours.clone() {
            self.break_edge(at, neighbour, departure.clone());
        }
    }

    fn connection(&self, a: u32, b: u32) -> Option<u64> {
        self.edges.get(&ordered(a, b))?.connection
    }

    fn is_current(&self, from: u32, to: u32, connection: u64) -> bool {
        self.nodes[to as usize].is_running() && self.connection(from, to) == Some(connection)
    }

    fn set_timer(&mut self, at: u32) {
        let now = self.now;
        let node = &mut self.nodes[at as usize];
        if !node.is_running() {
            return;
        }
        let Some(wanted) = node.swarm.poll_timeout().map(|time| time.max(now)) else {
            return;
        };
        if node.timer.is_none_or(|set| wanted < set || set < now) {
            node.timer = Some(wanted);
            self.agenda.add(wanted, What::Timer { at });
        }
    }
}

pub(super) fn ordered(a: u32, b: u32) -> (u32, u32) {
    (a.min(b), a.max(b))
}
