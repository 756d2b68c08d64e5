//! A peer whose links come and go: each time that it falls behind and comes back, all others change what they wait for.

/// Rounds within which a peer that comes back again flaps.
const WINDOW: u32 = 8;
/// Most rounds of which a flapping peer gives no update.
const MOST: u32 = 16;

/// The returns of this peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Returns {
    /// The round from which on it gave updates again.
    last: Option<u32>,
    /// Rounds that it stayed out then.
    out: u32,
}

impl Returns {
    /// The peer takes part again from a round on; gives how many rounds it stays out: none the first time, and twice as many as before each
    /// time that it comes back soon. Nobody waits for its updates meanwhile, and it takes part in everything else.
    pub(super) fn note(&mut self, round: u32) -> u32 {
        let flaps = self.last.is_some_and(|last| round <= last.saturating_add(WINDOW));
        self.out = match flaps {
            true => self.out.saturating_mul(2).clamp(1, MOST),
            false => 0,
        };
        self.last = Some(round.saturating_add(self.out));
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_again_and_again_stays_out_for_longer_and_longer() {
        let mut returns = Returns::default();
        let out: Vec<u32> = [5, 8, 10, 15, 25, 40, 70].map(|round| returns.note(round)).into();
        assert_eq!(out, [0, 1, 2, 4, 8, 16, 0]);
        assert_eq!(returns.note(78), 1);
        assert_eq!(returns.note(u32::MAX), 0);
    }

    #[test]
    fn who_comes_back_after_a_long_time_gives_at_once() {
        let mut returns = Returns::default();
        assert_eq!([1, 10, 19, 28].map(|round| returns.note(round)), [0; 4]);
    }
}
