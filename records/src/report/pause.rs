//! What a peer tells the coordinator while too few peers take part, so that no round ends and no report comes.

use fltorrent_crds::experiment::MAX_PEERS;
use serde::{Deserialize, Serialize};

use super::{MAX_COUNT, ReportError, at_most, parse};

/// The path that pauses are posted to.
pub const PAUSE_PATH: &str = "/v1/pause";

/// The largest body with a pause, in bytes.
pub const MAX_PAUSE_BYTES: usize = 1024;

/// A peer that is paused, as it sees it. It says so again and again while that is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PauseReport {
    /// The peer's index.
    pub peer: u32,
    /// The peer's attempt.
    pub attempt: u32,
    /// The round that does not end, from 0.
    pub round: u32,
    /// Peers that take part, the peer included.
    pub present: u32,
    /// Peers that have to.
    pub needed: u32,
    /// For how long it has been paused.
    pub seconds: u64,
}

impl PauseReport {
    /// The pause in a body.
    ///
    /// # Errors
    /// When the body is too large, is no JSON of this form, or has a value that cannot be.
    pub fn decode(body: &[u8]) -> Result<Self, ReportError> {
        if body.len() > MAX_PAUSE_BYTES {
            return Err(ReportError::TooLarge { found: body.len() });
        }
        let pause: Self = parse(body)?;
        at_most("needed", pause.needed.into(), MAX_PEERS.into())?;
        at_most("present", pause.present.into(), pause.needed.saturating_sub(1).into())?;
        at_most("seconds", pause.seconds, MAX_COUNT)?;
        Ok(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_pinned_and_what_cannot_be_is_refused() {
        let pause = PauseReport {
            peer: 3,
            attempt: 1,
            round: 4,
            present: 2,
            needed: 5,
            seconds: 30,
        };
        let text = r#"{"peer":3,"attempt":1,"round":4,"present":2,"needed":5,"seconds":30}"#;
        assert_eq!(serde_json::to_string(&pause).unwrap(), text);
        assert_eq!(PauseReport::decode(text.as_bytes()).unwrap(), pause);
        for (from, to, message) in [
            ("\"present\":2", "\"present\":5", "present: found 5; expected at most 4"),
            (
                "\"needed\":5",
                "\"needed\":10001",
                "needed: found 10001; expected at most 10000",
            ),
            ("\"seconds\":30", "\"seconds\":-1", "seconds: invalid value"),
            (
                "\"seconds\":30",
                "\"seconds\":9007199254740993",
                "seconds: found 9007199254740993",
            ),
            ("\"round\":4", "\"rounds\":4", "unknown field `rounds`"),
            ("}", "} x", "trailing characters"),
        ] {
            let error = PauseReport::decode(text.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.to_string().contains(message), "{error} has not {message}");
        }
        for length in 0..text.len() {
            PauseReport::decode(&text.as_bytes()[..length]).unwrap_err();
        }
        let large = vec![b' '; MAX_PAUSE_BYTES + 1];
        assert!(matches!(PauseReport::decode(&large), Err(ReportError::TooLarge { .. })));
    }
}
