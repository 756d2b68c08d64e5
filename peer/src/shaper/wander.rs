//! A delay that wanders.

use std::time::Duration;

use fltorrent_crds::seeds;
use rand_chacha::ChaCha8Rng;

/// Periods of so many times the jitter.
const PERIOD: u32 = 8;

/// A shift that wanders in ±jitter: a value drawn evenly at the end of each period, and straight lines between them.
///
/// The shift changes by less than a quarter of the time that passes, so that packets keep their order, as on a link whose
/// delay varies with the queues on the way. Independent draws would put them out of order, which QUIC takes for losses, or
/// raise the mean delay where the order is kept by force. The variance is two thirds of an even distribution's.
#[derive(Debug)]
pub(super) struct Wander {
    jitter: f64,
    period: f64,
    rng: ChaCha8Rng,
    /// When the period began, in periods since the start.
    index: u64,
    from: f64,
    to: f64,
    last: Duration,
}

impl Wander {
    pub(super) fn new(jitter: Duration, mut rng: ChaCha8Rng) -> Self {
        let mut draw = || 2.0 * seeds::unit(&mut rng) - 1.0;
        let (from, to) = (draw(), draw());
        Self {
            jitter: jitter.as_secs_f64(),
            period: (jitter * PERIOD).as_secs_f64(),
            rng,
            index: 0,
            from,
            to,
            last: Duration::ZERO,
        }
    }

    fn next(&mut self) {
        self.from = self.to;
        self.to = 2.0 * seeds::unit(&mut self.rng) - 1.0;
    }

    /// `time` shifted by what holds at `now`, and not before what was shifted earlier.
    pub(super) fn shift(&mut self, time: Duration, now: Duration) -> Duration {
        if self.jitter == 0.0 {
            return time;
        }
        let position = now.as_secs_f64() / self.period;
        let index = position as u64;
        // After a long silence what was before does not matter.
        for _ in 0..index.saturating_sub(self.index).min(2) {
            self.next();
        }
        self.index = index;
        let part = position - index as f64;
        let shift = self.jitter * (self.from * (1.0 - part) + self.to * part);
        let shifted = if shift < 0.0 {
            time.saturating_sub(Duration::from_secs_f64(-shift))
        } else {
            time + Duration::from_secs_f64(shift)
        };
        // Rounding apart this holds already.
        self.last = self.last.max(shifted);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn shifts(jitter: Duration, count: u32) -> Vec<f64> {
        let mut wander = Wander::new(jitter, seeds::rng(1, "test", 0, 0));
        let mut last = Duration::ZERO;
        (0..count)
            .map(|i| {
                let now = MS * i / 4;
                let due = wander.shift(now + jitter, now);
                assert!(due >= last, "{i}");
                last = due;
                due.as_secs_f64() - (now + jitter).as_secs_f64()
            })
            .collect()
    }

    #[test]
    fn the_delay_stays_within_its_bounds_around_its_mean_and_keeps_the_order() {
        let shifts = shifts(10 * MS, 4_000_000);
        let count = shifts.len() as f64;
        let mean = shifts.iter().sum::<f64>() / count;
        let variance = shifts.iter().map(|shift| shift * shift).sum::<f64>() / count;
        assert!(shifts.iter().all(|shift| shift.abs() <= 0.010_000_1));
        // 12,500 periods: the mean's standard deviation is about 0.05 ms.
        assert!(mean.abs() < 0.000_3, "{mean}");
        // An even distribution has a third of the square, and lines between its values two thirds of that.
        assert!((variance / (2.0 / 9.0 * 0.0001) - 1.0).abs() < 0.1, "{variance}");
    }

    #[test]
    fn without_jitter_nothing_wanders() {
        assert!(shifts(Duration::ZERO, 1000).iter().all(|shift| *shift == 0.0));
    }

    #[test]
    fn a_long_silence_costs_nothing() {
        let mut wander = Wander::new(MS, seeds::rng(1, "test", 0, 0));
        let late = Duration::from_secs(1_000_000_000);
        let shifted = wander.shift(late, late);
        assert!(shifted.abs_diff(late) <= MS);
    }
}
