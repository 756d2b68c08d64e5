//! The process that is killed, found among those of the system by the results folder of its run.

use std::{
    fs, io,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use fltorrent_cli::launcher::Results;
use fltorrent_peer::metrics_file::unix_seconds;
use fltorrent_records::{
    file::lines,
    line::{Event, Line},
};
use rustix::process::{Pid, Signal, kill_process};
use thiserror::Error;

/// Time between two looks at a metrics file.
const INTERVAL: Duration = Duration::from_millis(5);

/// Why nothing was seen of a run.
#[derive(Debug, Error)]
pub(super) enum VictimError {
    #[error("the processes of the system cannot be looked at")]
    Processes(#[from] io::Error),
    #[error("the run ended before it could be measured")]
    Ended,
    #[error("the peer's process could not be killed")]
    Kill(#[source] rustix::io::Errno),
}

/// Waits until a peer has finished so many rounds and some time more, and kills it; gives the time in seconds since 1970.
pub(super) fn kill(
    results: &Path,
    victim: u32,
    rounds: u32,
    later: Duration,
    is_over: &AtomicBool,
) -> Result<f64, VictimError> {
    wait(
        results,
        victim,
        is_over,
        |event| matches!(event, Event::Round(_)),
        rounds,
    )?;
    thread::sleep(later);
    let process = processes(results)?.into_iter().find(|(index, _)| *index == victim);
    let (_, process) = process.ok_or(VictimError::Ended)?;
    kill_process(process, Signal::KILL).map_err(VictimError::Kill)?;
    Ok(unix_seconds(SystemTime::now()))
}

/// Waits until a peer's metrics file has so many events of a kind.
pub(super) fn wait(
    results: &Path,
    peer: u32,
    is_over: &AtomicBool,
    kind: fn(&Event) -> bool,
    times: u32,
) -> Result<(), VictimError> {
    let file = Results::reopen(results).of_peer(peer, "jsonl");
    loop {
        // It is not there before the peer is.
        let found = lines(&file).map_or(0, |lines| {
            lines.flatten().filter(|Line { event, .. }| kind(event)).count()
        });
        if found >= times as usize {
            return Ok(());
        }
        if is_over.load(Ordering::Relaxed) {
            return Err(VictimError::Ended);
        }
        thread::sleep(INTERVAL);
    }
}

/// The peers' processes: those that were given this run's folder.
pub(super) fn processes(results: &Path) -> io::Result<Vec<(u32, Pid)>> {
    let folder = format!("--results={}", results.display());
    let of = |path: &Path| -> Option<(u32, Pid)> {
        let pid = path.file_name()?.to_str()?.parse().ok()?;
        // A process may go while it is looked at.
        let line = String::from_utf8(fs::read(path.join("cmdline")).ok()?).ok()?;
        let mut arguments = line.split('\0');
        let index = arguments
            .clone()
            .find_map(|argument| argument.strip_prefix("--index="))?;
        let is_ours = arguments.any(|argument| argument == folder);
        Some((index.parse().ok()?, Pid::from_raw(pid)?)).filter(|_| is_ours)
    };
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| of(&entry.ok()?.path())).collect())
}
