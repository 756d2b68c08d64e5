//! One peer's view of the exchange: all rounds that matter now, all neighbours, what to do next.
//!
//! A peer whose current round is c serves c − 1 until its neighbours have completed it, exchanges c, and keeps what
//! neighbours announce of c + 1. More skew cannot happen among honest peers: to complete c + 1 a peer needs an update
//! of every origin, and an origin makes one only after it has completed c.

mod check;
mod choking;
mod closing;
mod dispatch;
mod downloads;
mod ending;
mod flapping;
mod getters;
mod gossip;
mod helping;
mod idle;
mod joining;
mod lease;
mod lengths;
mod links;
mod metainfos;
mod moving;
mod outputs;
mod places;
mod processes;
mod recalls;
mod repairs;
mod serving;
mod settle;
mod stalled;
mod standing;
mod suspicion;
mod timers;
mod uplinks;
mod uploads;
mod window;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

pub use outputs::{
    Action, Adoption, Bottleneck, Departure, EndCause, Failure, Notice, Owed, Recall, RoundEnd, Stats, Violation, Wait,
};

pub use serving::Precedence;

use joining::Joining;
use lease::Lease;
use lengths::Lengths;
use metainfos::Hearers;
use repairs::Repairs;
use settle::Follows;
use suspicion::Suspicions;
use uplinks::Uplinks;
use window::new_round;

use crate::{
    Time,
    choke::Choker,
    config::{Beginning, Config},
    cuts::has_cut_vertex,
    early_stop::{Convergence, EarlyStop},
    message::{Hello, Message, State},
    metainfo::{Signed, Verifier},
    neighbour::{Neighbour, NeighbourState},
    round::Round,
    suppliers::Suppliers,
    view::View,
};

/// One peer's view of the exchange.
pub struct Swarm {
    config: Arc<Config>,
    verifier: Box<dyn Verifier>,
    neighbours: Vec<Neighbour>,
    previous: Option<Round>,
    current: Round,
    /// None until a neighbour speaks of it.
    next: Option<Box<Round>>,
    choker: Choker,
    /// When the exchange of the current round began here: its own update was published.
    published_at: Option<Time>,
    /// When this peer went on to the current round.
    round_began_at: Time,
    /// When a chunk of it was last added.
    last_news: Time,
    /// How long the last rounds took here.
    lengths: Lengths,
    lease: Lease,
    /// Who takes part.
    view: View,
    view_changed_at: Time,
    /// Peers that took part in the last round and gave nothing.
    laggards: BTreeSet<u32>,
    repairs: Repairs,
    /// Since when too few take part.
    paused_since: Option<Time>,
    round_end: Option<RoundEnd>,
    /// The end of the round before that one.
    end_before: Option<RoundEnd>,
    /// The last round of which it has signed an update, and the last one on which it has voted, with the ballot.
    signed_round: Option<u32>,
    last_ballots: BTreeMap<u32, u32>,
    /// The round from which on this peer takes part, and the first one of which it gives an update.
    takes_part_from: u32,
    gives_from: u32,
    suspicions: Suspicions,
    returns: flapping::Returns,
    /// As they were before the last model was taken over.
    returns_before: flapping::Returns,
    /// This peer catches up with the others.
    joining: Option<Joining>,
    /// Origins that are more than a round ahead, and in which one, as they have signed.
    origins_ahead: BTreeMap<u32, u32>,
    /// What it goes on from, until others have certified that.
    adopted: Option<Adoption>,
    /// Its update, which waits for that.
    unpublished: Option<Signed>,
    /// Models that were offered and that the others have not signed.
    refused: BTreeSet<[u8; 32]>,
    /// A model for those who catch up.
    offer: Option<State>,
    /// One that was released with its round.
    offered: Option<State>,
    /// The round whose model was made for them last.
    made: Option<u32>,
    /// The round whose model the driver keeps, so that it can be offered without the round's chunks.
    kept_model: Option<u32>,
    /// Whether the loss of one peer may separate others, of whom this peer knows nothing but by way of it.
    may_fall_apart: bool,
    /// Rounds below this are released.
    released: u32,
    /// The number of the last [`Recall`].
    last_recall: u64,
    early_stop: Option<EarlyStop>,
    /// Why the current round is the last one although the plan has more.
    convergence: Option<Convergence>,
    ended: bool,
    /// Who supplies what, as in the last round that followed trees.
    suppliers: Option<Arc<Suppliers>>,
    uplinks: Uplinks,
    /// Time of the last input, and of the last one whose consequences were all looked at.
    latest: Time,
    settled_at: Time,
    actions: VecDeque<Action>,
    stats: Stats,
}

