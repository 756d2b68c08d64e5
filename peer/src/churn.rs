//! What a process does to itself since the plan says so.

use std::{path::Path, process, thread, time::Duration};

use fltorrent_records::{
    file,
    line::{Event, Line},
};
use fltorrent_swarm::churn::Past;
use rustix::process::{Signal, getpid, kill_process};

/// What a shell and a container runtime say of a process that SIGKILL has ended.
const KILLED: i32 = 128 + 9;
/// Exit code of a process that ends so that another one takes its place, as the manifest says: that uses up no restart.
pub const RESTARTS: u8 = 6;

/// Called with the round before a process dies for good, since whoever started it hears of it in no other way.
pub type LastWord = Box<dyn Fn(u32) + Send>;

/// The thread does nothing for so long, or for ever.
pub fn stand_still(lasts: Option<Duration>) {
    match lasts {
        Some(lasts) => thread::sleep(lasts),
        None => loop {
            thread::park();
        },
    }
}

/// What is said of a peer whose end the manifest has asked for.
#[must_use]
pub fn reason(round: u32) -> String {
    format!("in round {}, as `churn` says", round + 1)
}

/// Ends the process as a crash would: its neighbours hear nothing, and no core is left.
pub fn die(round: u32) -> ! {
    // For whoever started it.
    eprintln!("error: {}", reason(round));
    kill_process(getpid(), Signal::KILL).ok();
    // A container's first process is not killed by its own signals.
    process::exit(KILLED)
}

/// Ends the process as a crash would, so that another one takes its place: whoever looks after it knows that by the code.
pub fn make_room(round: u32) -> ! {
    eprintln!("error: {}", reason(round));
    process::exit(RESTARTS.into())
}

/// What the processes before have done to themselves, as the peer's metrics file says. `now` is in seconds since 1970.
#[must_use]
pub fn past(metrics_file: &Path, processes: u32, now: f64) -> Past {
    let lines = file::lines(metrics_file).into_iter().flatten().flatten();
    past_of(lines, processes, now)
}

fn past_of(lines: impl Iterator<Item = Line>, processes: u32, now: f64) -> Past {
    let (mut done, mut first, mut is_known) = (Vec::new(), None, false);
    for Line { time, event } in lines {
        is_known = true;
        match event {
            Event::Churn(churned) => done.push((churned.event, churned.round)),
            Event::Training(_) => drop(first.get_or_insert(time)),
            // What was before counts for no process of this run.
            Event::Resumed(_) => {
                done.clear();
                first = None;
            }
            _ => {}
        }
    }
    Past {
        processes,
        done: is_known.then_some(done),
        trained_for: first.map_or(Duration::ZERO, |first| {
            // A clock that was set back tells nothing.
            Duration::try_from_secs_f64(now - first).unwrap_or_default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use fltorrent_records::{line::InRound, survival::Churned};
    use fltorrent_swarm::churn::ChurnKind;

    use super::*;

    #[test]
    fn the_next_process_knows_what_was_done_and_when_the_first_one_began() {
        let churned = |event, round| {
            Event::Churn(Churned {
                event,
                round,
                lasts: None,
            })
        };
        let lines = [
            (90.0, Event::Training(InRound { round: 0 })),
            (91.0, churned(ChurnKind::Pause, 0)),
            (95.0, Event::Resumed(InRound { round: 2 })),
            (100.0, Event::Training(InRound { round: 2 })),
            (101.0, churned(ChurnKind::Wedge, 3)),
            (103.0, Event::Training(InRound { round: 3 })),
            (107.5, churned(ChurnKind::Restart, 4)),
        ];
        let of = |count: usize, now| {
            let lines = lines.iter().take(count).cloned();
            past_of(lines.map(|(time, event)| Line { time, event }), 1, now)
        };
        let expected = Past {
            processes: 1,
            done: Some(vec![(ChurnKind::Wedge, 3), (ChurnKind::Restart, 4)]),
            trained_for: Duration::from_secs(12),
        };
        assert_eq!(of(7, 112.0), expected);
        assert_eq!(of(7, 99.0).trained_for, Duration::ZERO);
        let nothing = Past {
            done: None,
            trained_for: Duration::ZERO,
            ..expected
        };
        assert_eq!(of(0, 112.0), nothing);
        assert_eq!(past(Path::new("/nowhere/peer-0.jsonl"), 1, 112.0), nothing);
    }
}
