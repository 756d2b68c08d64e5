//! What processes cost: CPU time and resident memory, from `/proc`.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use fltorrent_peer::metrics_file::unix_seconds;
use rustix::param::{clock_ticks_per_second, page_size};
use tokio::process::Child;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// The costs of some processes so far.
#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// Unix time, seconds.
    time: f64,
    /// CPU seconds.
    cpu: f64,
    /// Bytes in memory.
    memory: u64,
}

/// Looks at processes again and again.
#[derive(Debug)]
pub(super) struct Meter {
    processes: Vec<u32>,
    samples: Vec<Sample>,
}

impl Meter {
    pub(super) fn of(children: &[Child]) -> Self {
        Self::new(children.iter().filter_map(Child::id).collect())
    }

    fn new(processes: Vec<u32>) -> Self {
        Self {
            processes,
            samples: Vec::new(),
        }
    }

    /// Looks at them until it is dropped.
    pub(super) async fn watch(&mut self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    fn look(&mut self) {
        let mut sample = Sample {
            time: unix_seconds(SystemTime::now()),
            ..Sample::default()
        };
        for process in &self.processes {
            // One that has gone cannot be looked at any more.
            if let Some((cpu, memory)) = stat(*process) {
                sample.cpu += cpu;
                sample.memory += memory;
            }
        }
        self.samples.push(sample);
    }

    /// CPU seconds between two times, as far as all processes were there.
    pub(super) fn cpu(&self, from: f64, to: f64) -> f64 {
        (self.cpu_until(to) - self.cpu_until(from)).max(0.0)
    }

    fn cpu_until(&self, time: f64) -> f64 {
        let before = self.samples.iter().take_while(|sample| sample.time <= time);
        before.map(|sample| sample.cpu).fold(0.0, f64::max)
    }

    /// Most bytes that they had in memory together.
    pub(super) fn memory(&self) -> u64 {
        self.samples.iter().map(|sample| sample.memory).max().unwrap_or(0)
    }
}

/// CPU seconds and bytes in memory of a process, by proc(5).
fn stat(process: u32) -> Option<(f64, u64)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name may have blanks and parentheses in it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)?;
    Some((
        ticks as f64 / clock_ticks_per_second() as f64,
        number(21)? * page_size() as u64,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_somewhere_in_memory_and_has_computed() {
        let (cpu, memory) = stat(std::process::id()).unwrap();
        assert!(cpu >= 0.0 && memory > 1 << 16);
        assert!(stat(0).is_none());
    }

    #[test]
    fn cpu_is_what_was_added_between_two_times() {
        let mut meter = Meter::new(Vec::new());
        for (time, cpu) in [(1.0, 0.5), (2.0, 1.5), (3.0, 4.0)] {
            meter.samples.push(Sample { time, cpu, memory: 7 });
        }
        assert!((meter.cpu(1.2, 3.0) - 3.5).abs() < 1e-9);
        assert_eq!(meter.memory(), 7);
    }
}
