//! Resources, tolerations and selectors.

use std::collections::BTreeMap;

use crate::{
    Quantity,
    errors::{entry, quote},
    experiment::{
        GroupKubernetes,
        kubernetes::{
            Affinity, LabelExpressionOperator, LabelSelector, PodAffinity, Resources, SelectorTerm,
            SelectorTermOperator, Toleration, TolerationEffect, TolerationOperator, is_label_key,
        },
    },
    findings::Findings,
};

/// Resources that every node has.
const OF_NODES: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];

pub(super) fn check(path: &str, placement: &GroupKubernetes, findings: &mut Findings) {
    if let Some(resources) = &placement.resources {
        self::resources(&format!("{path}.resources"), resources, findings);
    }
    if let Some(labels) = &placement.node_selector {
        keys(&format!("{path}.nodeSelector"), labels, findings);
    }
    for (i, toleration) in placement.tolerations.iter().flatten().enumerate() {
        self::toleration(&format!("{path}.tolerations[{i}]"), toleration, findings);
    }
    if let Some(affinity) = &placement.affinity {
        self::affinity(&format!("{path}.affinity"), affinity, findings);
    }
}

fn resources(path: &str, resources: &Resources, findings: &mut Findings) {
    for (kind, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        for (name, amount) in amounts {
            resource(&entry(&format!("{path}.{kind}"), name), name, *amount, findings);
        }
    }
    for (name, request) in &resources.requests {
        let at = entry(&format!("{path}.requests"), name);
        let limit = resources.limits.get(name);
        // Devices are not shared out: what is asked for is what is given.
        if name.contains('/') && limit != Some(request) {
            findings.error(
                &at,
                format!("{request} is not the limit of a device"),
                "write it under limits only, or the same under both",
            );
        } else if let Some(limit) = limit.filter(|limit| request > limit) {
            findings.error(
                &at,
                format!("{request} is more than the limit, {limit}"),
                "ask for the limit at most",
            );
        }
    }
}

fn resource(path: &str, name: &str, amount: Quantity, findings: &mut Findings) {
    let known = OF_NODES.contains(&name) || (name.contains('/') && is_label_key(name));
    if !known {
        findings.error(
            path,
            format!("{} is not the name of a resource", quote(name)),
            "write cpu, memory, ephemeral-storage, or the name of a device with its domain, such as nvidia.com/gpu",
        );
    } else if name != "cpu" && !amount.thousandths().is_multiple_of(1_000) {
        let unit = if name.contains('/') { "device" } else { "byte" };
        findings.error(
            path,
            format!("{amount} is a part of a {unit}"),
            format!("write a whole number of {unit}s, such as 1 or 256Mi"),
        );
    }
}

/// Keys of labels, which the schema leaves open.
fn keys(path: &str, labels: &BTreeMap<String, String>, findings: &mut Findings) {
    for key in labels.keys().filter(|key| !is_label_key(key)) {
        findings.error(
            &entry(path, key),
            format!("{} is not the key of a label", quote(key)),
            "write a key such as zone or example.com/zone",
        );
    }
}

fn toleration(path: &str, toleration: &Toleration, findings: &mut Findings) {
    let exists = toleration.operator == Some(TolerationOperator::Exists);
    if toleration.key.is_none() && !exists {
        findings.error(path, "has no key", "write one, or `operator: Exists` for every taint");
    }
    if exists && toleration.value.is_some() {
        findings.error(
            &format!("{path}.value"),
            "is there, but operator is Exists",
            "remove it, or write `operator: Equal`",
        );
    }
    if toleration.toleration_seconds.is_some() && toleration.effect != Some(TolerationEffect::NoExecute) {
        findings.error(
            &format!("{path}.tolerationSeconds"),
            "belongs to the effect NoExecute",
            "remove it, or write `effect: NoExecute`",
        );
    }
}

fn affinity(path: &str, affinity: &Affinity, findings: &mut Findings) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    if let Some(nodes) = &affinity.node_affinity {
        let required = nodes.required_during_scheduling_ignored_during_execution.iter();
        for (i, one) in required.flat_map(|terms| &terms.node_selector_terms).enumerate() {
            let at = format!("{path}.nodeAffinity.{REQUIRED}.nodeSelectorTerms[{i}]");
            term(&at, one, findings);
        }
        let preferred = &nodes.preferred_during_scheduling_ignored_during_execution;
        for (i, one) in preferred.iter().enumerate() {
            let at = format!("{path}.nodeAffinity.{PREFERRED}[{i}].preference");
            term(&at, &one.preference, findings);
        }
    }
    let pods = |name: &str, pods: &PodAffinity, findings: &mut Findings| {
        let required = &pods.required_during_scheduling_ignored_during_execution;
        for (i, one) in required.iter().enumerate() {
            let at = format!("{path}.{name}.{REQUIRED}[{i}].labelSelector");
            selector(&at, &one.label_selector, findings);
        }
        let preferred = &pods.preferred_during_scheduling_ignored_during_execution;
        for (i, one) in preferred.iter().enumerate() {
            let at = format!("{path}.{name}.{PREFERRED}[{i}].podAffinityTerm.labelSelector");
            selector(&at, &one.pod_affinity_term.label_selector, findings);
        }
    };
    if let Some(near) = &affinity.pod_affinity {
        pods("podAffinity", near, findings);
    }
    if let Some(far) = &affinity.pod_anti_affinity {
        pods("podAntiAffinity", far, findings);
    }
}

fn term(path: &str, term: &SelectorTerm, findings: &mut Findings) {
    for (i, expression) in term.match_expressions.iter().enumerate() {
        let at = format!("{path}.matchExpressions[{i}].values");
        let wanted = match expression.operator {
            SelectorTermOperator::In | SelectorTermOperator::NotIn => Wanted::Some,
            SelectorTermOperator::Exists | SelectorTermOperator::DoesNotExist => Wanted::None,
            SelectorTermOperator::Gt | SelectorTermOperator::Lt => Wanted::Number,
        };
        values(&at, &expression.values, wanted, findings);
    }
}

fn selector(path: &str, selector: &LabelSelector, findings: &mut Findings) {
    keys(&format!("{path}.matchLabels"), &selector.match_labels, findings);
    for (i, expression) in selector.match_expressions.iter().enumerate() {
        let at = format!("{path}.matchExpressions[{i}].values");
        let wanted = match expression.operator {
            LabelExpressionOperator::In | LabelExpressionOperator::NotIn => Wanted::Some,
            LabelExpressionOperator::Exists | LabelExpressionOperator::DoesNotExist => Wanted::None,
        };
        values(&at, &expression.values, wanted, findings);
    }
}

/// Values that an operator compares with.
enum Wanted {
    Some,
    None,
    Number,
}

fn values(path: &str, values: &[String], wanted: Wanted, findings: &mut Findings) {
    let found = match values.len() {
        0 => "there is no value".to_owned(),
        1 => format!("there is a value, {}", quote(&values[0])),
        n => format!("there are {n} values"),
    };
    match wanted {
        Wanted::Some if values.is_empty() => {
            findings.error(path, found, "the operator compares with one at least");
        }
        Wanted::None if !values.is_empty() => {
            findings.error(path, found, "the operator compares with none; remove them");
        }
        Wanted::Number if !matches!(values, [one] if one.parse::<i64>().is_ok()) => {
            findings.error(path, found, "the operator compares with one whole number");
        }
        Wanted::Some | Wanted::None | Wanted::Number => {}
    }
}
