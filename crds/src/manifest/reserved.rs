//! Names and values that are kept for later: refused as not supported yet, so that no manifest changes its meaning.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};

use crate::{FieldError, errors::quote};

/// Places of a field that are suggested at most.
const ELSEWHERE: usize = 3;

const LATER: &str = "not supported yet";

/// Fields by the path of what they stand in.
const FIELDS: &[(&str, &[&str])] = &[
    ("", &["managedBy"]),
    ("groups[]", &["deviceProfile", "gpu"]),
    ("data", &["cifar10", "synthetic"]),
    ("training", &["optimizer"]),
    ("exchange", &["compression"]),
    (
        "aggregation",
        &["geometricMedian", "krum", "median", "multiKrum", "trimmedMean"],
    ),
    ("transport", &["tcp"]),
    ("output", &["checkpoints"]),
];

/// Fields that will never be supported, by the path of what they stand in, with what to do instead.
const REFUSED: &[(&str, &str, &str)] = &[(
    "kubernetes.volumes[]",
    "hostPath",
    "refused, for pods keep to Pod Security's `restricted`; take a persistentVolumeClaim",
)];

/// Fields that are looked for in the wrong place, or had another name: where, and what to write.
const MOVED: &[(&str, &str, &str)] = &[
    ("transport", "keepAlive", "liveness.heartbeatInterval"),
    ("transport", "idleTimeout", "liveness.heartbeatTimeout"),
    ("transport", "lostAfter", "liveness.heartbeatTimeout"),
    ("exchange", "quorum", "exchange.round.quorum"),
    ("aggregation", "quorum", "exchange.round.quorum"),
];

/// Values by the path of their field.
const VALUES: &[(&str, &[&str])] = &[
    ("groups[].role", &["byzantine"]),
    ("data.type", &["cifar10", "synthetic"]),
    ("training.backend", &["tch"]),
    ("exchange.chunkSelection", &["importance"]),
    (
        "aggregation.type",
        &["geometricMedian", "krum", "median", "multiKrum", "trimmedMean"],
    ),
];

/// `path` without the numbers of list entries: `groups[3].role` → `groups[].role`.
fn general(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|&c| {
            if c == ']' {
                inside = false;
            }
            let keep = !inside;
            if c == '[' {
                inside = true;
            }
            keep
        })
        .collect()
}

fn listed(table: &[(&str, &[&str])], path: &str, name: &str) -> bool {
    let path = general(path);
    table.iter().any(|(at, names)| *at == path && names.contains(&name))
}

/// `parent.name`, or `name` at the top.
pub(super) fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

/// The error about a field that the schema does not have.
pub(super) fn unknown<'a>(parent: &str, name: &str, known: impl Iterator<Item = &'a str>) -> FieldError {
    // A field's name is a user's text: bounded and without control characters in the path as well.
    let shown = quote(name);
    let path = join(parent, shown.trim_matches('`'));
    if listed(FIELDS, parent, name) {
        return FieldError::new(path, LATER, "remove it");
    }
    let at = general(parent);
    if let Some((_, _, instead)) = REFUSED.iter().find(|(of, field, _)| *of == at && *field == name) {
        return FieldError::new(path, "a path of the node", *instead);
    }
    if let Some((_, _, place)) = MOVED.iter().find(|(of, field, _)| *of == at && *field == name) {
        return FieldError::new(path, "unknown field", format!("write `{place}` instead"));
    }
    let known: Vec<&str> = known.collect();
    let top = super::SPEC_SCHEMA.properties.iter().flatten();
    let elsewhere = if known.iter().copied().eq(top.map(|(name, _)| name.as_str())) {
        below(name)
    } else {
        Vec::new()
    };
    let help = match nearest(name, &known) {
        _ if !elsewhere.is_empty() => format!("did you mean {}?", elsewhere.join(" or ")),
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there are no fields here".to_owned(),
        None => format!("the fields here are {}", known.join(", ")),
    };
    FieldError::new(path, "unknown field", help)
}