impl Swarm {
    /// A peer at the start of its first round, without connections.
    pub fn new(config: Config, verifier: Box<dyn Verifier>, now: Time) -> Self {
        let neighbours: Vec<Neighbour> = config
            .neighbours
            .iter()
            .map(|&peer| Neighbour::new(peer, now))
            .collect();
        let choker = Choker::new(
            config.choke_policy.rule(),
            config.upload_slots,
            config.unchoke_interval,
            config.optimistic_interval,
            now,
        );
        let first = config.first_round();
        let current = new_round(&config, first, neighbours.len());
        // Whoever is next to all others knows when all are done.
        let is_next_to_all = config.neighbours.len() as u32 + 1 >= config.peers;
        let may_fall_apart = !is_next_to_all && has_cut_vertex(&config.topology);
        let catches_up = matches!(config.beginning, Beginning::CatchUp(_));
        let mut swarm = Self {
            view: View::new(
                config.me(),
                config.peers,
                Arc::clone(&config.topology),
                Arc::clone(&config.late),
            ),
            view_changed_at: now,
            round_began_at: now,
            last_news: now,
            lengths: Lengths::default(),
            lease: Lease::default(),
            laggards: BTreeSet::new(),
            repairs: Repairs::default(),
            paused_since: None,
            round_end: None,
            end_before: None,
            signed_round: None,
            last_ballots: BTreeMap::new(),
            takes_part_from: 0,
            gives_from: 0,
            suspicions: Suspicions::default(),
            returns: flapping::Returns::default(),
            returns_before: flapping::Returns::default(),
            origins_ahead: BTreeMap::new(),
            joining: None,
            adopted: None,
            unpublished: None,
            refused: BTreeSet::new(),
            offer: None,
            offered: None,
            made: None,
            kept_model: None,
            may_fall_apart,
            early_stop: config.early_stop,
            convergence: None,
            uplinks: Uplinks::new(config.forest.as_ref().map_or(0, |_| config.peers)),
            config: Arc::new(config),
            verifier,
            neighbours,
            previous: None,
            current,
            next: None,
            choker,
            published_at: None,
            released: first,
            last_recall: 0,
            ended: false,
            suppliers: None,
            latest: now,
            settled_at: now,
            actions: VecDeque::new(),
            stats: Stats::default(),
        };
        if catches_up {
            let begins = swarm.config.has_first_model;
            swarm.begin_to_join(first, begins, 0);
        }
        swarm.view.set_round(first);
        swarm.follow_trees();
        swarm
    }

    /// Goes on to the next round, after the current one was completed. Calls before that, and after the last round, do
    /// nothing.
    pub fn begin_round(&mut self, now: Time) {
        if !self.current.is_closed() || self.is_last() || self.ended {
            return;
        }
        // Everybody who takes part has published the current round or voted on it, hence closed the one before: it is over,
        // even where a neighbour's word of that is still on its way.
        self.release_previous();
        // Whatever this peer went on from, what it has folded since is what the others have.
        (self.adopted, self.unpublished) = (None, None);
        // One that was taken over is of a round that this peer has never had.
        if let Some(State { round, .. }) = self.offer.take() {
            for neighbour in &mut self.neighbours {
                neighbour.queue.retain(|(_, chunk)| chunk.round != round);
            }
            self.actions.push_back(Action::Release { round });
        }
        let over = self.enter_next(now);
        self.previous = Some(over);
        self.undo_repairs(now);
        // All neighbours are far enough for what some may have been too far behind to hear.
        for at in 0..self.neighbours.len() {
            if self.neighbours[at].is_open() {
                self.tell_metainfos(at, self.current.number, Hearers::Further);
            }
        }
        let number = self.current.number;
        self.agree(now, number);
        self.settle(now);
    }

