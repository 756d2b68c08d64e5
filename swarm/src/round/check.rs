//! The invariants of a round, checked by going through all of it.

use super::{ChunkState, Round};

impl Round {
    /// `Err` names the first invariant that does not hold.
    pub(crate) fn check(&self) -> Result<(), String> {
        for position in 0..self.held.len() {
            self.check_chunk(position)
                .map_err(|what| format!("round {}, chunk {position}: {what}", self.number))?;
        }
        let mut all: Vec<u32> = self.wanted.iter().map(|(_, rank)| rank).collect();
        all.sort_unstable();
        if all.windows(2).any(|two| two[0] == two[1]) {
            return Err(format!("round {}: a chunk is wanted twice", self.number));
        }
        for (neighbour, view) in self.neighbours.iter().enumerate() {
            let has = |position: &u32| view.has.contains(self.order.rank(*position));
            let told = (0..self.held.len()).filter(has);
            if !told.eq((0..self.held.len()).filter(|&at| self.has(neighbour, at))) {
                return Err(format!(
                    "round {}, neighbour {neighbour}: what it has was noted in two ways",
                    self.number
                ));
            }
            let interesting = (0..self.held.len())
                .filter(|position| has(position) && !self.held.contains(*position))
                .count();
            let wanted = self.wanted.iter();
            let askable = wanted.filter(|&(_, rank)| view.has.contains(rank)).count();
            if (interesting, askable) != (view.interesting as usize, view.askable as usize) {
                return Err(format!(
                    "round {}, neighbour {neighbour}: counted {} interesting and {} askable, there are {interesting} and {askable}",
                    self.number, view.interesting, view.askable
                ));
            }
        }
        Ok(())
    }

    fn check_chunk(&self, position: u32) -> Result<(), String> {
        let state = self.state(position);
        let known = self.metainfo(position / self.chunks).is_some();
        let rank = self.order.rank(position);
        let wanted = self.wanted.contains(self.level(position), rank);
        let holders = self.holders.count(position);
        let may_ask = self.may_ask_for(position / self.chunks);
        if wanted != (state == ChunkState::Missing && may_ask && holders > 0) {
            return Err(format!("it is {state:?}, and wanted: {wanted}"));
        }
        if self.held.contains(position) && self.in_flight.contains_key(&position) {
            return Err("it is held and in flight".to_owned());
        }
        if state != ChunkState::Missing && !known {
            return Err(format!("it is {state:?} without a metainfo"));
        }
        match state {
            ChunkState::InFlight { first, second } if second == Some(first) => {
                Err("one neighbour was asked twice".to_owned())
            }
            _ => Ok(()),
        }
    }
}
