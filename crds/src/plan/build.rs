//! From the manifest to the plan.

use std::collections::HashMap;

use super::{LinkPlan, PeerPlan, Plan, churn, data, kubernetes, liveness, network, paths, settings, start};
use crate::{
    Errors, Experiment,
    catalogue::{BuiltIn, Catalogue},
    experiment::{ExperimentSpec, Group, MAX_PEERS},
    findings::Findings,
    manifest, model, topology,
};

/// Neighbours of one peer above which a warning is given.
const MANY_NEIGHBOURS: usize = 16;

impl Plan {
    /// Reads a manifest with settings over it (see [`manifest::parse_with`]) and makes its plan.
    ///
    /// # Errors
    /// What is wrong with the form of the manifest, and what is wrong with its meaning as far as the faulty fields leave
    /// it open.
    pub fn load(text: &str, sets: &[(String, String)]) -> Result<Self, Errors> {
        Self::load_with(text, sets, &BuiltIn).map(|(_, plan)| plan)
    }

    /// As [`Plan::load`], in a program that has networks and data sets of its own; with the manifest as it was read.
    ///
    /// # Errors
    /// As [`Plan::load`], and what the catalogue refuses.
    pub fn load_with(
        text: &str,
        sets: &[(String, String)],
        catalogue: &dyn Catalogue,
    ) -> Result<(Experiment, Self), Errors> {
        let manifest::Draft { mut errors, experiment } = manifest::Draft::read(text, sets)?;
        let Some(experiment) = experiment else {
            return Err(Errors::all(errors));
        };
        match Self::resolve(&experiment, catalogue) {
            Ok(plan) => Errors::or(errors, (experiment, plan)),
            Err(more) => {
                // A faulty field stands at its default now, so nothing can be said about what belongs with it.
                let faulty: Vec<String> = errors.iter().map(|error| section(&error.path).to_owned()).collect();
                errors.extend(
                    more.into_vec()
                        .into_iter()
                        .filter(|error| !faulty.iter().any(|name| name == section(&error.path))),
                );
                Err(Errors::all(errors))
            }
        }
    }

    /// The plan that follows from a manifest, and from nothing else: one that came from the API server or was made by a program.
    ///
    /// # Errors
    /// Everything that is wrong with the manifest, each with the path of its field.
    pub fn from_experiment(experiment: &Experiment) -> Result<Self, Errors> {
        let mut errors = Vec::new();
        manifest::check_name(experiment.metadata.name.as_deref(), &mut errors);
        errors.extend(manifest::check_spec(&experiment.spec));
        Errors::or(errors, ())?;
        Self::resolve(experiment, &BuiltIn)
    }