    /// The next round is the current one from now on; gives the one before.
    fn enter_next(&mut self, now: Time) -> Round {
        let next = self.next.take().map(|next| *next);
        let next = next.unwrap_or_else(|| new_round(&self.config, self.next_number(), self.neighbours.len()));
        let over = std::mem::replace(&mut self.current, next);
        self.published_at = None;
        self.origins_ahead.clear();
        (self.round_began_at, self.last_news) = (now, now);
        self.lease.begin(now);
        for neighbour in &mut self.neighbours {
            neighbour.ahead = None;
            neighbour.haves.clear();
            neighbour.haves_due = None;
            (neighbour.backlog, neighbour.came_at, neighbour.offers_since) = (0, None, None);
            (neighbour.is_idle, neighbour.is_told_idle) = (false, false);
        }
        let before = self.view.members().clone();
        self.view.set_round(self.current.number);
        self.view_changed(now, &before);
        self.follow_trees();
        self.recall_all();
        over
    }

    /// This peer's own update of the current round, whose chunks the driver has stored.
    pub fn publish(&mut self, now: Time, signed: Signed) {
        let me = self.config.me();
        // What it has trained for is over.
        if self.joining.is_some() {
            return;
        }
        let known = match self.verifier.read(signed, self.config.layout.chunks()) {
            Ok(known) => known,
            // Every neighbour would refuse it, and all would wait for this peer for ever.
            Err(error) => return self.fail(Failure::Unpublishable(error)),
        };
        let is_current = known.parsed.origin == me && known.parsed.round == self.current.number;
        if !is_current || !self.gives() || self.current.metainfo(me).is_some() {
            return;
        }
        let counts = self.config.counts.as_deref();
        let counts = counts.and_then(|counts| counts.get(me as usize));
        if let Some(Err(what)) = counts.map(|counts| counts.check(&known.parsed)) {
            return self.fail(Failure::Miscounted(what));
        }
        if self.adopted.is_some() {
            self.unpublished = Some(known.signed.clone());
            return self.publish_when_certified(now);
        }
        self.published_at = Some(now);
        self.lease.end(now);
        self.signed_round = Some(known.parsed.round);
        self.adopt_metainfo(now, known, None);
        for index in 0..self.config.layout.chunks() {
            self.hold(now, me * self.config.layout.chunks() + index, None);
        }
        self.close_when_done(now);
        self.settle(now);
    }

    /// A connection to a neighbour is there; the other side is known to be it.
    pub fn handle_connected(&mut self, now: Time, peer: u32) {
        let Some(at) = self.admit(now, peer) else {
            return;
        };
        let since = self.neighbours[at].useless_since().unwrap_or(now);
        self.drop_neighbour(now, at, NeighbourState::Greeting { since });
        let round = self.current.number;
        let hello = Hello {
            round,
            catches_up: self.joining.is_some(),
            ..self.config.hello.clone()
        };
        self.send(at, Message::Hello(hello));
        self.settle(now);
    }

    /// The connection to a neighbour is gone.
    pub fn handle_disconnected(&mut self, now: Time, peer: u32, departure: Departure) {
        let Some(at) = self.find(peer) else { return };
        match departure {
            Departure::Finished if self.has_finished() => {
                self.current.add_closed(at);
                self.drop_neighbour(now, at, NeighbourState::Departed);
            }
            Departure::Finished if self.goes_on_without() && self.is_last() => {
                self.drop_neighbour(now, at, NeighbourState::Departed);
                self.end_when_left_alone();
            }
            Departure::Finished => {
                self.went_away(now, at, "it left before this peer was complete".to_owned());
            }
            Departure::Failed(why) if self.goes_on_without() => {
                self.went_away(now, at, format!("its run has failed: {why}"));
            }
            // What this peer sees for itself counts more than a word.
            Departure::Failed(message) => {
                self.fail(self.models_differ().unwrap_or(Failure::Neighbour { peer, message }))
            }
            Departure::Broken(why) => self.went_away(now, at, why),
        }
        self.settle(now);
    }

