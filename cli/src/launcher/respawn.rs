//! Peers whose processes died, and the processes that take their places.
//!
//! The next process of a peer is started soon, later each time that no round came of it, and not for ever. It listens where the one before
//! it did, so that nobody has to learn where it is.

mod processes;

use std::{ffi::OsString, fmt, path::PathBuf, time::Duration};

use fltorrent_crds::{
    Announcement, Bindings, Interval,
    plan::{ChurnKind, OnPeerLoss},
};
use fltorrent_peer::process::{LEFT, NO_USE, RESTARTS};
use serde::Serialize;
use tokio::time::Instant;

use super::{
    Event, Exit, LaunchError, Launcher, PeerFailure, Setup,
    journal::{closed_by, last_churn},
    peer_arguments, rounds_of,
};
use crate::counts::counted;
pub(super) use processes::Respawns;

/// A process that takes the place of one that died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerRestart {
    /// The peer.
    pub peer: u32,
    /// Which process of the peer it is: 1 for the second.
    pub incarnation: u32,
    /// Rounds that the peer had finished.
    pub rounds: u32,
    /// Why the one before ended, as far as is known.
    pub reason: String,
    /// How many more times it is restarted unless it closes a round.
    pub left: u32,
    /// Path of its log.
    #[serde(skip)]
    pub log: PathBuf,
}

impl fmt::Display for PeerRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reason, rounds, left, ..
        } = self;
        let (rounds, left) = (
            counted(*rounds as usize, "finished round"),
            counted(*left as usize, "restart"),
        );
        let log = self.log.display();
        write!(
            f,
            "{reason}, after {rounds}: it is restarted, with {left} left until it closes a round; its log: {log}"
        )
    }
}

impl Exit {
    /// Whether another process in its place could do better.
    fn may_be_repeated(&self) -> bool {
        let status = self.status.as_ref();
        status.is_ok_and(|status| ![LEFT, NO_USE].map(|code| Some(code.into())).contains(&status.code()))
    }

    /// Whether it made room for another one, as the manifest says.
    fn makes_room(&self) -> bool {
        let status = self.status.as_ref();
        status.is_ok_and(|status| status.code() == Some(RESTARTS.into()))
    }
}

impl Launcher {
    /// A peer's process has ended.
    pub(super) fn exited(&mut self, exit: Exit) -> Result<Option<Event>, LaunchError> {
        let (index, starts) = (exit.index, !self.bindings.is_empty());
        let fails = starts || self.setup.plan.on_peer_loss == OnPeerLoss::Fail;
        let failure = (!exit.succeeded() || starts).then(|| PeerFailure::of(&exit, &self.setup.results));
        let (may_be_repeated, makes_room) = (exit.may_be_repeated(), exit.makes_room());
        self.note_exit(exit);
        let event = match failure {
            Some(failure) if fails => return Err(LaunchError::Peer(failure)),
            Some(_) if self.is_given_up(index) => None,
            Some(failure) if makes_room && self.finished() == 0 => {
                self.restart_as_planned(failure);
                None
            }
            Some(failure) => self.restart_or_lose(failure, may_be_repeated),
            None => {
                self.restart_nobody();
                self.join_nobody("when the others finished");
                None
            }
        };
        self.join_nobody_alone();
        self.note_who_is_left_alone();
        Ok(event)
    }

    /// Another process takes a peer's place while it is of use: once somebody has come to the end, no round begins that it could take part in.
    fn restart_or_lose(&mut self, mut failure: PeerFailure, may_be_repeated: bool) -> Option<Event> {
        let index = failure.index;
        let Setup { plan, results, .. } = &self.setup;
        let churn = last_churn(results, index).map(|churned| churned.event);
        let is_of_use = may_be_repeated && self.finished() == 0 && !churn.is_some_and(ChurnKind::is_last);
        let (restarts, closed) = (plan.restarts, closed_by(results, index));
        let processes = self.respawns.of(index);
        if let Some(refused) = processes.refused.take() {
            failure.reason = format!("peer {index} did not announce itself: {refused}");
        }
        match processes.wait(closed, restarts).filter(|_| is_of_use) {
            Some(wait) => {
                self.restart_in(wait, failure);
                None
            }
            None => {
                if is_of_use && restarts > 0 {
                    failure.reason += &format!("; after {restarts} restarts it had closed no round");
                }
                Some(self.lose(failure))
            }
        }
    }