/// Where in a spec fields of this name are, quoted; none when there are too many to choose from.
fn below(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    find(&super::SPEC_SCHEMA, "", name, &mut found);
    // The nearest to the top are meant by whoever forgets the map around a field.
    let depth = |path: &String| path.matches('.').count();
    let least = found.iter().map(depth).min();
    found.retain(|path| Some(depth(path)) == least);
    if found.len() > ELSEWHERE {
        found.clear();
    }
    found
}

/// Adds the paths of fields with a name, the first entry standing for all of a list.
fn find(schema: &JSONSchemaProps, path: &str, name: &str, found: &mut Vec<String>) {
    for (field, below) in schema.properties.iter().flatten() {
        let at = join(path, field);
        if field == name {
            found.push(format!("`{at}`"));
        }
        find(below, &at, name, found);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = &schema.items {
        find(item, &format!("{path}[0]"), name, found);
    }
}

/// The error about a field beside `spec`.
pub(super) fn unknown_top(name: &str, known: &[&str]) -> FieldError {
    if name == "status" {
        return FieldError::new(
            name,
            "is what the operator says about an experiment, and no part of a manifest",
            "remove it",
        );
    }
    let mut error = unknown("", name, known.iter().copied());
    let spec = super::SPEC_SCHEMA.properties.as_ref();
    if spec.is_some_and(|fields| fields.contains_key(name)) {
        error.expected = "it belongs under `spec`".to_owned();
    }
    error
}

/// The error about a text that is none of the allowed ones.
pub(super) fn not_allowed(path: &str, text: &str, allowed: &[&str]) -> FieldError {
    let list = allowed.join(", ");
    if listed(VALUES, path, text) {
        return FieldError::new(
            path,
            format!("{} is {LATER}", quote(text)),
            format!("now there is {list}"),
        );
    }
    let help = match nearest(text, allowed) {
        Some(near) => format!("did you mean `{near}`? Allowed: {list}"),
        None => format!("allowed: {list}"),
    };
    FieldError::new(path, format!("{} is not known", quote(text)), help)
}

/// The name that was probably meant: at most a third of the letters differ.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    // A long text is no misspelling of a field, and the distance costs the product of the lengths.
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    known
        .iter()
        .map(|candidate| {
            (
                strsim::osa_distance(&lower, &candidate.to_ascii_lowercase()),
                *candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_entries_are_left_out() {
        assert_eq!(general("groups[13].role"), "groups[].role");
        assert_eq!(general("a[0][1].b"), "a[][].b");
    }

    #[test]
    fn a_field_in_the_wrong_place_is_shown_its_own() {
        let top = super::super::SPEC_SCHEMA.properties.iter().flatten();
        let error = |name| unknown("", name, top.clone().map(|(name, _)| name.as_str())).expected;
        assert_eq!(error("rounds"), "did you mean `training.rounds`?");
        assert_eq!(
            error("alpha"),
            "did you mean `data.partition.dirichlet.alpha` or `data.partition.quantity.alpha`?"
        );
        assert_eq!(error("count"), "did you mean `groups[0].count`?");
        assert_eq!(error("sead"), "did you mean `seed`?");
        // `type` is in most maps: a list of them would help nobody.
        let many = error("type");
        assert!(many.starts_with("the fields here are "), "{many}");
        // What is not the top of a spec has no such places.
        let nodes = unknown("", "rounds", ["nodes", "seed"].into_iter()).expected;
        assert_eq!(nodes, "the fields here are nodes, seed");
    }

    #[test]
    fn the_nearest_name_is_found() {
        assert_eq!(nearest("ruonds", &["rounds", "epochs"]), Some("rounds"));
        assert_eq!(nearest("batchsize", &["rounds", "batchSize"]), Some("batchSize"));
        assert_eq!(nearest("zzz", &["rounds", "epochs"]), None);
    }
}
