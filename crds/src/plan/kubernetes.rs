//! What the schema cannot say about pods. Nothing of it is part of the plan.

mod metadata;
mod placement;
mod volumes;

use super::{Plan, Warning};
use crate::{
    experiment::{
        ExperimentSpec,
        kubernetes::{AccessMode, EnvironmentVariable, KeptStorage, ScratchStorageType, Storage},
    },
    findings::Findings,
};

/// Smallest claim: less holds no file system.
const LEAST_CLAIM: u64 = 1 << 20;

/// Finds what is wrong with `kubernetes` and with each group's.
pub(super) fn check(spec: &ExperimentSpec, findings: &mut Findings) {
    let kubernetes = &spec.kubernetes;
    placement::check("kubernetes", &kubernetes.of_group(&Default::default()), findings);
    for (i, group) in spec.groups.iter().enumerate() {
        placement::check(&format!("groups[{i}].kubernetes"), &group.kubernetes, findings);
    }
    metadata::check(kubernetes, findings);
    volumes::check(kubernetes, findings);
    environment(&kubernetes.env, findings);
    storage(&kubernetes.storage, spec, findings);
}

/// Adds what is allowed but cannot work for long.
pub(super) fn with_warnings(spec: &ExperimentSpec, mut plan: Plan) -> Plan {
    let scratch = &spec.kubernetes.storage.scratch;
    let limit = match scratch.kind {
        ScratchStorageType::EmptyDir => scratch.empty_dir.and_then(|folder| folder.size_limit),
        ScratchStorageType::NewClaim => scratch.new_claim.as_ref().map(|claim| claim.size),
    };
    let (_, file) = plan.chunk_bytes();
    if let Some(limit) = limit.filter(|limit| file > limit.get()) {
        plan.warnings.push(Warning {
            path: "kubernetes.storage.scratch".to_owned(),
            message: format!("{limit} may not hold the {file} bytes of chunks that pass exchange.memoryBudget"),
        });
    }
    plan
}

fn environment(variables: &[EnvironmentVariable], findings: &mut Findings) {
    for (i, variable) in variables.iter().enumerate() {
        let path = format!("kubernetes.env[{i}]");
        if variable.name.starts_with("FLTORRENT_") && variable.name != "FLTORRENT_LOG" {
            findings.error(
                &format!("{path}.name"),
                format!("`{}` is the operator's", variable.name),
                "take a name that does not begin with FLTORRENT_",
            );
        }
        let Some(source) = &variable.value_from else {
            continue;
        };
        if variable.value.is_some() {
            findings.error(&path, "value and valueFrom are both there", "remove one of them");
        }
        let count = count([
            source.config_map_key_ref.is_some(),
            source.secret_key_ref.is_some(),
            source.field_ref.is_some(),
        ]);
        if count != 1 {
            findings.error(
                &format!("{path}.valueFrom"),
                format!("names {count} sources"),
                "write one of configMapKeyRef, secretKeyRef and fieldRef",
            );
        }
    }
}

fn count<const N: usize>(there: [bool; N]) -> usize {
    there.into_iter().filter(|there| *there).count()
}

fn storage(storage: &Storage, spec: &ExperimentSpec, findings: &mut Findings) {
    if let Some(claim) = &storage.scratch.new_claim {
        new_claim(
            "kubernetes.storage.scratch",
            claim.size.get(),
            &claim.access_modes,
            findings,
        );
    }
    kept("kubernetes.storage.checkpoints", &storage.checkpoints, spec, findings);
    kept("kubernetes.storage.output", &storage.output, spec, findings);
}

fn kept(path: &str, kept: &KeptStorage, spec: &ExperimentSpec, findings: &mut Findings) {
    let Some(claim) = &kept.new_claim else { return };
    new_claim(path, claim.size.get(), &claim.access_modes, findings);
    let peers: u64 = spec.groups.iter().map(|group| u64::from(group.count)).sum();
    if claim.shared && peers > 1 && claim.access_modes == [AccessMode::ReadWriteOncePod] {
        findings.error(
            &format!("{path}.newClaim.accessModes"),
            "ReadWriteOncePod is for one pod, and shared is true",
            "write [ReadWriteMany], or shared: false",
        );
    }
}

fn new_claim(path: &str, size: u64, modes: &[AccessMode], findings: &mut Findings) {
    if size < LEAST_CLAIM {
        findings.error(
            &format!("{path}.newClaim.size"),
            format!("{size} bytes are too few for a volume"),
            "1Mi or more will do",
        );
    }
    if modes.len() > 1 && modes.contains(&AccessMode::ReadWriteOncePod) {
        findings.error(
            &format!("{path}.newClaim.accessModes"),
            "ReadWriteOncePod stands beside another mode",
            "write it alone, or remove it",
        );
    }
}
