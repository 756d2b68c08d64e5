//! Whether datagrams are handed to the kernel together (GSO).
//!
//! Together they cost a quarter of the CPU time, but travel through a queue of the kernel as one: on a slow link ten of them
//! take as long as the whole queue may, are lost together, and are acknowledged together, so that a mesh of eight over 10 Mbit/s
//! takes 1.16 instead of 1.10 times as long as it must (docs/benchmarks.md). So they go together where much is sent, and where
//! it is the CPU that is short, whatever the reason.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    time::{Duration, Instant},
};

/// How much is sent, and how busy the thread is that sends.
#[derive(Debug)]
pub(super) struct Load {
    rate: Rate,
    cpu: Cpu,
}

impl Load {
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            rate: Rate::begin(now),
            cpu: Cpu::begin(now),
        }
    }

    /// So many bytes were handed over by this thread.
    pub(super) fn add(&mut self, now: Instant, bytes: usize) {
        self.rate.add(now, bytes);
        self.cpu.look(now);
    }

    /// Whether there is more to do than with one datagram at a time.
    pub(super) fn is_high(&self) -> bool {
        self.rate.is_high || self.cpu.is_short
    }
}

/// How much is sent, to tell a slow link from a fast one.
#[derive(Clone, Copy, Debug)]
struct Rate {
    since: Instant,
    bytes: usize,
    /// More was sent than a slow link carries, in the interval before or in this one.
    is_high: bool,
}

impl Rate {
    const INTERVAL: Duration = Duration::from_millis(10);
    /// 100 Mbit/s.
    const HIGH: usize = 125_000;

    fn begin(now: Instant) -> Self {
        Self {
            since: now,
            bytes: 0,
            is_high: false,
        }
    }

    fn add(&mut self, now: Instant, bytes: usize) {
        let passed = now.saturating_duration_since(self.since);
        if passed >= Self::INTERVAL {
            *self = Self {
                since: now,
                bytes: 0,
                is_high: self.bytes >= Self::HIGH && passed < 2 * Self::INTERVAL,
            };
        }
        self.bytes += bytes;
        self.is_high |= self.bytes >= Self::HIGH;
    }
}

/// How much of its time the thread computes or waits for a CPU, which is how a machine with more peers than cores looks.
#[derive(Debug)]
struct Cpu {
    /// The scheduler's account of the thread; none before the first look and where the kernel keeps none.
    account: Option<File>,
    is_open: bool,
    since: Instant,
    busy: Duration,
    is_short: bool,
}

impl Cpu {
    const INTERVAL: Duration = Duration::from_millis(50);

    fn begin(now: Instant) -> Self {
        Self {
            account: None,
            is_open: false,
            since: now,
            busy: Duration::ZERO,
            is_short: false,
        }
    }

    fn look(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.since);
        if passed < Self::INTERVAL {
            return;
        }
        if !self.is_open {
            self.is_open = true;
            self.account = File::open("/proc/thread-self/schedstat").ok();
        }
        if let Some(busy) = self.account.as_ref().and_then(busy) {
            self.note(now, busy);
        }
    }

    /// The thread has computed or waited for a CPU so long since it began.
    fn note(&mut self, now: Instant, busy: Duration) {
        let passed = now.saturating_duration_since(self.since);
        self.is_short = 2 * busy.saturating_sub(self.busy) >= passed;
        (self.since, self.busy) = (now, busy);
    }
}

/// Time on a CPU and waiting for one: the first two numbers, in nanoseconds (Documentation/scheduler/sched-stats.rst).
fn busy(account: &File) -> Option<Duration> {
    let mut text = [0; 64];
    let length = account.read_at(&mut text, 0).ok()?;
    let text = std::str::from_utf8(text.get(..length)?).ok()?;
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    let (running, waiting) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(Duration::from_nanos(running.checked_add(waiting)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_link_is_slow_until_much_is_sent_and_again_when_nothing_was() {
        let start = Instant::now();
        let mut rate = Rate::begin(start);
        // 10 Mbit/s.
        for millisecond in 0..100 {
            rate.add(start + ms(millisecond), 1250);
            assert!(!rate.is_high);
        }
        // 1 Gbit/s.
        for millisecond in 100..200 {
            rate.add(start + ms(millisecond), 125_000);
            assert!(rate.is_high || millisecond == 100);
        }
        rate.add(start + ms(1000), 1250);
        assert!(!rate.is_high);
    }

    #[test]
    fn the_cpu_is_short_while_the_thread_has_no_rest() {
        let start = Instant::now();
        let mut cpu = Cpu::begin(start);
        for (at, busy, expected) in [(50, 10, false), (100, 40, true), (150, 80, true)] {
            cpu.note(start + ms(at), ms(busy));
            assert_eq!(cpu.is_short, expected, "after {at} ms");
        }
        cpu.note(start + ms(1150), ms(400));
        assert!(!cpu.is_short);
    }

    #[test]
    fn the_account_grows_with_what_the_thread_computes() {
        let account = File::open("/proc/thread-self/schedstat").unwrap();
        let first = busy(&account).unwrap();
        let mut value = 1u64;
        while busy(&account).unwrap() == first {
            value = std::hint::black_box(value.wrapping_mul(3));
        }
        assert!(busy(&File::open("/dev/null").unwrap()).is_none());
    }
}
