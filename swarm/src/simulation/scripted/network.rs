//! A run over scripted links.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    ScriptedEvent, ScriptedLinks,
    pipes::{Edge, LinkProfile, Pipe, ordered},
};
use crate::{
    Time,
    config::Config,
    simulation::world::World,
    swarm::{Notice, RoundEnd, Stats, Swarm},
    test_utils::{Host, Outcome},
};

/// The configuration of a network.
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

/// A run over scripted links. It is deterministic: the same configuration and script give the same run, event by event.
pub struct Network {
    pub(super) world: World<ScriptedLinks>,
}

impl Network {
    /// All nodes at the start of round 0 but those that join later; connections are made as soon as time passes.
    pub fn new(config: NetworkConfig) -> Self {
        let mut world = World::new(ScriptedLinks {
            pipes: BTreeMap::new(),
            edges: BTreeMap::new(),
            profile: config.link,
            reconnect: config.reconnect,
            connections: 0,
            aborted: BTreeSet::new(),
            liars: BTreeMap::new(),
            checked: false,
        });
        for (node, train) in config.nodes.into_iter().zip(config.train_times) {
            let me = node.me();
            for &neighbour in &node.neighbours {
                let pipe = Pipe::new(config.link);
                world.links.pipes.insert((me, neighbour), pipe);
                if me < neighbour {
                    let edge = ordered(me, neighbour);
                    world.links.edges.insert(edge, Edge::default());
                    let (a, b) = edge;
                    world.add(Time::ZERO, ScriptedEvent::Connect { a, b });
                }
            }
            let is_late = node.late.binary_search(&me).is_ok();
            let (swarm, mut host) = Host::new(node, Time::ZERO);
            if is_late {
                host.outcome = Outcome::Absent;
                world.seat(swarm, train, host);
            } else {
                world.join(swarm, train, host);
            }
        }
        for at in 0..world.peers.len() as u32 {
            world.set_timer(at);
        }
        Self { world }
    }

    /// Virtual time.
    pub fn now(&self) -> Time {
        self.world.now
    }

    /// Events that have happened.
    pub fn steps(&self) -> u64 {
        self.world.steps()
    }

    fn host(&self, node: u32) -> &Host {
        &self.world.peers[node as usize].own
    }

    fn swarm(&self, node: u32) -> &Swarm {
        &self.world.peers[node as usize].swarm
    }

    /// How a node's run ended.
    pub fn outcome(&self, node: u32) -> &Outcome {
        &self.host(node).outcome
    }

    /// Whether a node's run is not over.
    pub fn is_running(&self, node: u32) -> bool {
        self.host(node).is_running()
    }

    /// BLAKE3 over all chunks of each round that a node has completed.
    pub fn digests(&self, node: u32) -> &[[u8; 32]] {
        &self.host(node).digests
    }

    /// How each round ended at a node.
    pub fn ends(&self, node: u32) -> &[RoundEnd] {
        &self.host(node).ends
    }

    /// The number of a node's process.
    pub fn incarnation(&self, node: u32) -> u32 {
        self.host(node).config.hello.incarnation
    }

    /// How each round ended that a node has closed, in the order in which its processes did.
    pub fn all_ends(&self, node: u32) -> impl Iterator<Item = &[RoundEnd]> {
        let host = self.host(node);
        [&host.earlier_ends[..], &host.ends].into_iter()
    }

    /// Rounds of which a node has signed an update.
    pub fn signed(&self, node: u32) -> &BTreeSet<u32> {
        &self.host(node).signed
    }

    /// The rounds whose model a node took over.
    pub fn adopted(&self, node: u32) -> &[u32] {
        &self.host(node).adopted
    }

    /// When a node completed each round.
    pub fn completed_at(&self, node: u32) -> &[Time] {
        &self.host(node).completed_at
    }

    /// A node's counts.
    pub fn stats(&self, node: u32) -> &Stats {
        self.swarm(node).stats()
    }

    /// Bytes of chunks that a node has received and kept, by neighbour.
    pub fn received_from(&self, node: u32) -> impl Iterator<Item = (u32, u64)> {
        self.swarm(node).received_from()
    }

    /// Connections that a node has.
    pub fn links(&self, node: u32) -> usize {
        self.swarm(node).open_neighbours()
    }

    /// A node's notices.
    pub fn notices(&self, node: u32) -> &[Notice] {
        &self.host(node).notices
    }

    /// The round that a node is in, and how many of its chunks it holds.
    pub fn progress(&self, node: u32) -> (u32, u32) {
        let swarm = self.swarm(node);
        (swarm.round(), swarm.held().count())
    }

    /// Whether no node runs any more.
    pub fn is_over(&self) -> bool {
        self.world.running() == 0
    }

    /// Lets the next event happen; false when there is none.
    pub fn step(&mut self) -> bool {
        let Some((time, event)) = self.world.pop() else {
            return false;
        };
        self.world.happen(time, event);
        true
    }

    /// Lets everything happen that happens before `until`.
    pub fn run_until(&mut self, until: Time) {
        while !self.is_over() && self.world.next_time().is_some_and(|time| time <= until) {
            self.step();
        }
        self.world.now = self.now().max(until);
    }

    /// Lets things happen until all runs are over; false when that takes longer than `limit`, or nothing happens.
    pub fn run(&mut self, limit: Time) -> bool {
        while !self.is_over() {
            if self.world.next_time().is_none_or(|time| time > limit) {
                return false;
            }
            self.step();
        }
        true
    }
}
