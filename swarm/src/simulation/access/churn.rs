//! What happens to peers: they leave, die, stand still, and their training hangs.
//!
//! A connection whose other end says nothing is over after [`crate::Config::lost_after`], and is made anew, with a handshake, as soon as
//! both ends are there. What comes to a peer that stands still waits for it, however much that is.

use std::time::Duration;

use super::{
    AccessLinks,
    event::AccessEvent,
    flow::{Control, Flow},
    window,
    window::Uplink,
};
use crate::{
    churn::ChurnKind,
    simulation::{PeerScenario, world::World},
    swarm::Departure,
};

/// How long after a breach of the rules a connection is made anew.
const RECONNECT: Duration = Duration::from_secs(1);

/// What it takes to connect anew.
pub(super) struct Again {
    /// Silence after which a connection is over.
    silence: Duration,
    /// Each peer's number of neighbours, delay, and the state that its connections share.
    ends: Vec<(usize, Duration, Option<Uplink>)>,
}

impl Again {
    /// None where nothing happens to anybody.
    pub(super) fn of(peers: &[PeerScenario], degrees: &[usize], uplinks: &[Option<Uplink>]) -> Option<Self> {
        let silence = peers.iter().find(|peer| !peer.churn.is_empty())?.config.lost_after;
        let ends = peers.iter().zip(degrees).zip(uplinks);
        let ends = ends.map(|((peer, &degree), uplink)| (degree, peer.access.delay, uplink.clone()));
        Some(Self {
            silence,
            ends: ends.collect(),
        })
    }
}

impl World<AccessLinks> {
    /// Whether an event happens now. One that comes to a peer which stands still waits, and one of a connection that is over, or that comes
    /// to a dead peer, does not happen.
    pub(super) fn can_happen(&mut self, event: &AccessEvent) -> bool {
        let to = |flow: u32, links: &AccessLinks| Some((links.flows[flow as usize].to, flow));
        let from = |flow: u32, links: &AccessLinks| Some((links.flows[flow as usize].from, flow));
        let actor = match *event {
            AccessEvent::Delivered { flow, .. }
            | AccessEvent::UnitDelivered { flow, .. }
            | AccessEvent::ControlDelivered { flow }
            | AccessEvent::AckDue { flow } => to(flow, &self.links),
            AccessEvent::Taken { flow, .. } | AccessEvent::Probe { flow } => from(flow, &self.links),
            AccessEvent::Arrives { flow, .. } | AccessEvent::UnitArrives { flow, .. } => {
                return !self.links.flows[flow as usize].is_gone;
            }
            AccessEvent::Connected { edge } => return self.both_are_there(edge, *event),
            AccessEvent::Paced { .. }
            | AccessEvent::Churn { .. }
            | AccessEvent::Wakes { .. }
            | AccessEvent::Starts { .. }
            | AccessEvent::Silent { .. }
            | AccessEvent::Connects { .. } => None,
        };
        let Some((peer, flow)) = actor else {
            return true;
        };
        // Of a dead peer it is one of the two.
        if [flow, flow ^ 1]
            .iter()
            .any(|&flow| self.links.flows[flow as usize].is_gone)
        {
            return false;
        }
        match self.peers[peer as usize].asleep {
            Some(until) => {
                self.add(until, *event);
                false
            }
            None => true,
        }
    }

    fn both_are_there(&mut self, edge: u32, event: AccessEvent) -> bool {
        let Flow { from, to, is_gone, .. } = self.links.flows[2 * edge as usize];
        if is_gone || !self.is_running(from) || !self.is_running(to) {
            return false;
        }
        let asleep = [from, to].map(|peer| self.peers[peer as usize].asleep);
        match asleep.into_iter().flatten().max() {
            Some(until) => {
                self.add(until, event);
                false
            }
            None => true,
        }
    }

    /// How much longer a training takes that begins now.
    pub(super) fn hangs(&mut self, at: u32) -> Option<Duration> {
        if self.links.again.is_none() {
            return Some(Duration::ZERO);
        }
        let now = self.now;
        let peer = &mut self.peers[at as usize];
        let round = peer.swarm.round();
        let since = peer.own.trains.map_or(now, |(since, _)| since);
        peer.own.trains = Some((since, round));
        peer.own.first_trained.get_or_insert(since);
        let mut longer = Some(Duration::ZERO);
        while let Some(wedge) = peer.own.wedges.next(round, now.saturating_sub(since)) {
            peer.own.figures.churn.push((wedge.event, round, now));
            longer = longer.zip(wedge.lasts).map(|(longer, lasts)| longer + lasts);
        }
        // After what the peer does now.
        self.add(now, AccessEvent::Churn { peer: at });
        longer
    }

    /// Does what is due to a peer.
    pub(super) fn churn(&mut self, at: u32) {
        let now = self.now;
        let peer = &mut self.peers[at as usize];
        let Some((since, round)) = peer.own.trains.filter(|_| peer.is_running && peer.asleep.is_none()) else {
            return;
        };
        let Some(due) = peer.own.churn.next(round, now.saturating_sub(since)) else {
            if let Some(due) = peer.own.churn.due() {
                self.add(since + due, AccessEvent::Churn { peer: at });
            }
            return;
        };
        peer.own.figures.churn.push((due.event, round, now));
        match (due.event, due.lasts) {
            (ChurnKind::Pause, Some(lasts)) => {
                peer.asleep = Some(now + lasts);
                self.add(now + lasts, AccessEvent::Wakes { peer: at });
                self.falls_silent(at, Some(lasts));
            }
            (ChurnKind::Leave, _) => self.ends(at, "it left", Departure::Broken("it has left".to_owned())),
            (ChurnKind::Crash | ChurnKind::Pause, _) => {
                peer.own.figures.ended_early = Some((due.event.name().to_owned(), now));
                self.stops(at);
                self.falls_silent(at, None);
            }
            (ChurnKind::Restart, lasts) => {
                self.falls_silent(at, None);
                // Before the others would seem to wait for nobody.
                self.starts_in(lasts.unwrap_or_default(), at);
                self.stops(at);
            }
            (ChurnKind::Join | ChurnKind::Wedge, _) => self.add(now, AccessEvent::Churn { peer: at }),
        }
    }

