use std::collections::HashMap;

use crate::limits::MAX_PEERS;

/// What a column of the data says of each training sample, by which a division may group them.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    values: Vec<Vec<u8>>,
    places: HashMap<Vec<u8>, u32>,
    of: Vec<u32>,
}

impl Groups {
    /// Adds what is said of the next sample. Beyond the most peers of an experiment different values count as one, which bounds the
    /// memory.
    pub fn push(&mut self, value: &[u8]) {
        let next = self.values.len() as u32;
        let place = match self.places.get(value) {
            Some(&place) => place,
            None if next > MAX_PEERS => MAX_PEERS,
            None => {
                self.places.insert(value.to_vec(), next);
                self.values.push(value.to_vec());
                next
            }
        };
        self.of.push(place);
    }

    /// The different values in the order in which they first come.
    pub fn values(&self) -> &[Vec<u8>] {
        &self.values
    }

    /// For each sample the place of its value.
    pub fn of(&self) -> &[u32] {
        &self.of
    }

    /// BLAKE3 of all of it.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        for &place in &self.of {
            let value = &self.values[place as usize];
            hasher.update(&(value.len() as u64).to_le_bytes());
            hasher.update(value);
        }
        *hasher.finalize().as_bytes()
    }
}
