//! Peers, and the loop that lets things happen in order; what is between the peers is a [`Links`].

use std::time::Duration;

use super::agenda::Agenda;
use crate::{
    Time,
    swarm::{Action, Swarm},
};

/// The links between the peers.
pub(super) trait Links: Sized {
    /// Something that happens on the way.
    type Event;
    /// The state of a peer beside its state machine.
    type Peer;

    fn happen(world: &mut World<Self>, event: Self::Event);

    /// A peer's update is ready.
    fn publish(world: &mut World<Self>, at: u32);

    /// Does what a peer's state machine wants.
    fn carry_out(world: &mut World<Self>, at: u32, action: Action);

    /// A peer's state machine wants nothing more.
    fn acted(world: &mut World<Self>, at: u32);

    /// A peer is about to train for the round that it is in: how much longer than usual that takes; none: for ever.
    fn trains(_: &mut World<Self>, _: u32) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event<E> {
    /// A peer has trained.
    Trained {
        peer: u32,
    },
    /// A peer's training goes on, which has hung.
    Trains {
        peer: u32,
    },
    /// A state machine wants to know the time.
    Timer {
        peer: u32,
    },
    Link(E),
}

/// A peer: a real state machine, and a trainer that makes its update out of nothing.
pub(super) struct Peer<P> {
    pub(super) swarm: Swarm,
    pub(super) is_running: bool,
    /// How long it trains in every round.
    train: Duration,
    /// The round for which it trains, and when it has; none while it waits for the round's end.
    trains_for: Option<(u32, Time)>,
    /// When it goes on with that: its training hangs before.
    hangs_until: Time,
    /// The timer that is set, so that it is not set twice.
    timer: Option<Time>,
    /// It stands still until then.
    pub(super) asleep: Option<Time>,
    pub(super) own: P,
}

/// Peers, and what is between them.
pub(super) struct World<L: Links> {
    pub(super) now: Time,
    agenda: Agenda<Event<L::Event>>,
    pub(super) peers: Vec<Peer<L::Peer>>,
    pub(super) links: L,
    running: usize,
    steps: u64,
}

impl<L: Links> World<L> {
    pub(super) fn new(links: L) -> Self {
        Self {
            now: Time::ZERO,
            agenda: Agenda::default(),
            peers: Vec::new(),
            links,
            running: 0,
            steps: 0,
        }
    }

    /// A peer at the start of its first round, which begins to train.
    pub(super) fn join(&mut self, swarm: Swarm, train: Duration, own: L::Peer) {
        let peer = self.seat(swarm, train, own);
        self.running += 1;
        self.peers[peer as usize].is_running = true;
        self.train(peer);
    }

    /// A peer that does not run yet.
    pub(super) fn seat(&mut self, swarm: Swarm, train: Duration, own: L::Peer) -> u32 {
        self.peers.push(Peer {
            swarm,
            is_running: false,
            train,
            trains_for: None,
            hangs_until: Time::ZERO,
            timer: None,
            asleep: None,
            own,
        });
        self.peers.len() as u32 - 1
    }

    /// A process takes the place of a peer's that does not run: its next one, or the first one of a peer that joins later.
    pub(super) fn replace(&mut self, at: u32, swarm: Swarm, own: L::Peer) {
        let peer = &mut self.peers[at as usize];
        (peer.swarm, peer.own) = (swarm, own);
        (peer.is_running, peer.trains_for, peer.timer) = (true, None, None);
        self.running += 1;
        self.act(at);
    }

    pub(super) fn add(&mut self, time: Time, event: L::Event) {
        self.agenda.add(time, Event::Link(event));
    }

    /// Events that have happened.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    pub(super) fn running(&self) -> usize {
        self.running
    }

    pub(super) fn is_running(&self, at: u32) -> bool {
        self.peers[at as usize].is_running
    }

    /// A peer takes no part any more.
    pub(super) fn stop(&mut self, at: u32) {
        let was_running = std::mem::replace(&mut self.peers[at as usize].is_running, false);
        self.running -= usize::from(was_running);
    }

    #[cfg(feature = "test-utils")]
    pub(super) fn next_time(&self) -> Option<Time> {
        self.agenda.next_time()
    }

    /// Takes the next event off the agenda.
    pub(super) fn pop(&mut self) -> Option<(Time, Event<L::Event>)> {
        self.agenda.pop()
    }

