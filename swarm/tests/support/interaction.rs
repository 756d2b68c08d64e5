//! Swarms between which nothing has a time of its own: any message, piece, timer or fault may be the next thing to happen.
//! The simulator plays what links do; this plays every order that transports allow, and faults that they do not.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use fltorrent_swarm::{
    Action, Config, Departure, Message, PieceHeader, Swarm, Time,
    test_utils::{Host, Wish},
};

use super::Setup;

/// How long after a break a connection is made again, at most.
const RECONNECT: Duration = Duration::from_millis(200);

/// What becomes of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It comes whole.
    Whole,
    /// Only its header comes; the rest may come later, or never.
    Header,
    /// It comes with another byte.
    Corrupt,
    /// Its stream breaks off after the header.
    BrokenOff,
    /// It comes, and will come a second time.
    Twice,
}

/// What a neighbour does not do for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vice {
    /// It never gives a slot.
    NeverUnchokes,
    /// It begins to send what it is asked for, and never ends.
    SlowLoris,
}

enum Parcel {
    Message(Message),
    End(Departure),
}

struct Piece {
    connection: u64,
    header: PieceHeader,
    data: Bytes,
    /// The hash that its header got.
    accepted: Option<[u8; 32]>,
}

/// What is on its way in one direction, with the connection that it belongs to.
#[derive(Default)]
struct Pipe {
    control: VecDeque<(u64, Parcel)>,
    pieces: Vec<Piece>,
    /// Uploads whose end the sender has not heard of.
    endings: Vec<(u64, u32, bool)>,
}

pub(crate) struct Node {
    pub(crate) swarm: Swarm,
    pub(crate) host: Host,
    /// Connections that it believes to have.
    open: BTreeMap<u32, u64>,
    /// The round whose update it is making.
    training: Option<u32>,
}

/// All of it.
pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<(u32, u32)>,
    pipes: BTreeMap<(u32, u32), Pipe>,
    connections: u64,
    now: Time,
    /// Things that have happened.
    pub(crate) steps: u64,
    /// Edges whose connection has lost, repeated or swapped a message, which no transport does for long.
    lossy: Vec<(u32, u32)>,
    vices: BTreeMap<(u32, u32), Vice>,
}

impl World {
    pub(crate) fn new(setup: &Setup, edges: &[(u32, u32)]) -> Self {
        let nodes = (0..setup.peers).map(|me| {
            let config = setup.config(me, edges);
            Node::new(config, Time::ZERO)
        });
        let directions = edges.iter().flat_map(|&(a, b)| [(a, b), (b, a)]);
        Self {
            nodes: nodes.collect(),
            edges: edges.to_vec(),
            pipes: directions.map(|it| (it, Pipe::default())).collect(),
            connections: 0,
            now: Time::ZERO,
            steps: 0,
            lossy: Vec::new(),
            vices: BTreeMap::new(),
        }
    }

    pub(crate) fn spoil(&mut self, from: u32, to: u32, vice: Vice) {
        self.vices.insert((from, to), vice);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.nodes.iter().all(|node| !node.is_running())
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Delivers the first message of one of the directions that have some.
    pub(crate) fn deliver(&mut self, choice: usize) {
        let Some((from, to)) = self.choose(choice, |pipe| !pipe.control.is_empty()) else {
            return;
        };
        let Some((connection, parcel)) = self.pipe(from, to).control.pop_front() else {
            return;
        };
        self.steps += 1;
        let now = self.now;
        let node = &mut self.nodes[to as usize];
        if node.open.get(&from) != Some(&connection) {
            return;
        }
        match parcel {
            Parcel::Message(message) => node.swarm.handle_message(now, from, message),
            Parcel::End(departure) => {
                node.open.remove(&from);
                node.swarm.handle_disconnected(now, from, departure);
            }
        }
        self.act(to);
    }

    /// Lets something become of one of the pieces on their way; they come in any order.
    pub(crate) fn piece(&mut self, choice: usize, which: usize, fate: Fate) {
        let Some((from, to)) = self.choose(choice, |pipe| !pipe.pieces.is_empty()) else {
            return;
        };
        let is_slow = self.vices.get(&(from, to)) == Some(&Vice::SlowLoris);
        let fate = if is_slow { Fate::Header } else { fate };
        let now = self.now;
        let pipe = self.pipe(from, to);
        let at = which % pipe.pieces.len();
        let mut piece = pipe.pieces.swap_remove(at);
        self.steps += u64::from(!(is_slow && piece.accepted.is_some()));
        let node = &mut self.nodes[to as usize];
        if node.open.get(&from) != Some(&piece.connection) {
            return;
        }
        let request = piece.header.request;
        if piece.accepted.is_none() {
            piece.accepted = node.swarm.handle_piece_header(from, &piece.header);
        }
        let Some(hash) = piece.accepted else {
            return self.act(to);
        };
        let mut receive = |data| {
            node.host
                .receive(now, &mut node.swarm, from, (&piece.header, data), &hash);
        };
        match fate {
            Fate::Header => {
                // It goes behind the others.
                return self.pipe(from, to).pieces.push(piece);
            }
            Fate::BrokenOff => node.swarm.handle_piece_failed(now, from, request),
            Fate::Whole | Fate::Twice => receive(piece.data.clone()),
            Fate::Corrupt => {
                let mut wrong = piece.data.to_vec();
                wrong[0] ^= 1;
                receive(wrong.into());
            }
        }
        self.act(to);
        if fate == Fate::Twice {
            piece.accepted = None;
            self.pipe(from, to).pieces.push(piece);
        }
    }

    /// Tells a sender that one of its uploads has ended.
    pub(crate) fn ending(&mut self, choice: usize, which: usize) {
        let Some((from, to)) = self.choose(choice, |pipe| !pipe.endings.is_empty()) else {
            return;
        };
        let now = self.now;
        let endings = &mut self.pipe(from, to).endings;
        let (connection, request, sent) = endings.swap_remove(which % endings.len());
        self.steps += 1;
        let node = &mut self.nodes[from as usize];
        if node.open.get(&to) == Some(&connection) {
            node.swarm.handle_upload_ended(now, to, request, sent);
            self.act(from);
        }
    }

    /// A node's update is ready, if it is making one.
    pub(crate) fn train(&mut self, node: u32) {
        let now = self.now;
        let it = &mut self.nodes[node as usize];
        let Some(round) = it.training.take().filter(|_| it.is_running()) else {
            return;
        };
        self.steps += 1;
        let signed = it.host.train(round);
        it.swarm.publish(now, signed);
        self.act(node);
    }

    /// Lets time pass, with every timer at its time.
    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut again = 0;
        while let Some((due, node)) = self.next_timer().filter(|&(due, _)| due <= until) {
            again = if due > self.now { 0 } else { again + 1 };
            assert!(again < 1000, "a timer of peer {node} fires again and again");
            self.now = self.now.max(due);
            self.steps += 1;
            self.nodes[node as usize].swarm.handle_timeout(self.now);
            self.act(node);
        }
        self.now = until;
    }