    /// The manifest says that another process takes the peer's place, and after which time: that uses up no restart.
    fn restart_as_planned(&mut self, failure: PeerFailure) {
        let results = &self.setup.results;
        let churn = last_churn(results, failure.index);
        let wait = churn.and_then(|churned| churned.lasts).map(Interval::get);
        let closed = closed_by(results, failure.index);
        self.respawns.of(failure.index).plan(closed);
        self.restart_in(wait.unwrap_or_default(), failure);
    }

    fn restart_in(&mut self, wait: Duration, failure: PeerFailure) {
        let index = failure.index;
        self.respawns.of(index).next = Some((Instant::now() + wait, failure));
        self.wait_not_for(index);
    }

    fn restart_nobody(&mut self) {
        for failure in self.respawns.give_up() {
            let lost = self.lose(failure);
            self.waiting.push_back(lost);
        }
    }

    /// Starts the processes whose time has come.
    pub(super) fn start_again(&mut self) {
        let now = Instant::now();
        for index in (0..).take(self.exits.len()) {
            let next = &mut self.respawns.of(index).next;
            if let Some((_, failure)) = next.take_if(|(at, _)| *at <= now) {
                let event = self.restart(failure);
                self.waiting.extend(event);
            }
        }
        // One that cannot be started is lost without another exit.
        self.join_nobody_alone();
    }

    fn restart(&mut self, failure: PeerFailure) -> Option<Event> {
        let index = failure.index;
        let processes = self.respawns.of(index);
        processes.count();
        let (incarnation, in_a_row) = (processes.incarnation, processes.in_a_row);
        let arguments = self.arguments_again(index, incarnation);
        match self.spawn(index, &arguments) {
            Ok(line) => {
                self.respawns.of(index).line = Some(line);
                self.exits[index as usize] = None;
                let Self { setup, .. } = &self;
                Some(Event::Restarted(Box::new(PeerRestart {
                    peer: index,
                    incarnation,
                    rounds: rounds_of(&setup.results, index, setup.plan.training.rounds),
                    reason: failure.reason,
                    left: setup.plan.restarts.saturating_sub(in_a_row),
                    log: failure.log,
                })))
            }
            Err(error) => {
                let reason = format!("peer {index} could not be restarted: {error}");
                self.restart_or_lose(PeerFailure { reason, ..failure }, true)
            }
        }
    }

    fn arguments_again(&self, index: u32, incarnation: u32) -> Vec<OsString> {
        let address = self.announcements[index as usize].as_ref();
        let listen = address.map(|peer| format!("--listen={}", peer.address));
        let own = listen.into_iter().chain([format!("--incarnation={incarnation}")]);
        let mut arguments = peer_arguments(&self.setup, index);
        arguments.splice(1..1, own.map(OsString::from));
        arguments
    }

    /// A process that takes the place of another one listens. It is told what that one was told, or nothing, which ends it.
    pub(super) fn announced_again(&mut self, index: u32, announcement: Result<Announcement, String>) {
        let announcement = match announcement {
            Ok(announcement) if self.joins.contains(index) => return self.announced_early(index, announcement),
            announcement => announcement,
        };
        let processes = self.respawns.of(index);
        let (line, incarnation) = (processes.line.take(), processes.incarnation);
        let answer = announcement.and_then(|announcement| self.answer_again(index, incarnation, &announcement));
        match (answer, line) {
            // One that is gone already says so by its exit.
            (Ok(answer), Some(line)) => drop(line.send(answer)),
            (Ok(_), None) => {}
            (Err(reason), _) => self.respawns.of(index).refused = Some(reason),
        }
    }

    pub(super) fn answer_again(
        &self,
        index: u32,
        incarnation: u32,
        announcement: &Announcement,
    ) -> Result<Vec<u8>, String> {
        if announcement.index != index {
            return Err(format!("it says that it is peer {}", announcement.index));
        }
        let bindings = self.respawns.bindings.clone().ok_or("nobody is told anything yet")?;
        let bindings = Bindings {
            incarnation,
            ..bindings
        };
        self.line(&bindings, announcement).map_err(|error| crate::chain(&error))
    }

    /// Whether a peer's process took the place of another one, or has joined, and has closed no round yet.
    pub(super) fn is_coming_back(&self, index: u32) -> bool {
        let is_late = self
            .setup
            .plan
            .late(self.setup.resume.unwrap_or(0))
            .any(|(late, _)| late == index);
        self.respawns
            .is_coming_back(index, is_late, || closed_by(&self.setup.results, index))
    }
}
