//! Who takes part: what this peer says of its links, what it hears of others', and the pause while too few are there.

use super::{Action, Failure, Notice, Swarm, Violation, uplinks::Known};
use crate::{
    Time,
    bitfield::Bitfield,
    message::Message,
    metainfo::Signer,
    neighbour::{Neighbour, NeighbourState},
    rules::OnPeerLoss,
    signed::Signed,
    statement::{Speaker, Statement},
    view::{GIVES_NOTHING, Heard, LinkState},
    vote::Cast,
};

impl Swarm {
    /// Neighbours in the topology.
    pub fn neighbours(&self) -> &[u32] {
        &self.config.neighbours
    }

    /// Peers that take part as far as this one knows, itself included.
    pub fn present(&self) -> u32 {
        self.view.members().count()
    }

    /// Since when too few peers take part.
    pub fn paused_since(&self) -> Option<Time> {
        self.paused_since
    }

    /// Peers that have left after the last round.
    pub(super) fn finished(&self) -> u32 {
        match self.is_last() {
            true => self.view.finished(),
            false => 0,
        }
    }

    /// Whether the run goes on when a peer is lost.
    pub fn goes_on_without(&self) -> bool {
        self.config.on_peer_loss == OnPeerLoss::Continue
    }

    /// Says what has become of this peer's links, and draws the conclusions for the round.
    pub(super) fn go_on_without_others(&mut self, now: Time) {
        if self.ended || !self.goes_on_without() {
            return;
        }
        self.rejoin_when_stuck();
        self.rejoin_when_stalled(now);
        self.suspect(now);
        self.tell_links(now);
        self.repair(now);
        self.pause_or_go_on(now);
        self.make_model_when_wanted();
        self.publish_when_certified(now);
        if self.joining.is_none() {
            return self.vote_when_due(now);
        }
        self.close_when_done(now);
        // Whoever has caught up says so at once: others may wait for nothing else.
        if self.joining.is_none() {
            self.tell_links(now);
            self.pause_or_go_on(now);
        }
    }

    /// When a neighbour that was never met counts as absent.
    pub(super) fn next_link_due(&self) -> Option<Time> {
        let waits = |at: usize| {
            (!self.neighbours[at].met)
                .then(|| self.neighbours[at].useless_since())
                .flatten()
        };
        let due = (0..self.neighbours.len())
            .filter_map(waits)
            .map(|since| since + self.config.join_within);
        let pause = self.paused_since.map(|since| since + self.config.pause_limit);
        let due = due
            .filter(|&due| due > self.settled_at)
            .chain(pause)
            .chain(self.next_adoption())
            .chain(self.next_repair())
            .min();
        due.filter(|_| self.goes_on_without() && !self.has_finished())
    }

    pub(super) fn is_down(&self, now: Time, at: usize) -> bool {
        let neighbour = &self.neighbours[at];
        let since = neighbour.useless_since();
        let is_gone = since.is_some_and(|since| neighbour.met || now >= since + self.config.join_within);
        is_gone || neighbour.behind || neighbour.unfit
    }

    /// Whether there is nothing to say: nobody has said anything yet, and all links that there should be are up.
    fn is_as_planned(&self) -> bool {
        let takes_part =
            self.joining.is_none() && !self.training_hangs() && (self.takes_part_from, self.gives_from) == (0, 0);
        let is_up =
            |neighbour: &Neighbour| neighbour.is_open() && !neighbour.is_extra && !neighbour.behind && !neighbour.unfit;
        self.view.is_quiet() && takes_part && self.suspicions.is_empty() && self.neighbours.iter().all(is_up)
    }