    /// Makes a connection where there is none, or anew where only one side knows that there is none.
    pub(crate) fn connect(&mut self, edge: usize) {
        let (a, b) = self.edges[edge % self.edges.len()];
        if !self.is_cut(edge) {
            return;
        }
        self.steps += 1;
        self.connections += 1;
        for (at, peer) in [(a, b), (b, a)] {
            let node = &mut self.nodes[at as usize];
            if node.open.insert(peer, self.connections).is_some() {
                let replaced = Departure::Broken("there is a newer connection".to_owned());
                node.swarm.handle_disconnected(self.now, peer, replaced);
            }
            node.swarm.handle_connected(self.now, peer);
        }
        self.act(a);
        self.act(b);
    }

    /// Ends a connection on one side; the other side hears of it after all that was sent before.
    pub(crate) fn cut(&mut self, edge: usize, back: bool) {
        let (a, b) = self.edges[edge % self.edges.len()];
        let (here, there) = if back { (b, a) } else { (a, b) };
        let cut = Departure::Broken("cut by the test".to_owned());
        if self.close(here, there, cut.clone()) {
            self.steps += 1;
            let node = &mut self.nodes[here as usize];
            node.swarm.handle_disconnected(self.now, there, cut);
            self.act(here);
        }
    }

    /// Takes away, swaps or repeats the first message of one of the directions that have some.
    pub(crate) fn damage(&mut self, choice: usize, how: u8) {
        let Some((from, to)) = self.choose(choice, |pipe| !pipe.control.is_empty()) else {
            return;
        };
        let control = &mut self.pipe(from, to).control;
        match how % 3 {
            0 => drop(control.pop_front()),
            1 if control.len() > 1 => control.swap(0, 1),
            _ => match control.front() {
                Some((connection, Parcel::Message(message))) => {
                    let again = (*connection, Parcel::Message(message.clone()));
                    control.push_front(again);
                }
                _ => return,
            },
        }
        self.lossy.push((from.min(to), from.max(to)));
    }

    /// A node's process dies and comes back with nothing.
    pub(crate) fn restart(&mut self, node: u32) {
        if !self.nodes[node as usize].is_running() {
            return;
        }
        for peer in self.nodes[node as usize].host.config.neighbours.clone() {
            self.close(node, peer, Departure::Broken("it died".to_owned()));
        }
        let config = self.nodes[node as usize].host.config.clone();
        self.nodes[node as usize] = Node::new(config, self.now);
    }

    /// The faults are over: from here on everything that can happen does, in a fair order, until all runs are. False when
    /// nothing happens any more, or too much for `most` steps.
    pub(crate) fn settle(&mut self, most: u64) -> bool {
        for (a, b) in std::mem::take(&mut self.lossy) {
            let edge = self.edges.iter().position(|&it| it == (a, b)).unwrap();
            self.cut(edge, false);
        }
        let mut reconnect = self.now;
        while !self.is_over() {
            let before = self.steps;
            if before > most {
                return false;
            }
            if reconnect <= self.now {
                reconnect = self.now + RECONNECT;
                (0..self.edges.len()).for_each(|edge| self.connect(edge));
            }
            for turn in 0..self.pipes.len() {
                self.deliver(turn);
                self.piece(turn, 0, Fate::Whole);
                self.ending(turn, 0);
            }
            for node in 0..self.nodes.len() as u32 {
                self.train(node);
            }
            if self.steps > before {
                self.pass(Duration::from_millis(1));
                continue;
            }
            let timer = self.next_timer().map(|(due, _)| due);
            let waits = (0..self.edges.len()).any(|edge| self.is_cut(edge));
            let Some(due) = timer.into_iter().chain(waits.then_some(reconnect)).min() else {
                return false;
            };
            self.pass(due.saturating_sub(self.now));
        }
        true
    }

