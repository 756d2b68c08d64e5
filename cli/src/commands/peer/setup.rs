//! What a peer needs, from the command line, the manifest, the nodes file and the keys.

use std::{path::Path, time::SystemTime};

use fltorrent_coordinator::identity::RunId;
use fltorrent_crds::{
    Bindings, Errors, Plan, manifest,
    nodes::{Node, Nodes},
    plan::ChurnKind,
    utf8,
};
use fltorrent_peer::process::Listen;
use fltorrent_records::text_file;

use super::PeerError;
use crate::{
    arguments::PeerArguments,
    keys::{self, OwnKeys},
    launcher::{Lock, Results},
    manifest::{Resolved, with_data_path},
    output::{self, Description, Printer, describe},
    preflight::{self, Checked},
    resume,
};

/// A peer that can be started.
pub(super) struct Setup {
    pub(super) index: u32,
    pub(super) attempt: u32,
    pub(super) run: RunId,
    pub(super) resolved: Resolved,
    pub(super) description: Description,
    pub(super) nodes: Nodes,
    pub(super) bindings: Bindings,
    pub(super) keys: OwnKeys,
    pub(super) results: Results,
    /// Keeps others out of the results folder.
    pub(super) _lock: Lock,
    pub(super) arguments: PeerArguments,
}

impl Setup {
    /// Where the nodes file lets this peer listen.
    pub(super) fn listen(&self) -> Listen {
        listen(&self.nodes, self.index)
    }
}

/// Where a nodes file lets a peer of it listen.
pub(super) fn listen(nodes: &Nodes, index: u32) -> Listen {
    // The nodes file has every peer of the plan.
    match nodes.peers.get(index as usize) {
        Some(Node {
            bind: Some(address), ..
        }) => Listen::At(*address),
        Some(node) => Listen::Port(node.address.port()),
        None => Listen::Port(0),
    }
}

pub(super) fn prepare(arguments: &PeerArguments, started: SystemTime, printer: &Printer) -> Result<Setup, PeerError> {
    let standalone = &arguments.standalone;
    let Some(path) = &standalone.bindings else {
        return Err(PeerError::Usage(
            "--bindings is missing: name the nodes file with the addresses of the peers".to_owned(),
        ));
    };
    let text = read_bounded(path)?;
    let nodes = Nodes::parse(&text).map_err(|errors| in_file(path, errors))?;
    let (file, text) = match &arguments.manifest {
        Some(manifest) => (manifest, crate::manifest::read(manifest)?),
        None => (path, nodes.default_manifest()),
    };
    let mut sets = standalone.settings.sets();
    if let Some(data) = &standalone.data {
        let more = with_data_path(&text, &sets, data).map_err(|error| error.in_file(file))?;
        sets.extend(more);
    }
    let resolved = Resolved::from_text(&text, &sets).map_err(|error| error.in_file(file))?;
    let resolved = resolved.anchored();
    let plan = &resolved.plan;
    nodes.check(plan).map_err(|errors| in_file(path, errors))?;
    let Some(index) = arguments.index else {
        return Err(PeerError::Usage(
            "--index is missing: say which peer of the manifest this is".to_owned(),
        ));
    };
    if index as usize >= plan.peers.len() {
        return Err(PeerError::Usage(format!(
            "there is no peer {index}: the plan has peers 0 to {}; correct --index",
            plan.peers.len() - 1
        )));
    }
    starts_nobody(plan)?;
    let attempt = attempt(standalone.attempt, &nodes, path)?;
    let keys = keys::read(&standalone.keys, index, attempt)?;
    if let Some(authority) = &nodes.authority
        && authority.trim() != keys.authority.trim()
    {
        return Err(PeerError::Usage(format!(
            "authority in {} is not the one of {}; copy the keys and the nodes file of the same experiment",
            path.display(),
            standalone.keys.display()
        )));
    }
    printer.warnings(&plan.warnings);
    let checked = preflight::check(plan)?;
    printer.warnings(&checked.warnings);
    if arguments.resume.is_none() {
        preflight::check_initial_model(plan)?;
    }
    let description = describe(&resolved.experiment, plan, Some(checked.samples));
    let results = results(arguments, &resolved, index, started)?;
    let lock = furnish(&results, &resolved, &checked).inspect_err(|_| results.abandon(index..index + 1))?;
    let bindings = Bindings {
        run: keys.identity.run.to_string(),
        attempt,
        incarnation: 0,
        authority: keys.authority.clone(),
        certificate: keys.certificate.clone(),
        addresses: nodes.peers.iter().map(|node| node.address.clone()).collect(),
        coordinator: None,
    };
    Ok(Setup {
        index,
        attempt,
        run: keys.identity.run,
        resolved,
        description,
        nodes,
        bindings,
        keys,
        results,
        _lock: lock,
        arguments: arguments.clone(),
    })
}

