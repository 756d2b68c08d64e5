//! Processes that are started later: the next one of a peer, and the first one of a peer that joins later.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    AccessLinks,
    event::AccessEvent,
    peer::{self, Read},
};
use crate::{
    churn::{At, ChurnKind, ChurnPlan},
    simulation::world::World,
};

/// Why a process is not started that would have come later.
const FINISHED: &str = "the others had finished before it was started";

/// Who is still to be started.
#[derive(Default)]
pub(super) struct Starts {
    pub(super) read: Read,
    /// Peers that join with a round.
    joins: BTreeMap<u32, u32>,
    /// Peers that are started at a time.
    timed: BTreeSet<u32>,
    /// Somebody has come to the end, or nobody is left: no round begins any more.
    is_over: bool,
}

impl Starts {
    /// Whether somebody is started at a time that will come.
    pub(super) fn will_be(&self) -> bool {
        !self.timed.is_empty()
    }
}

impl World<AccessLinks> {
    /// A peer joins as the first of its events says.
    pub(super) fn starts_later(&mut self, at: u32, events: &[ChurnPlan]) {
        match events
            .first()
            .filter(|due| due.event == ChurnKind::Join)
            .map(|due| due.at)
        {
            Some(At::After(time)) => self.starts_in(time, at),
            Some(At::Round(round)) => drop(self.links.starts.joins.insert(at, round)),
            None => {}
        }
    }

    pub(super) fn starts_in(&mut self, wait: Duration, at: u32) {
        if self.links.starts.is_over {
            return self.is_never_started(at, FINISHED);
        }
        self.links.starts.timed.insert(at);
        self.add(self.now + wait, AccessEvent::Starts { peer: at });
    }

    /// Somebody begins a round, and others join with that.
    pub(super) fn join_with(&mut self, round: u32) {
        let due = self.links.starts.joins.extract_if(.., |_, joins| *joins <= round);
        for at in due.map(|(at, _)| at).collect::<Vec<u32>>() {
            self.starts_in(Duration::ZERO, at);
        }
    }

    /// A peer takes no part any more. Whoever joins with a round waits for others who begin it: where nobody is there, and nobody will be, it
    /// is lost.
    pub(super) fn stops(&mut self, at: u32) {
        self.stop(at);
        if self.is_over() {
            self.starts_nobody("nobody was left to begin a round");
        }
    }

    /// Somebody has come to the end, so that no process is of use that is started from now on.
    pub(super) fn others_have_finished(&mut self) {
        self.starts_nobody(FINISHED);
    }

    fn starts_nobody(&mut self, why: &str) {
        let starts = &mut self.links.starts;
        let joins = std::mem::take(&mut starts.joins).into_keys();
        starts.is_over = true;
        for at in joins.chain(std::mem::take(&mut starts.timed)) {
            self.is_never_started(at, why);
        }
    }

    fn is_never_started(&mut self, at: u32, why: &str) {
        self.peers[at as usize].own.figures.ended_early = Some((why.to_owned(), self.now));
    }

    /// A process of a peer begins: it catches up with the others.
    pub(super) fn starts(&mut self, at: u32) {
        let now = self.now;
        if !self.links.starts.timed.remove(&at) {
            return;
        }
        let before = &mut self.peers[at as usize];
        let Some(config) = before.own.next_config(&before.swarm) else {
            return;
        };
        let (events, past) = before.own.past(now, config.hello.incarnation);
        let neighbours = config.neighbours.clone();
        let (swarm, mut own) = peer::new(config, &self.links.starts.read, &events, &past, now);
        own.take_over(&mut before.own, before.swarm.stats());
        self.replace(at, swarm, own);
        // Its neighbours learn of it by its connection, which takes the place of an old one.
        for (other, flow) in self.peers[at as usize].own.flows.clone() {
            if self.links.flows[flow as usize].is_open {
                self.close(flow);
                self.loses(other, at, "its next process has connected");
            }
        }
        for other in neighbours {
            self.connects_in(Duration::ZERO, at, other);
        }
    }
}
