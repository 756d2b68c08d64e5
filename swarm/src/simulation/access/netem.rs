//! The way from a peer's uplink to the others' downlinks, as Linux's `tc-netem` emulates it.

use std::time::Duration;

use crate::{Time, selection::mix, simulation::Access};

/// Delay, how far it wanders, and loss; what is drawn follows from a seed.
#[derive(Clone, Debug)]
pub(super) struct Netem {
    delay: Duration,
    jitter: Duration,
    loss: f64,
    seed: u64,
    packets: u64,
    /// When the packet before arrives: none overtakes it.
    last: Time,
}

impl Netem {
    pub(super) fn new(access: &Access, seed: u64) -> Self {
        Self {
            delay: access.delay,
            jitter: access.jitter,
            loss: access.loss,
            seed,
            packets: 0,
            last: Time::ZERO,
        }
    }

    pub(super) fn delay(&self) -> Duration {
        self.delay
    }

    pub(super) fn loss(&self) -> f64 {
        self.loss
    }

    /// When what leaves the uplink at `left` arrives, were nothing ever lost.
    pub(super) fn cross_whole(&mut self, left: Time) -> Time {
        self.packets += 1;
        self.wander(left)
    }

    /// When a packet that leaves the uplink at `left` arrives; none when it is lost.
    pub(super) fn cross(&mut self, left: Time) -> Option<Time> {
        self.packets += 1;
        if self.loss > 0.0 && self.draw(0) < self.loss {
            return None;
        }
        Some(self.wander(left))
    }

    fn wander(&mut self, left: Time) -> Time {
        let mut at = left + self.delay;
        if !self.jitter.is_zero() {
            let wanders = self.jitter.mul_f64(2.0 * self.draw(1));
            at = (at + wanders).saturating_sub(self.jitter).max(left).max(self.last);
            self.last = at;
        }
        at
    }

    /// A number of 0..1 for the packet.
    fn draw(&self, purpose: u64) -> f64 {
        let drawn = mix(self.seed ^ mix(2 * self.packets + purpose));
        (drawn >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn netem(jitter: u64, loss: f64) -> Netem {
        let access = Access {
            delay: Duration::from_millis(10),
            jitter: Duration::from_millis(jitter),
            loss,
            ..Access::default()
        };
        Netem::new(&access, 7)
    }

    #[test]
    fn the_delay_wanders_within_its_bounds_and_packets_keep_their_order() {
        let mut netem = netem(4, 0.0);
        let times: Vec<Time> = (0..2000)
            .map(|at| netem.cross(Time::from_millis(20 * at)).unwrap() - Time::from_millis(20 * at))
            .collect();
        let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(*least < Time::from_micros(6100) && *least >= Time::from_millis(6));
        assert!(*most > Time::from_micros(13_900) && *most <= Time::from_millis(14));
        let mut last = Time::ZERO;
        for at in 0..1000 {
            let arrives = netem.cross(Time::from_micros(40_000_000 + 100 * at)).unwrap();
            assert!(arrives >= last);
            last = arrives;
        }
    }

    #[test]
    fn so_many_packets_are_lost() {
        let mut netem = netem(0, 0.1);
        let came = (0..10_000).filter(|_| netem.cross(Time::ZERO).is_some()).count();
        assert!((8850..9150).contains(&came), "{came}");
    }
}
