//! What is measured, as manifests without training.

use fltorrent_cli::manifest::{ManifestError, Resolved};

use super::super::noise::Noise;
use crate::arguments::SurvivalArguments;

/// The peer that is killed.
pub(super) const VICTIM: u32 = 3;

/// A case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// A peer is killed, and nobody takes its place.
    Kill,
    /// A peer is killed, and its next process catches up.
    Restart,
    /// Nobody trains for a while: what goes over the links is there only to notice a loss.
    Quiet,
}

impl Case {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Kill, Self::Restart, Self::Quiet];

    /// Name on the command line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Quiet => "quiet",
        }
    }

    /// The experiment: rounds whose updates are noise.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub(super) fn resolve(self, arguments: &SurvivalArguments) -> Result<Resolved, ManifestError> {
        let soon = [
            ("liveness", "{heartbeatInterval: 200ms, heartbeatTimeout: 1s}"),
            ("exchange", "{round: {patience: 200ms}}"),
        ];
        let more: &[(&str, &str)] = match self {
            Self::Kill => &[soon[0], soon[1], ("restarts", "0")],
            Self::Restart => &[soon[0], soon[1], ("restarts", "3")],
            Self::Quiet => &[
                ("liveness", "{heartbeatInterval: 1s, heartbeatTimeout: 4s}"),
                ("churn", "[{event: wedge, rate: 1, for: 10s}]"),
                ("exchange", "{round: {deadline: none}}"),
            ],
        };
        let rounds = match self {
            Self::Quiet => 1,
            Self::Kill | Self::Restart => arguments.rounds,
        };
        Noise {
            name: self.name(),
            groups: &format!("[{{name: peers, count: {}}}]", arguments.peers),
            topology: "{type: mesh}",
            update: arguments.update.get(),
            rounds,
            more,
        }
        .resolve(&arguments.set)
    }
}
