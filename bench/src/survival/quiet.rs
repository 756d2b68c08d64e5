//! What goes over links, and what peers compute, while nobody trains.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    thread,
    time::{Duration, Instant},
};

use fltorrent_crds::Plan;
use fltorrent_records::line::Event;
use rustix::process::Pid;

use super::victim::{VictimError, processes, wait};

/// Time for connections to settle after the last peer hangs, and how long is measured.
const SETTLES: Duration = Duration::from_secs(2);
const MEASURED: Duration = Duration::from_secs(6);

/// The costs of a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quiet {
    /// Packets of a link, both ways.
    pub(super) packets: f64,
    /// Bytes of a link, both ways, with IP headers.
    pub(super) bytes: f64,
    /// CPU milliseconds of a peer.
    pub(super) cpu_ms: f64,
}

/// Counters since some time.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counters {
    packets: u64,
    bytes: u64,
    cpu: f64,
}

impl Quiet {
    /// Measures a run whose training hangs on all peers, on a machine whose loopback nothing else uses.
    pub(super) fn watch(plan: &Plan, results: &Path, is_over: &AtomicBool) -> Result<Self, VictimError> {
        let peers = plan.peers.len() as u32;
        for peer in 0..peers {
            wait(results, peer, is_over, |event| matches!(event, Event::Churn(_)), 1)?;
        }
        thread::sleep(SETTLES);
        let found: Vec<Pid> = processes(results)?.into_iter().map(|(_, process)| process).collect();
        let (began, before) = (Instant::now(), Counters::read(&found)?);
        thread::sleep(MEASURED);
        let (seconds, after) = (began.elapsed().as_secs_f64(), Counters::read(&found)?);
        let ends: usize = plan.peers.iter().map(|peer| peer.neighbours.len()).sum();
        let links = (ends as f64 / 2.0).max(1.0);
        Ok(Self {
            packets: after.packets.saturating_sub(before.packets) as f64 / seconds / links,
            bytes: after.bytes.saturating_sub(before.bytes) as f64 / seconds / links,
            cpu_ms: (after.cpu - before.cpu) * 1e3 / seconds / f64::from(peers),
        })
    }
}

impl Counters {
    fn read(processes: &[Pid]) -> io::Result<Self> {
        let devices = fs::read_to_string("/proc/net/dev")?;
        let unknown = || io::Error::other("/proc/net/dev has no counters of lo");
        let (bytes, packets) = loopback(&devices).ok_or_else(unknown)?;
        let cpu = processes.iter().map(|process| cpu_seconds(*process)).sum();
        Ok(Self { packets, bytes, cpu })
    }
}

/// Bytes and packets that the loopback device has received.
fn loopback(devices: &str) -> Option<(u64, u64)> {
    let line = devices.lines().find_map(|line| line.trim().strip_prefix("lo:"))?;
    let mut figures = line.split_whitespace();
    Some((figures.next()?.parse().ok()?, figures.next()?.parse().ok()?))
}

/// CPU seconds of a process's threads. Clock ticks would be too coarse for a few milliseconds; the scheduler counts nanoseconds.
fn cpu_seconds(process: Pid) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()));
    let of = |path: PathBuf| -> Option<u64> {
        // A thread may go while it is looked at.
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    let threads = tasks.into_iter().flatten().flatten();
    threads.filter_map(|task| of(task.path())).sum::<u64>() as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_the_loopback_device_are_found() {
        let text = "Inter-|   Receive\n face |bytes packets\n    lo: 123 45 0 0 0 0 0 0 123 45\n  eth0: 9 9 0\n";
        assert_eq!(loopback(text), Some((123, 45)));
        assert_eq!(loopback("  eth0: 9 9 0\n"), None);
        assert_eq!(loopback("lo: x 3"), None);
    }
}
