//! The recorded state of an experiment.

use std::collections::BTreeMap;

pub use fltorrent_crds::status::ReplacedState;
use fltorrent_crds::status::Stage;
use jiff::Timestamp;

/// The recorded state of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The stage.
    pub stage: Stage,
    /// The attempt that its pods belong to, from 0.
    pub attempt: u32,
    /// Restarts of all peers because of a failure.
    pub restarts: u32,
    /// Rounds of the checkpoint that this attempt resumes from; 0: from scratch.
    pub resume: u32,
    /// True once pods may have been created: from then on what makes the model cannot be changed.
    pub begun: bool,
    /// Peers of this attempt that were replaced or lost.
    pub replaced: BTreeMap<u32, Replaced>,
}

/// A peer whose first pod of the attempt is not its pod any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replaced {
    /// Which of its pods counts: the first one is 0, each replacement is one more.
    pub incarnation: u32,
    /// Whether that pod was made.
    pub state: ReplacedState,
    /// Replacements in a row that were paid for from the peer's budget: since it finished a round.
    pub used: u32,
    /// All replacements in a row.
    pub row: u32,
    /// Rounds that the peer had reported when it was replaced last.
    pub round: u32,
    /// When that was, in whole seconds; none once it takes part again.
    pub since: Option<Timestamp>,
    /// Kubernetes' word for why.
    pub reason: String,
}

impl Ledger {
    /// True for a final stage.
    pub const fn is_end(&self) -> bool {
        matches!(self.stage, Stage::Complete | Stage::Failed)
    }

    /// Which of a peer's pods counts.
    pub fn incarnation(&self, index: u32) -> u32 {
        self.replaced.get(&index).map_or(0, |peer| peer.incarnation)
    }

    /// True if the peer takes part in this attempt no more.
    pub fn is_lost(&self, index: u32) -> bool {
        self.is_in(index, ReplacedState::Lost)
    }

    /// True if the peer's pod was not made yet.
    pub fn is_due(&self, index: u32) -> bool {
        self.is_in(index, ReplacedState::Replacing)
    }

    /// Replacements of the peer in a row.
    pub fn row(&self, index: u32) -> u32 {
        self.replaced.get(&index).map_or(0, |peer| peer.row)
    }

    /// Number of peers that take part in this attempt no more.
    pub fn lost(&self) -> u32 {
        let lost = self.replaced.values().filter(|peer| peer.state == ReplacedState::Lost);
        u32::try_from(lost.count()).unwrap_or(u32::MAX)
    }

    /// All replacements of this attempt, for the names of events.
    pub fn replacements(&self) -> u64 {
        self.replaced.values().map(|peer| u64::from(peer.incarnation)).sum()
    }

    /// Number of peers that were replaced and have not finished a round since.
    pub fn away(&self) -> usize {
        self.replaced.values().filter(|peer| peer.row > 0).count()
    }

    /// The same in another stage.
    #[must_use]
    pub fn in_stage(&self, stage: Stage) -> Self {
        Self { stage, ..self.clone() }
    }

    /// The same in another attempt, in which nobody was replaced yet.
    #[must_use]
    pub fn in_attempt(&self, attempt: u32) -> Self {
        let replaced = match attempt == self.attempt {
            true => self.replaced.clone(),
            false => BTreeMap::new(),
        };
        Self {
            attempt,
            replaced,
            ..self.clone()
        }
    }

    fn is_in(&self, index: u32, state: ReplacedState) -> bool {
        self.replaced.get(&index).is_some_and(|peer| peer.state == state)
    }
}