/// Nobody is there who would start another process of a peer, or one when others are in some round.
fn starts_nobody(plan: &Plan) -> Result<(), PeerError> {
    let mut events = plan.peers.iter().flat_map(|peer| &peer.churn).map(|due| due.event);
    match events.find(|event| matches!(event, ChurnKind::Join | ChurnKind::Restart)) {
        Some(event) => Err(PeerError::Usage(format!(
            "churn: a {} needs a launcher, which peers that are started by hand do not have; use `fltorrent run`, or remove it: --set churn=[]",
            event.name()
        ))),
        None => Ok(()),
    }
}

/// The run's attempt, by the command line or the nodes file.
fn attempt(here: Option<u32>, nodes: &Nodes, path: &Path) -> Result<u32, PeerError> {
    match (here, nodes.attempt) {
        (Some(here), Some(there)) if here != there => Err(PeerError::Usage(format!(
            "--attempt is {here}, but attempt in {} is {there}; give both the same value, or one of them only",
            path.display()
        ))),
        (here, there) => Ok(here.or(there).unwrap_or(0)),
    }
}

/// A new results folder, or that of the run that is resumed.
fn results(
    arguments: &PeerArguments,
    resolved: &Resolved,
    index: u32,
    started: SystemTime,
) -> Result<Results, PeerError> {
    let plan = &resolved.plan;
    Ok(match (arguments.resume, &arguments.standalone.out) {
        (Some(_), Some(folder)) => resume::reopen(folder, resolved)?,
        (Some(_), None) => {
            return Err(PeerError::Usage(
                "--resume without --out: name the results folder in which this peer resumes".to_owned(),
            ));
        }
        (None, Some(path)) => Results::at(path)?,
        (None, None) => Results::within(
            Path::new(&plan.output.directory),
            &format!("{}-peer-{index}", plan.name),
            started,
        )?,
    })
}

/// Writes what a results folder begins with; others are kept out of it then.
fn furnish(results: &Results, resolved: &Resolved, checked: &Checked) -> Result<Lock, PeerError> {
    let lock = results.lock()?;
    lock.warning().iter().for_each(|text| output::warning(text));
    results.write_manifest(&resolved.yaml()?)?;
    results.write_json("plan.json", &resolved.plan)?;
    results.write_json("histogram.json", &checked.histogram)?;
    Ok(lock)
}

fn read_bounded(path: &Path) -> Result<String, PeerError> {
    let bytes = text_file::head(path, manifest::MAX_BYTES as u64).map_err(|error| {
        PeerError::Usage(format!(
            "{}: cannot be read; name the nodes file: {error}",
            path.display()
        ))
    })?;
    utf8(bytes).map_err(|why| PeerError::Usage(format!("{}: {why}", path.display())))
}

/// The errors with the file's name in front, a line each.
fn in_file(path: &Path, errors: Errors) -> PeerError {
    let lines: Vec<String> = errors
        .in_file(&path.display().to_string())
        .iter()
        .map(|error| format!("{}: {error}", path.display()))
        .collect();
    PeerError::Usage(lines.join("\n"))
}
