//! The live view of a run: what the peers write into their metrics files, as a table that is redrawn in place.
//!
//! It reads files only, so it costs the peers nothing and shows peers whoever started them.

mod board;
mod columns;
mod draw;
mod format;
mod peer;
#[cfg(test)]
mod samples;
mod screen;
mod tail;
mod view;

use std::{
    io,
    time::{Duration, SystemTime},
};

use crossterm::event::{Event, EventStream};
use fltorrent_crds::Plan;
use fltorrent_peer::metrics_file::unix_seconds;
use futures_core::Stream;
use rustix::process::{Signal, kill_current_process_group};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, Interval, MissedTickBehavior, interval, timeout_at},
};

use self::{
    board::Board,
    draw::{Look, draw},
    format::Glyphs,
    screen::Screen,
    tail::Tail,
    view::{Command, View},
};
use crate::{launcher::Results, output::Description};

/// Time between two looks at the files, and so between two pictures.
const TICK: Duration = Duration::from_millis(100);

/// Longest time that this process may take to stop when it is told to; a session's leader does not stop.
const STOP_TIME: Duration = Duration::from_secs(1);

/// A request of the user that the view cannot serve itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserRequest {
    /// The run shall end, as by Ctrl-C.
    Interrupt,
    /// Plain lines instead of the view.
    Plain,
}

/// The screen that the view draws on.
enum Display {
    /// The terminal is ours.
    Up(Screen),
    /// This process was told to stop, and somebody else has the terminal until it is continued.
    Stopped {
        continued: tokio::signal::unix::Signal,
        /// When it goes on in any case.
        until: Instant,
    },
}

/// A view that is up. Dropping it gives the terminal back.
pub struct Live {
    display: Display,
    keys: EventStream,
    ticks: Interval,
    board: Board,
    /// Neighbours of each peer in the plan.
    topology: Vec<Vec<u32>>,
    tails: Vec<Tail>,
    buffer: Vec<u8>,
    view: View,
    look: Look,
    /// Something to show is new.
    is_stale: bool,
    /// The second of the last picture: the clock goes on when nothing else does.
    second: u64,
}

impl Live {
    /// True if there is a terminal for it.
    pub fn is_possible() -> bool {
        screen::is_there()
    }

    /// Takes the terminal. Must be called within a tokio runtime that drives time. `started` is when the command began, and `first_round` is
    /// what the run begins with.
    ///
    /// # Errors
    /// When the terminal does not do what is asked; it is as it was then.
    pub fn open(
        plan: &Plan,
        description: &Description,
        results: &Results,
        started: SystemTime,
        first_round: u32,
    ) -> io::Result<Self> {
        let degrees: Vec<u32> = plan
            .peers
            .iter()
            .map(|peer| u32::try_from(peer.neighbours.len()).unwrap_or(u32::MAX))
            .collect();
        let tails = plan
            .peers
            .iter()
            .map(|peer| Tail::new(&results.of_peer(peer.index, "jsonl")))
            .collect();
        let mut board = Board::new(description, &degrees, plan.liveness.min_peers, unix_seconds(started));
        plan.late(first_round).for_each(|(peer, _)| board.begin_without(peer));
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            display: Display::Up(Screen::open()?),
            keys: EventStream::new(),
            ticks,
            board,
            topology: plan.peers.iter().map(|peer| peer.neighbours.clone()).collect(),
            tails,
            buffer: Vec::new(),
            view: View::default(),
            look: Look {
                colour: screen::has_colour(),
                glyphs: if screen::is_utf8() {
                    Glyphs::UNICODE
                } else {
                    Glyphs::ASCII
                },
            },
            is_stale: true,
            second: 0,
        })
    }

    /// So many peers listen.
    pub fn ready(&mut self, ready: usize) {
        self.board.ready = ready;
        self.is_stale = true;
    }

    /// A peer has ended before the run; the others go on.
    pub fn lost(&mut self, peer: u32) {
        let neighbours = self.topology.get(peer as usize);
        let now = unix_seconds(SystemTime::now());
        self.board.lose(peer, neighbours.map_or(&[], Vec::as_slice), now);
        self.is_stale = true;
    }

    /// Another process takes the place of a peer's that died.
    pub fn restarted(&mut self, peer: u32) {
        self.board.restart(peer, unix_seconds(SystemTime::now()));
        self.is_stale = true;
    }

    /// Draws and takes keys until one is pressed that the view cannot serve. Nothing is lost when this future is dropped.
    pub async fn next(&mut self) -> UserRequest {
        loop {
            // A future that was dropped meanwhile left the rest of a stop to this one.
            if self.go_on().await.is_err() {
                return UserRequest::Plain;
            }
            let event = tokio::select! {
                _ = self.ticks.tick() => match self.look_and_draw() {
                    Ok(()) => continue,
                    // The terminal has gone; lines may go elsewhere.
                    Err(_) => return UserRequest::Plain,
                },
                event = std::future::poll_fn(|context| Pin::new(&mut self.keys).poll_next(context)) => event,
            };
            // Keys and new sizes are seen at the next tick.
            self.is_stale = true;
            let wanted = match event {
                Some(Ok(Event::Key(key))) => self.view.key(key),
                Some(Ok(_)) => None,
                Some(Err(_)) | None => return UserRequest::Plain,
            };
            match wanted {
                Some(Command::Interrupt) => return UserRequest::Interrupt,
                Some(Command::Plain) => return UserRequest::Plain,
                Some(Command::Suspend) if self.suspend().is_err() => return UserRequest::Plain,
                Some(Command::Suspend) | None => {}
            }
        }
    }

    /// Stops this process and whatever shares its job, as Ctrl-Z does where a program leaves the terminal alone. The peers
    /// are in groups of their own and go on meanwhile.
    fn suspend(&mut self) -> io::Result<()> {
        // Assigned before the signal: whatever was there has given the terminal back by then.
        self.display = Display::Stopped {
            continued: signal(SignalKind::from_raw(Signal::CONT.as_raw()))?,
            until: Instant::now() + STOP_TIME,
        };
        kill_current_process_group(Signal::TSTP)?;
        Ok(())
    }

    /// Takes the terminal again after a stop. Other events end this future again and again, so all it knows is in `display`.
    async fn go_on(&mut self) -> io::Result<()> {
        let Display::Stopped { continued, until } = &mut self.display else {
            return Ok(());
        };
        timeout_at(*until, continued.recv()).await.ok();
        // It may go on in the background.
        if !screen::is_there() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.display = Display::Up(Screen::open()?);
        Ok(())
    }

    fn look_and_draw(&mut self) -> io::Result<()> {
        for (peer, tail) in (0..).zip(&mut self.tails) {
            tail.read(&mut self.buffer, |line| {
                self.board.take(peer, line.time, &line.event);
                self.is_stale = true;
            });
        }
        let now = unix_seconds(SystemTime::now());
        let is_due = self.is_stale || now as u64 != self.second;
        match &mut self.display {
            Display::Up(screen) if is_due => {
                (self.is_stale, self.second) = (false, now as u64);
                let (board, view, look) = (&self.board, &mut self.view, self.look);
                screen.draw(|area, buffer| draw(area, buffer, board, view, look, now))
            }
            _ => Ok(()),
        }
    }
}
