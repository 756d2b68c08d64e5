//! How much a connection may have on its way: Cubic (RFC 9438) as quinn runs it or the control of a declared rate, and
//! round-trip times (RFC 9002).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    Time,
    sending::{self, ACKNOWLEDGED_TOGETHER, RateAware, WindowBound, first_window, least_bound},
};

const BETA: f64 = 0.7;
const GROWTH: f64 = 0.4;
/// A round-trip time before the first was measured.
const FIRST_RTT: Duration = Duration::from_millis(100);
/// How long an acknowledgement may be held back.
pub(super) const ACK_DELAY: Duration = Duration::from_millis(25);
/// Least difference that a clock tells.
const GRANULARITY: Duration = Duration::from_millis(1);

/// Smoothed round-trip time.
#[derive(Clone, Copy, Debug)]
pub(super) struct RoundTrip {
    smoothed: Option<Duration>,
    variance: Duration,
    latest: Duration,
}

impl RoundTrip {
    pub(super) const fn new() -> Self {
        Self {
            smoothed: None,
            variance: Duration::from_millis(50),
            latest: FIRST_RTT,
        }
    }

    pub(super) fn add(&mut self, sample: Duration) {
        self.latest = sample;
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.variance = sample / 2;
            }
            Some(smoothed) => {
                self.variance = (self.variance * 3 + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
            }
        }
    }

    pub(super) fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(FIRST_RTT)
    }

    /// How long an acknowledgement is waited for before something is sent to provoke one.
    pub(super) fn patience(&self) -> Duration {
        self.smoothed() + (self.variance * 4).max(GRANULARITY) + ACK_DELAY
    }

    /// A packet that old counts as lost once a later one was acknowledged.
    pub(super) fn reordering(&self) -> Duration {
        (self.smoothed().max(self.latest) * 9 / 8).max(GRANULARITY)
    }
}

/// The uplink's state that all connections of a peer share, where the peer goes by its rate.
#[derive(Clone, Debug)]
pub(super) struct Uplink {
    link: Arc<Mutex<sending::Uplink>>,
    /// Packets that are acknowledged together.
    together: u32,
}

