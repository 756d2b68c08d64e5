//! The actions of a script on a network while it runs.

use std::time::Duration;

use super::{LinkProfile, Network, pipes::ordered};
use crate::{
    config::{Beginning, Config, EarlierUpdates},
    message::{Hello, Message},
    swarm::Departure,
    test_utils::{Host, Outcome},
};

impl Network {
    /// Breaks a connection; it comes back after the reconnect time.
    pub fn disconnect(&mut self, a: u32, b: u32) {
        self.world
            .break_edge(a, b, Departure::Broken("cut by the script".to_owned()));
    }

    /// Breaks a link for good.
    pub fn sever(&mut self, a: u32, b: u32) {
        if let Some(edge) = self.world.links.edges.get_mut(&ordered(a, b)) {
            edge.severed = true;
        }
        self.disconnect(a, b);
    }

    /// Makes a link again that was broken for good.
    pub fn mend(&mut self, a: u32, b: u32) {
        if let Some(edge) = self.world.links.edges.get_mut(&ordered(a, b)) {
            edge.severed = false;
        }
        let now = self.world.now;
        let (a, b) = ordered(a, b);
        self.world.add(now, super::ScriptedEvent::Connect { a, b });
    }

    /// Takes a node away for good.
    pub fn kill(&mut self, node: u32) {
        self.world.stop(node);
        self.world.peers[node as usize].own.outcome = Outcome::Killed;
        for neighbour in self.world.linked_to(node) {
            self.sever(node, neighbour);
        }
    }

    /// Starts a killed node anew as another process, which knows this of what the one before has signed; where it knows, it finds what that one
    /// had stored, too. Its links are [mended](Self::mend) apart from that.
    pub fn restart(&mut self, node: u32, earlier: EarlierUpdates) {
        let now = self.now();
        let peer = &self.world.peers[node as usize];
        let config = peer.own.config.clone();
        let hello = Hello {
            incarnation: config.hello.incarnation + 1,
            ..config.hello.clone()
        };
        let config = Config {
            hello,
            beginning: Beginning::CatchUp(earlier),
            ..config
        };
        let before = &peer.own;
        let (swarm, mut host) = match earlier {
            EarlierUpdates::Unknown => Host::new(config, now),
            EarlierUpdates::Nothing | EarlierUpdates::UpTo(_) => before.next_process(config, now),
        };
        host.earlier_ends = [&before.earlier_ends[..], &before.ends].concat();
        host.signed = before.signed.clone();
        self.world.replace(node, swarm, host);
    }

    /// What a killed node has stored is gone, as it is where all of it was in memory.
    pub fn forget(&mut self, node: u32) {
        self.world.peers[node as usize].own.forget();
    }

    /// Starts a node that joins later.
    pub fn join(&mut self, node: u32) {
        let now = self.now();
        let config = Config {
            beginning: Beginning::CatchUp(EarlierUpdates::Nothing),
            ..self.world.peers[node as usize].own.config.clone()
        };
        let neighbours = config.neighbours.clone();
        let (swarm, host) = Host::new(config, now);
        self.world.replace(node, swarm, host);
        neighbours.into_iter().for_each(|neighbour| self.mend(node, neighbour));
    }

    /// Changes one direction of a link.
    pub fn set_profile(&mut self, from: u32, to: u32, profile: LinkProfile) {
        if let Some(pipe) = self.world.links.pipes.get_mut(&(from, to)) {
            pipe.profile = profile;
        }
    }

    /// Makes a link slower to answer, both ways.
    pub fn set_delay(&mut self, a: u32, b: u32, delay: Duration) {
        for direction in [(a, b), (b, a)] {
            if let Some(pipe) = self.world.links.pipes.get_mut(&direction) {
                pipe.profile.delay = delay;
            }
        }
    }

    /// Lets `from` accept requests of `to` and never answer them, or answer again those that come from now on.
    pub fn mute(&mut self, from: u32, to: u32, mute: bool) {
        if let Some(pipe) = self.world.links.pipes.get_mut(&(from, to)) {
            pipe.mute = mute;
        }
    }

    /// Damages the next piece that `from` sends to `to`.
    pub fn corrupt_next(&mut self, from: u32, to: u32) {
        if let Some(pipe) = self.world.links.pipes.get_mut(&(from, to)) {
            pipe.corrupt_next = true;
        }
    }

    /// A message that the node at `from` never made arrives at `to`.
    pub fn inject(&mut self, from: u32, to: u32, message: Message) {
        self.world.send(from, to, message);
    }

    /// Checks each peer's invariants whenever it has acted, which takes far longer than the run itself; panics at the first that
    /// does not hold.
    pub fn check_always(&mut self) {
        self.world.links.checked = true;
    }
}