    /// Whether both sides of an edge run, and not both know of one connection.
    fn is_cut(&self, edge: usize) -> bool {
        let (a, b) = self.edges[edge % self.edges.len()];
        let here = self.connection(a, b);
        let both_run = [a, b].iter().all(|&it| self.nodes[it as usize].is_running());
        both_run && (here.is_none() || here != self.connection(b, a))
    }

    fn choose(&self, choice: usize, has_some: fn(&Pipe) -> bool) -> Option<(u32, u32)> {
        let some: Vec<_> = self
            .pipes
            .iter()
            .filter(|(_, pipe)| has_some(pipe))
            .map(|(&direction, _)| direction)
            .collect();
        (!some.is_empty()).then(|| some[choice % some.len()])
    }

    fn pipe(&mut self, from: u32, to: u32) -> &mut Pipe {
        self.pipes.get_mut(&(from, to)).unwrap()
    }

    fn connection(&self, at: u32, peer: u32) -> Option<u64> {
        self.nodes[at as usize].open.get(&peer).copied()
    }

    fn next_timer(&self) -> Option<(Time, u32)> {
        let running = (0..).zip(&self.nodes).filter(|(_, node)| node.is_running());
        running
            .filter_map(|(at, node)| Some((node.swarm.poll_timeout()?.max(self.now), at)))
            .min()
    }

    fn close(&mut self, here: u32, there: u32, departure: Departure) -> bool {
        let Some(connection) = self.nodes[here as usize].open.remove(&there) else {
            return false;
        };
        let end = (connection, Parcel::End(departure));
        self.pipe(here, there).control.push_back(end);
        true
    }

    /// Does what a node wants, and checks what it promises.
    fn act(&mut self, at: u32) {
        while let Some(action) = self.nodes[at as usize].swarm.poll_action() {
            self.carry_out(at, action);
        }
        let node = &self.nodes[at as usize];
        if let Err(what) = node.swarm.check() {
            panic!("peer {at} after {} steps: {what}", self.steps);
        }
    }

    fn carry_out(&mut self, at: u32, action: Action) {
        let node = &mut self.nodes[at as usize];
        let Some(wish) = node.host.obey(self.now, &mut node.swarm, action) else {
            return;
        };
        match wish {
            Wish::Send { to, message } => {
                let is_kept = message == Message::Unchoke && self.vices.get(&(at, to)) == Some(&Vice::NeverUnchokes);
                if let Some(connection) = self.connection(at, to).filter(|_| !is_kept) {
                    let parcel = (connection, Parcel::Message(message));
                    self.pipe(at, to).control.push_back(parcel);
                }
            }
            Wish::Upload { to, header, data } => {
                let connection = node.open[&to];
                let pipe = self.pipe(at, to);
                pipe.endings.push((connection, header.request, true));
                pipe.pieces.push(Piece {
                    connection,
                    header,
                    data,
                    accepted: None,
                });
            }
            // Nobody is lost here.
            Wish::Adopt | Wish::Dial { .. } | Wish::Hangup { .. } => {}
            Wish::AbortUpload { to, request } => self.abort(at, to, request),
            Wish::AbortDownload { from, request } => self.abort(from, at, request),
            Wish::Complete { round } => {
                if !node.swarm.is_last() {
                    node.swarm.begin_round(self.now);
                    node.training = Some(round + 1);
                }
            }
            Wish::Disconnect { peer, violation } => {
                self.close(at, peer, Departure::Broken(violation.to_string()));
            }
            Wish::End(departure) => {
                for peer in node.host.config.neighbours.clone() {
                    self.close(at, peer, departure.clone());
                }
            }
        }
    }

    /// A piece on its way is no longer sent or read.
    fn abort(&mut self, from: u32, to: u32, request: u32) {
        let Some(connection) = self.connection(to, from).or_else(|| self.connection(from, to)) else {
            return;
        };
        let pipe = self.pipe(from, to);
        let is_it = |piece: &Piece| (piece.connection, piece.header.request) == (connection, request);
        pipe.pieces.retain(|piece| !is_it(piece));
        for ending in &mut pipe.endings {
            ending.2 &= (ending.0, ending.1) != (connection, request);
        }
    }
}

impl Node {
    fn new(config: Config, now: Time) -> Self {
        let (swarm, host) = Host::new(config, now);
        Self {
            swarm,
            training: Some(host.config.first_round()),
            host,
            open: BTreeMap::new(),
        }
    }

    fn is_running(&self) -> bool {
        self.host.is_running()
    }
}
