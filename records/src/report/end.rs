//! How a round ended, in the few bytes of a report.

use fltorrent_crds::experiment::MAX_PEERS;
use serde::{Deserialize, Serialize};

use crate::survival::{Cause, RoundEnd};

/// Missing peers that a report names; of more it has the number.
pub const NAMED: usize = 8;

/// How a round ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReportedEnd {
    /// What ended it.
    pub cause: Cause,
    /// Peers of whose update nothing is in the model.
    #[serde(default, skip_serializing_if = "Missing::is_none")]
    pub missing: Missing,
    /// True if no more than half of all peers have signed that they ended the round before alike.
    #[serde(default, skip_serializing_if = "is_false")]
    pub uncertified_before: bool,
}

impl ReportedEnd {
    /// Whether there is nothing to say, as of most rounds.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&RoundEnd> for ReportedEnd {
    fn from(end: &RoundEnd) -> Self {
        Self {
            cause: end.cause,
            missing: Missing::of(&end.missing),
            uncertified_before: end.certified_before == Some(false),
        }
    }
}

/// How many peers are missing, and the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Missing {
    count: u32,
    first: [u32; NAMED],
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    count: u32,
    first: Vec<u32>,
}

impl Missing {
    /// These, which ascend.
    pub fn of(peers: &[u32]) -> Self {
        let mut first = [0; NAMED];
        for (place, peer) in first.iter_mut().zip(peers) {
            *place = *peer;
        }
        Self {
            count: u32::try_from(peers.len()).unwrap_or(u32::MAX),
            first,
        }
    }

    /// How many.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The first of them, ascending.
    pub fn first(&self) -> &[u32] {
        let named = NAMED.min(self.count as usize);
        &self.first[..named]
    }

    /// Whether a peer may be one of them: of many it is known of the first only.
    pub fn may_have(&self, peer: u32) -> bool {
        let first = self.first();
        let beyond = self.count as usize > NAMED && first.last().is_some_and(|last| peer > *last);
        beyond || first.binary_search(&peer).is_ok()
    }

    /// True if nobody is missing.
    pub const fn is_none(&self) -> bool {
        self.count == 0
    }
}

impl From<Missing> for Written {
    fn from(missing: Missing) -> Self {
        Self {
            count: missing.count,
            first: missing.first().to_vec(),
        }
    }
}

impl TryFrom<Written> for Missing {
    type Error = String;

    fn try_from(Written { count, first }: Written) -> Result<Self, String> {
        let ascends = first.is_sorted_by(|a, b| a < b) && first.last().is_none_or(|last| *last < MAX_PEERS);
        match ascends && count <= MAX_PEERS && first.len() == NAMED.min(count as usize) {
            true => Ok(Self {
                count,
                ..Self::of(&first)
            }),
            false => Err(format!(
                "expected a count up to {MAX_PEERS}, and of so many peers the first {NAMED}, ascending"
            )),
        }
    }
}

const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_pinned_and_survives() {
        let many: Vec<u32> = (0..12).map(|peer| peer * 3).collect();
        for (missing, uncertified_before, text) in [
            (&[][..], false, r#"{"cause":"deadline"}"#),
            (
                &[2, 5],
                false,
                r#"{"cause":"deadline","missing":{"count":2,"first":[2,5]}}"#,
            ),
            (
                &many,
                true,
                r#"{"cause":"deadline","missing":{"count":12,"first":[0,3,6,9,12,15,18,21]},"uncertifiedBefore":true}"#,
            ),
        ] {
            let end = RoundEnd {
                round: 3,
                cause: Cause::Deadline,
                missing: missing.to_vec(),
                present: 4,
                certified_before: Some(!uncertified_before),
                bottleneck: None,
            };
            let reported = ReportedEnd::from(&end);
            assert_eq!(serde_json::to_string(&reported).unwrap(), text);
            assert_eq!(serde_json::from_str::<ReportedEnd>(text).unwrap(), reported);
            assert!(!reported.is_usual());
            assert_eq!(reported.missing.count() as usize, missing.len());
            assert_eq!(reported.missing.first(), &missing[..missing.len().min(NAMED)]);
            assert!(missing.iter().all(|&peer| reported.missing.may_have(peer)));
            assert_eq!(reported.missing.may_have(22), missing.len() > NAMED);
            assert!(!reported.missing.may_have(1));
        }
        assert!(ReportedEnd::default().is_usual());
    }

    #[test]
    fn peers_that_cannot_be_are_refused() {
        for (count, first) in [
            (1, &[][..]),
            (0, &[3]),
            (2, &[5, 2]),
            (2, &[2, 2]),
            (1, &[MAX_PEERS]),
            (9, &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
            (9, &[0, 1, 2]),
            (MAX_PEERS + 1, &[0, 1, 2, 3, 4, 5, 6, 7]),
        ] {
            let text = format!(r#"{{"cause":"quorum","missing":{{"count":{count},"first":{first:?}}}}}"#);
            let error = serde_json::from_str::<ReportedEnd>(&text).unwrap_err().to_string();
            assert!(error.contains("expected a count"), "{text}: {error}");
        }
    }
}