    pub(super) fn tell_links(&mut self, now: Time) {
        if self.is_as_planned() {
            return;
        }
        let of = |keep: &dyn Fn(usize) -> bool| {
            let kept = (0..self.neighbours.len()).filter(|&at| keep(at));
            let mut peers: Vec<u32> = kept.map(|at| self.neighbours[at].peer).collect();
            peers.sort_unstable();
            peers
        };
        let mut down = of(&|at| !self.neighbours[at].is_extra && self.is_down(now, at));
        down.extend(self.unreached());
        down.sort_unstable();
        let extra = of(&|at| {
            let neighbour = &self.neighbours[at];
            neighbour.is_extra && neighbour.is_open() && !neighbour.behind
        });
        // Nobody needs to know unless somebody still waits for those who have left.
        let finished = match self.current.votes.is_empty() && self.current.is_closed() {
            true => Vec::new(),
            false => of(&|at| self.neighbours[at].state == NeighbourState::Departed),
        };
        let own = self.view.own();
        let state = LinkState {
            sequence: own.sequence,
            down,
            extra,
            finished,
            suspects: self.suspects(),
            joining: self.joining.is_some(),
            from: self.takes_part_from,
            gives: match self.joining.is_some() || self.training_hangs() {
                true => GIVES_NOTHING,
                false => self.gives_from,
            },
        };
        if state == own {
            return;
        }
        let sequence = own.sequence + 1;
        let state = LinkState { sequence, ..state };
        if let Some(signed) = self.sign(&Statement::Links(state.clone())) {
            let speaker = self.speaker();
            self.links_heard(now, &speaker, state, None, signed);
        }
    }

    pub(super) fn speaker(&self) -> Speaker {
        let hello = &self.config.hello;
        Speaker {
            run: hello.run,
            attempt: hello.attempt,
            peer: hello.peer,
            incarnation: hello.incarnation,
        }
    }

    pub(super) fn sign(&mut self, statement: &Statement) -> Option<Signed> {
        match self.verifier.sign(statement.encode(&self.speaker())) {
            Ok(signed) => Some(signed),
            Err(why) => {
                self.fail(Failure::Unsigned(why));
                None
            }
        }
    }

    fn links_heard(&mut self, now: Time, of: &Speaker, state: LinkState, from: Option<usize>, signed: Signed) {
        let observer = of.peer;
        let before = self.view.members().clone();
        let was_quiet = self.view.is_quiet();
        let (was_joining, hung) = (self.view.is_joining(observer), self.view.hangs(observer));
        match self.view.hear(observer, of.incarnation, state, signed.clone()) {
            Heard::Nothing => return,
            Heard::News => {}
            Heard::Lie => self
                .actions
                .push_back(Action::Notice(Notice::Contradiction { peer: observer })),
        }
        let notice = match (hung, self.view.hangs(observer)) {
            (false, true) => Some(Notice::Hangs { peer: observer }),
            (true, false) if !self.view.is_joining(observer) => Some(Notice::Trains { peer: observer }),
            _ => None,
        };
        self.actions.extend(notice.map(Action::Notice));
        self.flood(from, &signed);
        if was_quiet {
            self.tell_uplinks_again();
        }
        if let Some(at) = self.find(observer) {
            self.catches_up(now, at, was_joining);
        }
        self.view_changed(now, &before);
    }

    pub(super) fn view_changed(&mut self, now: Time, before: &Bitfield) {
        let members = self.view.members();
        if members == before {
            return;
        }
        let absent = before.iter().filter(|&peer| !members.contains(peer));
        let absent = absent.map(|peer| Notice::Absent {
            peer,
            is_reached: self.view.reaches(peer),
        });
        let back = members.iter().filter(|&peer| !before.contains(peer));
        let notices: Vec<Notice> = absent.chain(back.map(|peer| Notice::Back { peer })).collect();
        self.actions.extend(notices.into_iter().map(Action::Notice));
        self.view_changed_at = now;
    }

    fn pause_or_go_on(&mut self, now: Time) {
        let (present, needed) = (self.present() + self.finished(), self.config.min_peers);
        // Whoever catches up closes no round either, and does not try for ever.
        if present >= needed && self.joining.is_none() || self.has_finished() {
            if self.paused_since.take().is_some() {
                self.actions
                    .push_back(Action::Notice(Notice::Resumed { present, needed }));
            }
            return;
        }
        let since = *self.paused_since.get_or_insert_with(|| {
            self.actions
                .push_back(Action::Notice(Notice::Paused { present, needed }));
            now
        });
        let after = self.config.pause_limit;
        if now >= since + after {
            self.fail(Failure::TooFew { present, needed, after });
        }
    }

