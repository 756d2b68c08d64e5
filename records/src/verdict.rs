//! Why no model of a run counts.

use serde::{Deserialize, Serialize};

/// An offence, proven by signatures of members, after which the run cannot continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Offence {
    /// An origin signed two different updates for one round.
    Equivocation,
    /// An origin signed counts that do not follow from the plan.
    Miscount,
    /// Peers trained a round from different models; which of them is right cannot be told.
    ModelsDiffer,
    /// One that a later version knows.
    #[serde(other)]
    Unknown,
}

/// Why no model of a run counts. The peer's log has what was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The offence.
    pub offence: Offence,
    /// The origin that is convicted by its own signature; none where it is not known who is at fault.
    pub origin: Option<u32>,
    /// The round, from 0.
    pub round: u32,
}
