//! How the training samples are shared out: samples by peer and class.

use fltorrent_crds::{Plan, shards};
use fltorrent_peer::data::Divided;
use serde::Serialize;

/// Samples of a peer below which a note is given.
const FEW: u32 = 10;

/// Samples by peer and class; a text's windows have no class and are counted as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Histogram {
    /// Classes of the data.
    pub classes: u32,
    /// `peers[peer][class]`, `classes` counts a peer.
    pub peers: Vec<Vec<u32>>,
}

impl Histogram {
    /// Counts the training samples.
    pub fn of(plan: &Plan, divided: &Divided) -> Self {
        let classes = plan.data.sample_classes();
        Self {
            classes,
            peers: shards::histogram(&divided.shards, &divided.labels.train, classes),
        }
    }

    /// Samples of each peer.
    pub fn sizes(&self) -> Vec<u32> {
        self.peers.iter().map(|counts| counts.iter().sum()).collect()
    }

    /// Notes about distributions that are valid but may surprise.
    pub fn notes(&self, batch_size: u32) -> Vec<String> {
        let mut notes = Vec::new();
        let sizes = self.sizes();
        let least = sizes.iter().copied().zip(0..).min();
        let Some((samples, peer)) = least else {
            return notes;
        };
        let below = |limit| sizes.iter().filter(|&&size| size < limit).count();
        if samples < FEW {
            notes.push(format!(
                "{} fewer than {FEW} training samples, peer {peer} only {samples}: too few to learn much; a larger \
                 minSamples or alpha, or fewer peers, give more",
                have(below(FEW)),
            ));
        } else if samples < batch_size {
            notes.push(format!(
                "{} fewer training samples than training.batchSize = {batch_size}, peer {peer} only {samples}: one step \
                 is all of a pass there",
                have(below(batch_size)),
            ));
        }
        let lost: Vec<String> = (0..self.classes as usize)
            .filter(|&class| self.peers.iter().all(|counts| counts[class] == 0))
            .take(FEW as usize)
            .map(|class| class.to_string())
            .collect();
        if !lost.is_empty() {
            notes.push(format!("no peer has samples of class {}", lost.join(", ")));
        }
        notes
    }
}

fn have(peers: usize) -> String {
    match peers {
        1 => "1 peer has".to_owned(),
        _ => format!("{peers} peers have"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(peers: &[&[u32]]) -> Histogram {
        Histogram {
            classes: peers[0].len() as u32,
            peers: peers.iter().map(|counts| counts.to_vec()).collect(),
        }
    }

    #[test]
    fn small_shards_and_lost_classes_are_noted() {
        assert_eq!(histogram(&[&[20, 20], &[0, 30]]).notes(30), Vec::<String>::new());
        let small = histogram(&[&[20, 20], &[0, 3], &[9, 0]]).notes(10);
        assert!(small[0].starts_with("2 peers have fewer than 10 training samples, peer 1 only 3"));
        let batch = histogram(&[&[20, 20], &[0, 30]]).notes(32);
        assert!(batch[0].starts_with("1 peer has fewer training samples than training.batchSize = 32"));
        let lost = histogram(&[&[20, 0, 0], &[30, 0, 1]]).notes(1);
        assert_eq!(lost, ["no peer has samples of class 1"]);
    }

    #[test]
    fn it_is_written_as_its_readers_want_it() {
        let text = serde_json::to_string(&histogram(&[&[1, 2], &[3, 4]])).unwrap();
        assert_eq!(text, r#"{"classes":2,"peers":[[1,2],[3,4]]}"#);
    }
}