    /// The plan of a manifest whose fields have the schema's forms.
    fn resolve(experiment: &Experiment, catalogue: &dyn Catalogue) -> Result<Self, Errors> {
        let spec = &experiment.spec;
        let mut findings = Findings::default();
        let transport = settings::transport(&spec.transport);
        let every = u32::try_from(total(&spec.groups)).unwrap_or(u32::MAX);
        let on_peer_loss = spec.failure_policy.on_peer_loss;
        let liveness = liveness::liveness(&spec.liveness, every, on_peer_loss, &mut findings);
        let links = network::links(spec, &transport, &mut findings);
        let mut peers = peers(spec, &links, &mut findings);
        let count = peers.as_ref().map(|peers| peers.len() as u32);
        let degree = peers
            .iter()
            .flatten()
            .map(|peer| peer.neighbours.len())
            .max()
            .unwrap_or(0);
        let data = data::resolve(&spec.data, total(&spec.groups), catalogue, &mut findings);
        let model = data.as_ref().and_then(|data| {
            let samples = data.source.sample_kind();
            model::resolve(&spec.model.network, samples, &data.task(), catalogue, &mut findings)
        });
        let training = settings::training(&spec.training, &spec.aggregation, data.as_ref(), count, &mut findings);
        let early_stop = start::early_stop(spec.training.early_stop.as_ref(), &mut findings);
        kubernetes::check(spec, &mut findings);
        paths::check(spec, &mut findings);
        let on_peer_loss = spec.failure_policy.on_peer_loss;
        let round = liveness::round(&spec.exchange.round, every, on_peer_loss, &mut findings);
        if let Some(peers) = &mut peers {
            let run = churn::Run {
                seed: spec.seed,
                peers: every,
                rounds: spec.training.rounds,
                min_peers: liveness.min_peers,
                on_peer_loss,
            };
            for (peer, events) in churn::churn(&spec.churn, &run, &mut findings) {
                peers[peer as usize].churn = events;
            }
        }
        let repair = liveness::repair(spec.topology.repair, on_peer_loss, &mut findings);
        let exchange = settings::exchange(&spec.exchange, round, model.as_ref(), degree, &mut findings);
        let (Some(peers), Some(data), Some(model), true) = (peers, data, model, findings.errors.is_empty()) else {
            return Err(Errors::all(findings.errors));
        };
        let plan = Self {
            name: experiment.metadata.name.clone().unwrap_or_default(),
            seed: spec.seed,
            peers,
            model,
            init_from: start::init_from(&spec.model),
            data,
            training,
            early_stop,
            checkpoint_every: start::checkpoint_every(&spec.checkpoint),
            exchange,
            aggregation: spec.aggregation.as_dyn().combination(),
            transport,
            liveness,
            on_peer_loss,
            repair,
            restarts: spec.restarts,
            output: settings::output(&spec.output),
            warnings: findings.warnings,
        };
        Ok(kubernetes::with_warnings(spec, plan))
    }
}

/// The first name of a path: what is said about one part of it may follow from another part.
fn section(path: &str) -> &str {
    path.split(['.', '[']).next().unwrap_or(path)
}

/// Peers of all groups together.
fn total(groups: &[Group]) -> u64 {
    groups.iter().map(|group| u64::from(group.count)).sum()
}

/// One entry a peer; none when the groups or the topology are wrong.
fn peers(spec: &ExperimentSpec, links: &[Option<LinkPlan>], findings: &mut Findings) -> Option<Vec<PeerPlan>> {
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (i, group) in spec.groups.iter().enumerate() {
        if let Some(first) = names.insert(&group.name, i) {
            findings.error(
                &format!("groups[{i}].name"),
                format!("`{}` is the name of groups[{first}] already", group.name),
                "give every group a name of its own",
            );
        }
    }
    let count = total(&spec.groups);
    let Some(count) = u32::try_from(count).ok().filter(|count| *count <= MAX_PEERS) else {
        findings.error(
            "groups",
            format!("{count} peers in all"),
            format!("at most {MAX_PEERS} will do"),
        );
        return None;
    };
    let neighbours = match topology::neighbours(&spec.topology.wiring, count, spec.seed) {
        Ok(neighbours) => neighbours,
        Err(errors) => {
            findings.errors.extend(errors);
            return None;
        }
    };
    warn_about_wiring(spec, &neighbours, findings);
    let members = spec
        .groups
        .iter()
        .zip(links)
        .flat_map(|member| (0..member.0.count).map(move |_| member));
    let peers = members
        .zip(neighbours)
        .zip(0..)
        .map(|(((group, link), neighbours), index)| PeerPlan {
            index,
            group: group.name.clone(),
            role: group.role,
            neighbours,
            link: *link,
            compute_slowdown: group.compute_slowdown,
            churn: Vec::new(),
        });
    Some(peers.collect())
}

fn warn_about_wiring(spec: &ExperimentSpec, neighbours: &[Vec<u32>], findings: &mut Findings) {
    let degree = neighbours.iter().map(Vec::len).max().unwrap_or(0);
    if let Some((path, message)) = spec.topology.wiring.as_dyn().warning(neighbours) {
        findings.warn(path, message);
    } else if degree > MANY_NEIGHBOURS {
        findings.warn(
            "topology",
            format!("a peer has {degree} neighbours; 10 to {MANY_NEIGHBOURS} do as well in a big swarm and cost less"),
        );
    }
}