    /// Everything that was said, for a neighbour that may not know it.
    pub(super) fn tell_statements(&mut self, at: usize) {
        let mut known: Vec<Signed> = self
            .view
            .statements()
            .chain(self.uplinks.statements())
            .cloned()
            .collect();
        for number in self.window() {
            if let Some(round) = self.round_mut(number) {
                known.extend(round.votes.statements().cloned());
            }
        }
        for signed in known {
            self.send(at, Message::Statement(signed));
        }
    }

    pub(super) fn flood(&mut self, from: Option<usize>, signed: &Signed) {
        self.flood_to(from, signed, |_| true);
    }

    pub(super) fn flood_to(&mut self, from: Option<usize>, signed: &Signed, is_told: impl Fn(usize) -> bool) {
        for at in 0..self.neighbours.len() {
            if Some(at) != from && self.neighbours[at].is_open() && is_told(at) {
                self.send(at, Message::Statement(signed.clone()));
            }
        }
    }

    /// A peer has signed something else where it had signed one thing: it takes part no more.
    fn contradicted(&mut self, now: Time, from: usize, liar: u32, second: &Signed) {
        let before = self.view.members().clone();
        self.actions
            .push_back(Action::Notice(Notice::Contradiction { peer: liar }));
        self.view.convict(liar, second.clone());
        self.flood(Some(from), second);
        self.view_changed(now, &before);
    }

    pub(super) fn got_statement(&mut self, now: Time, at: usize, signed: Signed) -> Result<(), Violation> {
        let (speaker, statement) = Statement::decode(&signed.body, &self.config.limits())?;
        let (of, incarnation) = (speaker.peer, speaker.incarnation);
        let bad = |why: &str| Violation::Statement {
            of,
            why: why.to_owned(),
        };
        if (speaker.run, speaker.attempt) != (self.config.hello.run, self.config.hello.attempt) {
            return Err(bad("it belongs to another run"));
        }
        let is_known = match &statement {
            Statement::Links(_) if incarnation < self.view.incarnation_of(of) => true,
            Statement::Links(_) => self.view.knows(of, &signed.body),
            // What is over, and what is not here yet, is of no use.
            Statement::Vote(_) if self.joining.is_some() => self.has_relayed(&signed),
            Statement::Vote(vote) if vote.round > self.next_number() => true,
            Statement::Vote(vote) => self
                .round_mut(vote.round)
                .is_none_or(|round| round.votes.knows(of, &signed.body)),
            // All is told once more when this peer has caught up, and nobody who takes part is further ahead.
            Statement::Uplink(uplink) => {
                let is_ahead = self.joining.is_some() || uplink.round > self.next_number();
                let known = self.uplinks.known(of, incarnation, uplink.round, &signed);
                is_ahead || self.config.forest.is_none() || self.view.is_liar(of) || known == Known::Yes
            }
        };
        // What this process says comes from itself only, and where a loss ends the run nobody says anything of links.
        let own = self.config.hello.incarnation;
        let is_of_use = self.goes_on_without() || matches!(statement, Statement::Uplink(_));
        if is_known || !is_of_use || of == self.config.me() && incarnation == own {
            return Ok(());
        }
        let signer = Signer { peer: of, incarnation };
        self.verifier.verify(signer, &signed).map_err(|why| bad(&why))?;
        if of == self.config.me() && incarnation > own {
            self.fail(Failure::Superseded {
                own,
                latest: incarnation,
            });
            return Ok(());
        }
        match statement {
            Statement::Links(state) => self.links_heard(now, &speaker, state, Some(at), signed),
            Statement::Uplink(uplink) => match self.uplinks.known(of, incarnation, uplink.round, &signed) {
                Known::Otherwise => self.contradicted(now, at, of, &signed),
                Known::Yes | Known::No => self.uplink_heard(now, &speaker, uplink, Some(at), signed),
            },
            Statement::Vote(_) if self.joining.is_some() => self.relay(at, &signed),
            Statement::Vote(vote) => {
                let number = vote.round;
                let Some(round) = self.round_mut(number) else {
                    return Ok(());
                };
                match round.votes.add(of, incarnation, vote, signed.clone()) {
                    Cast::Nothing => return Ok(()),
                    Cast::News => self.flood(Some(at), &signed),
                    Cast::Lie => self.contradicted(now, at, of, &signed),
                }
                self.agree(now, number);
            }
        }
        Ok(())
    }
}