impl Uplink {
    /// Connections that share it by turns need no acknowledgement of every second packet to go on.
    pub(super) fn new(link: sending::Uplink) -> Self {
        Self {
            together: if link.is_by_turns() { ACKNOWLEDGED_TOGETHER } else { 2 },
            link: Arc::new(Mutex::new(link)),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, sending::Uplink> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The congestion window of a connection: the least of those that it has.
#[derive(Debug)]
pub(super) struct Window {
    /// Found by losses, where nobody declares the uplink's rate.
    pub(super) search: Option<Cubic>,
    /// From the uplink's rate.
    pub(super) aware: Option<(RateAware, Uplink)>,
}

impl Window {
    /// Bytes that may be on their way.
    pub(super) fn bytes(&self) -> u64 {
        let found = self.search.as_ref().map(Cubic::window);
        let carried = self.aware.as_ref().map(|(aware, uplink)| aware.window(&uplink.lock()));
        found.into_iter().chain(carried).min().unwrap_or(u64::MAX)
    }

    /// Packets that are acknowledged together: as the real peer asks for, or every second one.
    pub(super) fn acknowledged_together(&self) -> u32 {
        let aware = self.aware.as_ref();
        aware.map_or(ACKNOWLEDGED_TOGETHER, |(_, uplink)| uplink.together)
    }

    pub(super) fn on_sent(&mut self, now: Time, bytes: u32) {
        if let Some((aware, uplink)) = &mut self.aware {
            aware.on_sent(&mut uplink.lock(), now, bytes.into());
        }
    }

    /// `bytes` that were sent at `sent` are acknowledged; `is_busy` unless the window waited for something to send.
    pub(super) fn on_ack(&mut self, now: Time, sent: Time, bytes: u32, rtt: Duration, is_busy: bool) {
        if let Some(search) = &mut self.search {
            search.on_ack(now, sent, bytes, rtt, is_busy);
        }
        if let Some((aware, uplink)) = &mut self.aware {
            let took = now.saturating_sub(sent);
            aware.on_ack(&mut uplink.lock(), now, bytes.into(), took, rtt);
        }
    }

    /// A packet that was sent at `sent` was lost.
    pub(super) fn on_loss(&mut self, now: Time, sent: Time, bytes: u32) {
        if let Some(search) = &mut self.search {
            search.on_loss(now, sent);
        }
        if let Some((aware, uplink)) = &mut self.aware {
            aware.on_loss(&mut uplink.lock(), now, bytes.into(), false);
        }
    }

    /// Bytes on their way after losses and acknowledgements.
    pub(super) fn set_in_flight(&mut self, bytes: u32) {
        if let Some((aware, uplink)) = &mut self.aware {
            aware.set_in_flight(&mut uplink.lock(), bytes.into());
        }
    }
}

/// A congestion window that is found by losses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cubic {
    /// Bytes of a packet.
    packet: f64,
    window: f64,
    bound: WindowBound,
    threshold: f64,
    recovery: Option<Time>,
    most: f64,
    /// Seconds until the window is what it was before the last loss.
    until_most: f64,
    gained: f64,
}

impl Cubic {
    pub(super) fn new(neighbours: usize, packet: u32) -> Self {
        Self {
            packet: packet.into(),
            window: first_window(neighbours) as f64,
            bound: WindowBound::new(least_bound(neighbours)),
            threshold: f64::INFINITY,
            recovery: None,
            most: 0.0,
            until_most: 0.0,
            gained: 0.0,
        }
    }

    /// Bytes that may be on their way.
    fn window(&self) -> u64 {
        self.bound.limit(self.window as u64)
    }

    /// `bytes` that were sent at `sent` are acknowledged; `is_busy` unless the window waited for something to send.
    fn on_ack(&mut self, now: Time, sent: Time, bytes: u32, rtt: Duration, is_busy: bool) {
        self.bound.on_ack(now, bytes.into(), now.saturating_sub(sent));
        let may_grow = is_busy && self.bound.lets_grow(self.window as u64);
        if !may_grow || self.recovery.is_some_and(|since| sent <= since) {
            return;
        }
        if self.window < self.threshold {
            self.window += f64::from(bytes);
            return;
        }
        let since = *self.recovery.get_or_insert_with(|| {
            self.most = self.window;
            self.until_most = 0.0;
            now
        });
        let elapsed = now.saturating_sub(since).as_secs_f64();
        let rtt = rtt.as_secs_f64().max(1e-6);
        let packets = self.most / self.packet;
        let cubic = (GROWTH * (elapsed + rtt - self.until_most).powi(3) + packets) * self.packet;
        let friendly = (packets * BETA + 3.0 * (1.0 - BETA) / (1.0 + BETA) * elapsed / rtt) * self.packet;
        let aim = if cubic < friendly {
            self.window.max(friendly)
        } else {
            self.window + (cubic - self.window).max(0.0) / self.window * self.packet
        };
        self.gained += aim - self.window;
        if self.gained >= self.packet {
            self.window += self.packet;
            self.gained = 0.0;
        }
    }

    /// A packet that was sent at `sent` was lost; one loss counts for all that was on its way.
    fn on_loss(&mut self, now: Time, sent: Time) {
        self.bound.on_loss();
        if self.recovery.is_some_and(|since| sent <= since) {
            return;
        }
        self.recovery = Some(now);
        self.most = if self.window < self.most {
            self.window * (1.0 + BETA) / 2.0
        } else {
            self.window
        };
        self.threshold = (self.window * BETA).max(2.0 * self.packet);
        self.window = self.threshold;
        self.until_most = (self.most / self.packet * (1.0 - BETA) / GROWTH).cbrt();
        self.gained *= BETA;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_window_doubles_until_the_first_loss_and_then_comes_back_as_the_cubic_does() {
        let mut cubic = Cubic::new(100, 1000);
        cubic.window = 10_000.0;
        let rtt = 1000 * MS;
        cubic.on_ack(rtt, Time::ZERO, 10_000, rtt, true);
        assert!((cubic.window - 20_000.0).abs() < 1e-9);
        cubic.on_loss(rtt, MS);
        cubic.on_loss(rtt, 2 * MS);
        assert!((cubic.window - 14_000.0).abs() < 1e-9, "one loss counts once");
        let mut now = rtt;
        while cubic.window < 19_000.0 {
            let sent = now;
            now += rtt;
            for _ in 0..(cubic.window / 1000.0) as u32 {
                cubic.on_ack(now, sent.max(rtt + MS), 1000, rtt, true);
            }
        }
        let until_most = (20.0_f64 * 0.3 / 0.4).cbrt();
        let took = (now - rtt).as_secs_f64();
        assert!(
            took <= until_most + 2.0 && took >= until_most - 1.0,
            "{took} {until_most}"
        );
    }

    #[test]
    fn patience_follows_the_round_trip() {
        let mut rtt = RoundTrip::new();
        for _ in 0..100 {
            rtt.add(20 * MS);
        }
        assert!((rtt.smoothed().as_secs_f64() - 0.02).abs() < 1e-6);
        assert!(rtt.patience() < 50 * MS && rtt.reordering() == rtt.smoothed().max(20 * MS) * 9 / 8);
    }
}
