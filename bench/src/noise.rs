//! Experiments that learn nothing: rounds whose updates are noise, so that the exchange is measured alone.

use fltorrent_cli::manifest::{ManifestError, Resolved};

/// The variable parts of such an experiment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise<'a> {
    pub(super) name: &'a str,
    /// `spec.groups` in YAML.
    pub(super) groups: &'a str,
    /// `spec.topology` in YAML.
    pub(super) topology: &'a str,
    pub(super) update: u64,
    pub(super) rounds: u32,
    /// Further fields of `spec`, with their values in YAML.
    pub(super) more: &'a [(&'a str, &'a str)],
}

impl Noise<'_> {
    /// The experiment with settings over it.
    ///
    /// # Errors
    /// Settings that cannot be.
    pub(super) fn resolve(&self, sets: &[(String, String)]) -> Result<Resolved, ManifestError> {
        let Self {
            name,
            groups,
            topology,
            update,
            rounds,
            more,
        } = self;
        let more: String = more
            .iter()
            .map(|(field, value)| format!("  {field}: {value}\n"))
            .collect();
        // The data is not looked at, but many peers have few samples each, and a batch has to fit.
        let text = format!(
            "apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {{name: {name}}}
spec:
  groups: {groups}
  topology: {topology}
  model: {{type: custom, custom: {{name: synthetic, settings: {{bytes: {update}}}}}}}
  data: {{type: digits, partition: {{type: iid}}}}
  training: {{rounds: {rounds}, batchSize: 8}}
{more}"
        );
        Resolved::from_text(&text, sets)
    }
}
