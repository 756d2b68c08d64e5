//! The invariants of a round, checked by going through all of it.

use super::{ChunkState, Round};

impl Round {
    /// `Err` names the first invariant that does not hold.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut in_flight = 0;
        for position in 0..self.held.len() {
            self.check_chunk(position)
                .map_err(|what| format!("round {}, chunk {position}: {what}", self.number))?;
            in_flight += u32::from(matches!(self.state(position), ChunkState::InFlight { .. }));
        }
        if in_flight != self.in_flight {
            return Err(format!(
                "round {}: {in_flight} chunks are in flight, {} were counted",
                self.number, self.in_flight
            ));
        }
        for (link, view) in self.links.iter().enumerate() {
            let has = |position: &u32| view.has.contains(*position);
            let interesting = (0..self.held.len())
                .filter(|position| has(position) && !self.held.contains(*position))
                .count();
            let askable = self.wanted.iter().filter(|key| has(&key.2)).count();
            if (interesting, askable) != (view.interesting as usize, view.askable as usize) {
                return Err(format!(
                    "round {}, link {link}: counted {} interesting and {} askable, there are {interesting} and {askable}",
                    self.number, view.interesting, view.askable
                ));
            }
        }
        Ok(())
    }

    fn check_chunk(&self, position: u32) -> Result<(), String> {
        let state = self.state(position);
        let known = self.metainfo(position / self.chunks).is_some();
        let holders = self
            .links
            .iter()
            .filter(|view| view.has.contains(position))
            .count();
        if holders != self.availability[position as usize] as usize {
            return Err(format!(
                "{holders} links have it, another number was counted"
            ));
        }
        let wanted = self.wanted.iter().filter(|key| key.2 == position).count();
        let should = usize::from(state == ChunkState::Missing && known && holders > 0);
        if wanted != should || should != usize::from(self.wanted.contains(&self.key(position))) {
            return Err(format!("it is wanted {wanted} times as {state:?}"));
        }
        if (state == ChunkState::Held) != self.held.contains(position) {
            return Err(format!("it is {state:?}, the bitfield says otherwise"));
        }
        if state != ChunkState::Missing && !known {
            return Err(format!("it is {state:?} without a metainfo"));
        }
        match state {
            ChunkState::InFlight { first, second } if second == Some(first) => {
                Err("one link was asked twice".to_owned())
            }
            _ => Ok(()),
        }
    }
}