    /// A connection could not be made; kept to say why when the neighbour counts as lost.
    pub fn handle_unreachable(&mut self, peer: u32, reason: String) {
        let Some(at) = self.find(peer) else { return };
        if let NeighbourState::Away { why, .. } = &mut self.neighbours[at].state {
            *why = reason;
        }
    }

    /// A message came from a neighbour.
    pub fn handle_message(&mut self, now: Time, peer: u32, message: Message) {
        let Some(at) = self.find(peer) else { return };
        match self.dispatch(now, at, message) {
            Ok(Follows::Nothing) => self.latest = now,
            Ok(Follows::Requests) => self.settle_haves(now, at),
            Ok(Follows::OnlyRequests) => self.settle_metainfo(now),
            Ok(Follows::Uploads) => self.settle_uploads(now),
            Ok(Follows::Anything) => self.settle(now),
            Err(violation) if self.is_left_behind(at, &violation) => self.settle(now),
            Err(violation) => {
                self.violated(now, at, violation);
                self.settle(now);
            }
        }
    }

    /// Bytes of a neighbour were no message.
    pub fn handle_garbage(&mut self, now: Time, peer: u32, error: crate::message::DecodeError) {
        let Some(at) = self.find(peer) else { return };
        self.violated(now, at, Violation::Decode(error));
        self.settle(now);
    }

    /// The driver's next task; call until `None` after every input.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn greeted(&mut self, now: Time, at: usize, theirs: &Hello) -> Result<(), Violation> {
        let peer = self.neighbours[at].peer;
        self.config.hello.check(theirs, peer)?;
        self.show_successor(at, theirs.incarnation)?;
        if std::mem::replace(&mut self.neighbours[at].incarnation, theirs.incarnation) != theirs.incarnation {
            self.forget_process(at);
        }
        self.neighbours[at].met = true;
        self.neighbours[at].catches_up = theirs.catches_up;
        self.neighbours[at].unfit = false;
        self.neighbours[at].state = NeighbourState::Open;
        self.neighbours[at].waiting_since = now;
        self.neighbours[at].missed = theirs.round.saturating_add(1) < self.current.number;
        if self.goes_on_without() {
            let (round, ours) = (theirs.round, self.current.number);
            let joins = theirs.catches_up || self.view.is_joining(peer);
            self.neighbours[at].behind = round.saturating_add(1) < ours && !joins;
            if !theirs.catches_up {
                self.others_are_in(now, round);
            }
            if round > ours + 1 && round < self.config.rounds {
                self.note_ahead(at, round);
            }
        }
        self.tell_everything(at);
        self.current.open_to(at);
        Ok(())
    }

    fn violated(&mut self, now: Time, at: usize, violation: Violation) {
        // What was on its way when the connection went is nobody's fault.
        if !self.neighbours[at].is_connected() {
            return;
        }
        self.stats.violations += 1;
        let neighbour = &mut self.neighbours[at];
        neighbour.at_fault_since.get_or_insert(now);
        neighbour.unfit |= matches!(violation, Violation::Hello(_));
        let peer = neighbour.peer;
        self.went_away(now, at, violation.to_string());
        self.actions.push_back(Action::Disconnect { peer, violation });
    }

    /// Undoes everything that belonged to a connection.
    fn drop_neighbour(&mut self, now: Time, at: usize, state: NeighbourState) {
        let outstanding: Vec<u32> = self.neighbours[at]
            .outstanding
            .values()
            .map(|request| request.position)
            .collect();
        self.neighbours[at].reset(state, now);
        self.forget_offer(at);
        for position in outstanding {
            self.current.give_up(position, at);
        }
        self.rounds_mut().for_each(|round| round.forget_neighbour(at));
    }

    fn send(&mut self, at: usize, message: Message) {
        self.actions.push_back(Action::Send {
            to: self.neighbours[at].peer,
            message,
        });
    }
}