    /// A peer's run has failed, and it tells its neighbours.
    pub(super) fn gives_up(&mut self, at: u32, why: String) {
        self.ends(at, &why, Departure::Failed(why.clone()));
    }

    fn ends(&mut self, at: u32, why: &str, departure: Departure) {
        let now = self.now;
        self.stops(at);
        let own = &mut self.peers[at as usize].own;
        own.figures.ended_early = Some((why.to_owned(), now));
        for (neighbour, _) in own.flows.clone() {
            self.say(at, neighbour, Control::Closed(departure.clone()), 1);
        }
    }

    /// Nothing comes from a peer any more, or for so long. One that is dead takes nothing either.
    fn falls_silent(&mut self, at: u32, lasts: Option<Duration>) {
        let Some(silence) = self.links.again.as_ref().map(|again| again.silence) else {
            return;
        };
        for (_, flow) in self.peers[at as usize].own.flows.clone() {
            if lasts.is_none_or(|lasts| lasts > silence) {
                self.add(self.now + silence, AccessEvent::Silent { edge: flow / 2 });
            }
            if lasts.is_none() {
                let flow = &mut self.links.flows[flow as usize];
                flow.is_gone = true;
            }
        }
    }

    /// The connection of a flow is over.
    pub(super) fn close(&mut self, flow: u32) {
        for flow in [flow, flow ^ 1] {
            let flow = &mut self.links.flows[flow as usize];
            (flow.is_gone, flow.is_open) = (true, false);
        }
    }

    pub(super) fn silent(&mut self, edge: u32) {
        let flow = 2 * edge;
        let Flow { from, to, is_open, .. } = self.links.flows[flow as usize];
        self.close(flow);
        if !is_open {
            return;
        }
        for (at, other) in [(from, to), (to, from)] {
            self.loses(at, other, "nothing came from it for too long");
        }
    }

    /// A peer notices that a connection is over, now or when it goes on.
    pub(super) fn loses(&mut self, at: u32, other: u32, why: &str) {
        let now = self.now;
        let peer = &mut self.peers[at as usize];
        if peer.asleep.is_some() {
            peer.own.broken.push(other);
        } else if peer.is_running {
            let departure = Departure::Broken(why.to_owned());
            peer.swarm.handle_disconnected(now, other, departure);
            self.act(at);
        }
    }

    /// A peer that stood still goes on.
    pub(super) fn wakes(&mut self, at: u32) {
        let peer = &mut self.peers[at as usize];
        peer.asleep = None;
        for other in std::mem::take(&mut peer.own.broken) {
            self.loses(at, other, "nothing came from it for too long");
            if self.peers[other as usize].asleep.is_none() {
                self.connects_in(Duration::ZERO, at, other);
            }
        }
        if let Some(unit) = self.links.transport.unit {
            for (_, flow) in self.peers[at as usize].own.flows.clone() {
                self.send_units(flow, unit);
            }
        }
        self.add(self.now, AccessEvent::Churn { peer: at });
    }

    /// A peer closes a connection since the other end broke the rules.
    pub(super) fn breaks(&mut self, at: u32, other: u32, why: &str) {
        self.hangs_up(at, other, why);
        self.connects_in(RECONNECT, at, other);
    }

    /// A peer closes a connection, if there is one.
    pub(super) fn hangs_up(&mut self, at: u32, other: u32, why: &str) {
        let flow = self.peers[at as usize].own.flow_to(other);
        if let Some(flow) = flow.filter(|&flow| self.links.flows[flow as usize].is_open) {
            self.close(flow);
            self.loses(other, at, why);
        }
    }

    /// Two peers connect after a time, and a handshake.
    pub(super) fn connects_in(&mut self, wait: Duration, a: u32, b: u32) {
        let delay = |peer: u32| {
            self.links
                .again
                .as_ref()
                .map_or(Duration::ZERO, |it| it.ends[peer as usize].1)
        };
        let there = delay(a) + delay(b);
        self.add(self.now + wait + there * 2, AccessEvent::Connects { a, b });
    }

    pub(super) fn connects(&mut self, a: u32, b: u32) {
        let (a, b) = (a.min(b), a.max(b));
        let is_open = |world: &Self| {
            let flow = world.peers[a as usize].own.flow_to(b);
            flow.is_some_and(|flow| world.links.flows[flow as usize].is_open)
        };
        if is_open(self) || !self.is_running(a) || !self.is_running(b) {
            return;
        }
        let edge = self.links.flows.len() as u32 / 2;
        for (from, to) in [(a, b), (b, a)] {
            let Some(again) = &self.links.again else { return };
            let (degree, _, uplink) = &again.ends[from as usize];
            let window = window(&self.links.transport, *degree, uplink.as_ref());
            let flow = self.links.flows.len() as u32;
            self.links.flows.push(Flow::new(from, to, window));
            self.peers[from as usize].own.rewire(to, flow);
        }
        if self.both_are_there(edge, AccessEvent::Connected { edge }) {
            self.connected(edge);
        }
    }
}