    pub(super) fn happen(&mut self, time: Time, event: Event<L::Event>) {
        self.now = time;
        self.steps += 1;
        match event {
            Event::Link(event) => L::happen(self, event),
            // The process that did has ended.
            Event::Trained { peer } if !self.trains_until(peer, time) => {}
            Event::Trained { peer } if let Some(until) = self.peers[peer as usize].asleep => {
                let at = &mut self.peers[peer as usize];
                at.trains_for = at.trains_for.map(|(round, _)| (round, until));
                self.agenda.add(until, event);
            }
            Event::Timer { peer } if let Some(until) = self.peers[peer as usize].asleep => {
                let at = &mut self.peers[peer as usize];
                if at.timer == Some(time) {
                    at.timer = Some(until);
                    self.agenda.add(until, event);
                }
            }
            Event::Trained { peer } if self.is_running(peer) => {
                let at = &mut self.peers[peer as usize];
                let trained = at.trains_for.take();
                let is_wanted = trained.is_some_and(|(round, _)| round == at.swarm.round());
                if is_wanted && !at.swarm.is_joining() {
                    L::publish(self, peer);
                    self.act(peer);
                } else {
                    // The round is over, without this update.
                    self.train(peer);
                }
            }
            Event::Timer { peer } => {
                let at = &mut self.peers[peer as usize];
                if at.is_running && at.timer == Some(time) {
                    at.timer = None;
                    if at.trains_for.is_some() && at.hangs_until <= time {
                        at.swarm.progressed(time);
                    }
                    at.swarm.handle_timeout(time);
                    self.act(peer);
                }
            }
            Event::Trains { peer } => {
                let at = &mut self.peers[peer as usize];
                // Another one may hang by now, or a process that has taken its place.
                if at.is_running && at.asleep.is_none() && at.trains_for.is_some() && at.hangs_until == time {
                    at.swarm.progressed(time);
                    self.act(peer);
                }
            }
            Event::Trained { .. } => {}
        }
    }

    /// Does what a peer's state machine wants.
    pub(super) fn act(&mut self, at: u32) {
        while let Some(action) = self.peers[at as usize].swarm.poll_action() {
            L::carry_out(self, at, action);
        }
        L::acted(self, at);
        self.set_timer(at);
    }

    /// As [`Self::act`], after something from which only uploads and requests follow: without requests neither timers nor what
    /// the peer waits for have changed.
    pub(super) fn act_quietly(&mut self, at: u32) {
        while let Some(action) = self.peers[at as usize].swarm.poll_action() {
            let is_upload = matches!(action, Action::Upload { .. });
            L::carry_out(self, at, action);
            if !is_upload {
                return self.act(at);
            }
        }
    }

    fn trains_until(&self, at: u32, time: Time) -> bool {
        let trains_for = self.peers[at as usize].trains_for;
        trains_for.is_some_and(|(_, until)| until == time)
    }

    /// After a closed round: the next one, unless it was the last.
    pub(super) fn go_on(&mut self, at: u32) {
        let peer = &mut self.peers[at as usize];
        if peer.swarm.is_last() {
            return;
        }
        peer.swarm.begin_round(self.now);
        self.train(at);
    }

    /// Trains for the round that the swarm is in, unless it trains or has nothing to train from.
    pub(super) fn train(&mut self, at: u32) {
        let peer = &mut self.peers[at as usize];
        if peer.trains_for.is_none() && !peer.swarm.is_joining() {
            let (round, trained) = (peer.swarm.round(), self.now + peer.train);
            let longer = L::trains(self, at);
            let trained = longer.map_or(Time::MAX, |longer| trained + longer);
            let hangs_until = longer.map_or(Time::MAX, |longer| self.now + longer);
            let peer = &mut self.peers[at as usize];
            (peer.trains_for, peer.hangs_until) = (Some((round, trained)), hangs_until);
            if longer.is_some_and(|longer| longer > Duration::ZERO) {
                self.agenda.add(hangs_until, Event::Trains { peer: at });
            }
            if longer.is_some() {
                self.agenda.add(trained, Event::Trained { peer: at });
            }
        }
    }

    pub(super) fn set_timer(&mut self, at: u32) {
        let now = self.now;
        let peer = &mut self.peers[at as usize];
        if !peer.is_running {
            return;
        }
        let Some(wanted) = peer.swarm.poll_timeout().map(|time| time.max(now)) else {
            return;
        };
        if peer.timer.is_none_or(|set| wanted < set || set < now) {
            peer.timer = Some(wanted);
            self.agenda.add(wanted, Event::Timer { peer: at });
        }
    }
}
