//! What of an experiment cannot be changed once its first pods are made, as rules for the API server.
//!
//! They stand at the object's root, since a rule sees nothing beside what it stands at: whether there were pods is in the status
//! (`startTime`, which is written before the first of them is made), and who writes the spec cannot write the status.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, ValidationRule};

/// What is said of a field, after its path.
pub(crate) const FIXED: &str = "cannot be changed; make a new experiment";

/// No pods were made when the object was as it is now.
const NOT_BEGUN: &str = "!has(oldSelf.status) || !has(oldSelf.status.startTime)";

/// Fields of `spec` that are compared as they are: outside of lists the API server fills in defaults.
const PLAIN: [&str; 16] = [
    "seed",
    "topology",
    "model",
    "data",
    "training",
    "exchange",
    "aggregation",
    "transport",
    "liveness",
    "failurePolicy",
    "churn",
    "network",
    "checkpoint",
    "output",
    "kubernetes.data",
    "kubernetes.storage",
];

/// Fields of a group, each with what it is worth in the group `g`: left out it is the same as its default.
const OF_GROUPS: [(&str, &[&str]); 5] = [
    ("name", &["g.name"]),
    ("count", &["g.count"]),
    ("role", &["has(g.role) ? g.role : 'honest'"]),
    (
        "network",
        &[
            "has(g.network) && has(g.network.up) ? g.network.up : ''",
            "has(g.network) && has(g.network.down) ? g.network.down : ''",
            "has(g.network) && has(g.network.delay) ? g.network.delay : ''",
            "has(g.network) && has(g.network.jitter) ? g.network.jitter : ''",
            "has(g.network) && has(g.network.loss) ? g.network.loss : ''",
            "has(g.network) && has(g.network.queue) ? g.network.queue : ''",
        ],
    ),
    (
        "computeSlowdown",
        &["double(has(g.computeSlowdown) ? g.computeSlowdown : 1.0)"],
    ),
];

/// The paths of all fields that cannot be changed.
pub(crate) fn fields() -> impl Iterator<Item = String> {
    let groups = OF_GROUPS.iter().map(|(name, _)| format!("groups[].{name}"));
    PLAIN.iter().map(ToString::to_string).chain(groups)
}

/// Adds the rules at the root of an object's schema.
pub(super) fn add(root: &mut JSONSchemaProps) {
    let plain = PLAIN.iter().map(|path| {
        let same = format!("self.spec.{path} == oldSelf.spec.{path}");
        rule(path, path, &same)
    });
    let groups = OF_GROUPS.iter().map(|(name, values)| {
        let same: Vec<String> = values
            .iter()
            .map(|value| format!("self.spec.groups.map(g, {value}) == oldSelf.spec.groups.map(g, {value})"))
            .collect();
        rule(&format!("groups[].{name}"), "groups", &same.join(" && "))
    });
    root.x_kubernetes_validations
        .get_or_insert_default()
        .extend(plain.chain(groups));
}

fn rule(path: &str, field: &str, same: &str) -> ValidationRule {
    ValidationRule {
        rule: format!("{NOT_BEGUN} || ({same})"),
        message: Some(format!("{path}: {FIXED}")),
        field_path: Some(format!(".spec.{field}")),
        ..ValidationRule::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrArray;

    use super::*;
    use crate::definition::spec_schema;

    /// What a running experiment may be told otherwise.
    const CHANGEABLE: [&str; 3] = ["suspend", "restarts", "kubernetes"];

    fn names(schema: &JSONSchemaProps) -> BTreeSet<&str> {
        let properties = schema.properties.as_ref().unwrap();
        properties.keys().map(String::as_str).collect()
    }

    /// A field that somebody adds is put on one of the two lists.
    #[test]
    fn each_field_is_fixed_or_changeable() {
        let spec = spec_schema();
        let fixed = PLAIN.into_iter().filter(|path| !path.contains('.'));
        let mut listed: BTreeSet<&str> = fixed.chain(CHANGEABLE).collect();
        listed.insert("groups");
        assert_eq!(names(&spec), listed);
    }

    /// All that a group says fixes it, but for what its pods get.
    #[test]
    fn each_field_of_a_group_is_fixed_or_of_its_pods() {
        let spec = spec_schema();
        let groups = &spec.properties.as_ref().unwrap()["groups"];
        let group = match groups.items.as_ref().unwrap() {
            JSONSchemaPropsOrArray::Schema(group) => names(group),
            JSONSchemaPropsOrArray::Schemas(_) => panic!("groups are of one kind"),
        };
        let fixed = OF_GROUPS.iter().map(|(name, _)| *name);
        let listed: BTreeSet<&str> = fixed.chain(["kubernetes"]).collect();
        assert_eq!(group, listed);
    }
}
