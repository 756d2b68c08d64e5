//! What follows from a manifest, for people.

use std::fmt::Write;

use fltorrent_crds::{Experiment, Plan, analysis};

/// The plan in a few lines.
///
/// # Errors
/// With everything that is wrong with the manifest.
pub(super) fn text(experiment: &Experiment) -> anyhow::Result<String> {
    let plan = Plan::from_experiment(experiment)?;
    let most = plan.peers.iter().map(|peer| peer.neighbours.len()).max();
    let neighbours = u32::try_from(most.unwrap_or_default())?;
    let memory = analysis::memory(&plan, neighbours);
    let mut text = String::new();
    let mut row = |name: &str, value: String| writeln!(text, "{name:<12}{value}");
    row("experiment", plan.name.clone())?;
    row("plan", plan.hash_text())?;
    row(
        "peers",
        format!("{}, each with at most {neighbours} neighbours", plan.peers.len()),
    )?;
    row("rounds", plan.training.rounds.to_string())?;
    row(
        "model",
        format!(
            "{} parameters, {} bytes an update",
            plan.model.parameters, plan.model.bytes
        ),
    )?;
    row("chunks", format!("{} of an update", plan.exchange.num_chunks))?;
    row("memory", format!("{} requested by a pod by default", memory.request()))?;
    for warning in &plan.warnings {
        row("warning", format!("{}: {}", warning.path, warning.message))?;
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_shown_and_what_is_wrong_with_it_said() {
        let source = |degree: u32| {
            let text = format!(
                "{{apiVersion: fltorrent.io/v1alpha1, kind: FLTorrentExperiment, metadata: {{name: x}}, spec: {{groups: [{{name: p, count: 4}}], \
                 topology: {{type: randomRegular, randomRegular: {{degree: {degree}}}}}, model: {{type: mlp, mlp: {{hidden: [8]}}}}, \
                 data: {{type: digits}}}}}}"
            );
            fltorrent_crds::manifest::parse(&text).unwrap()
        };
        let shown = text(&source(2)).unwrap();
        assert!(
            shown.contains("peers       4, each with at most 2 neighbours"),
            "{shown}"
        );
        assert!(
            text(&source(9))
                .unwrap_err()
                .to_string()
                .contains("topology.randomRegular.degree")
        );
    }
}
