//! What a process does to itself since the plan says so.

use std::{process, thread, time::Duration};

use rustix::process::{Signal, getpid, kill_process};

/// What a shell and a container runtime say of a process that SIGKILL has ended.
const KILLED: i32 = 128 + 9;

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
