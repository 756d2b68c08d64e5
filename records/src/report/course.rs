//! How far a run is: what the coordinator tells a peer that joins later, and what that peer does then.

use std::time::Duration;

use fltorrent_crds::plan::At;
use serde::{Deserialize, Serialize};

/// The path at which such a peer asks.
pub const COURSE_PATH: &str = "/v1/course";

/// The longest time until it asks again: the run may be over meanwhile.
const LONGEST: Duration = Duration::from_secs(30);

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// Rounds that the peer which is furthest has finished.
    pub rounds: u32,
    /// Seconds since the run began; none: it has not begun.
    pub seconds: Option<u64>,
    /// True once a peer has come to the end.
    pub is_over: bool,
}

/// What a peer does that has yet to join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// It joins.
    Now,
    /// It never does: the others have finished.
    Never,
    /// It asks again after this time.
    Later(Duration),
}

impl Course {
    /// What a peer does that joins at this time, and asks about this often.
    pub fn joining(&self, at: At, often: Duration) -> Joining {
        if self.is_over {
            return Joining::Never;
        }
        let rest = match at {
            At::Round(round) => (self.rounds < round).then_some(often),
            At::After(time) => match self.seconds.map(Duration::from_secs) {
                None => Some(often),
                Some(since) => time.checked_sub(since).filter(|rest| !rest.is_zero()),
            },
        };
        rest.map_or(Joining::Now, |rest| Joining::Later(rest.min(LONGEST)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFTEN: Duration = Duration::from_secs(2);

    #[test]
    fn the_form_is_pinned() {
        let course = Course {
            rounds: 3,
            seconds: Some(7),
            is_over: false,
        };
        let text = r#"{"rounds":3,"seconds":7,"isOver":false}"#;
        assert_eq!(serde_json::to_string(&course).unwrap(), text);
        assert_eq!(serde_json::from_str::<Course>(text).unwrap(), course);
    }

    #[test]
    fn a_peer_joins_with_its_round_or_at_its_time() {
        let (round, time) = (At::Round(3), At::After(Duration::from_secs(90)));
        let again = |seconds| Joining::Later(Duration::from_secs(seconds));
        for (rounds, seconds, by_round, by_time) in [
            (0, None, again(2), again(2)),
            (2, Some(10), again(2), again(30)),
            (3, Some(89), Joining::Now, again(1)),
            (4, Some(90), Joining::Now, Joining::Now),
            (9, Some(u64::MAX), Joining::Now, Joining::Now),
        ] {
            let course = Course {
                rounds,
                seconds,
                is_over: false,
            };
            assert_eq!(course.joining(round, OFTEN), by_round, "{course:?}");
            assert_eq!(course.joining(time, OFTEN), by_time, "{course:?}");
            let over = Course {
                is_over: true,
                ..course
            };
            assert_eq!(over.joining(round, OFTEN), Joining::Never);
        }
    }
}
