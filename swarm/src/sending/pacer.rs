//! A host's uplink, shared by rule: all its connections together send no faster than it carries, so that nothing waits in a queue where its order cannot
//! be changed any more.

use std::time::Duration;

use crate::Time;

/// How long what waits at the uplink may take there: timers are late by a millisecond or two, and it must not run dry meanwhile.
const SLACK: Duration = Duration::from_millis(5);
/// The same in packets on slow links.
const PACKETS: f64 = 2.0;
/// Share of that at which more is sent.
const AGAIN: f64 = 0.5;

/// What all connections of a host have sent, and what its uplink has carried since.
#[derive(Clone, Debug)]
pub struct Pacer {
    /// Bytes a second.
    rate: f64,
    /// Bytes that may wait at the uplink.
    slack: f64,
    /// Bytes that wait at the uplink.
    backlog: f64,
    at: Time,
}

impl Pacer {
    /// `rate` in bytes a second, above zero; `packet` is the size of a full packet with all headers, bytes.
    pub fn new(rate: f64, packet: f64) -> Self {
        Self {
            rate,
            slack: (rate * SLACK.as_secs_f64()).max(PACKETS * packet),
            backlog: 0.0,
            at: Time::ZERO,
        }
    }

    /// So many bytes are sent, headers included.
    pub fn on_sent(&mut self, now: Time, bytes: f64) {
        self.carry(now);
        self.backlog += bytes;
    }

    /// How long what is not urgent has to wait; none where it may go.
    pub fn wait(&mut self, now: Time) -> Option<Duration> {
        self.carry(now);
        let over = self.backlog - self.slack;
        let until = self.backlog - AGAIN * self.slack;
        (over > 0.0).then(|| Duration::from_secs_f64(until / self.rate))
    }

    fn carry(&mut self, now: Time) {
        let carried = now.saturating_sub(self.at).as_secs_f64() * self.rate;
        self.backlog = (self.backlog - carried).max(0.0);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_waits_and_the_rate_is_kept() {
        // 1 Mbit/s, 10 Mbit/s, 1 Gbit/s.
        for (rate, slack) in [(125e3, 3000.0), (1.25e6, 6250.0), (125e6, 625e3)] {
            let mut pacer = Pacer::new(rate, 1500.0);
            let (mut now, mut sent) = (Time::ZERO, 0.0);
            while now < Duration::from_secs(10) {
                match pacer.wait(now) {
                    // A timer that is late.
                    Some(pause) => now += pause + Duration::from_millis(2),
                    None => {
                        pacer.on_sent(now, 1500.0);
                        sent += 1500.0;
                        assert!(pacer.backlog <= slack + 1500.0);
                    }
                }
            }
            let share: f64 = sent / (10.0 * rate);
            assert!((share - 1.0).abs() < 0.01, "{rate}: {share}");
            // What was not used is gone.
            now += Duration::from_secs(100);
            let mut at_once = 0.0;
            while pacer.wait(now).is_none() {
                pacer.on_sent(now, 1500.0);
                at_once += 1500.0;
            }
            assert!(at_once <= slack + 1500.0);
        }
    }
}
