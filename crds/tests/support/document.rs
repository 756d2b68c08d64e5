//! A manifest to change one thing of.
#![allow(clippy::unwrap_used, reason = "tests may panic")]
#![allow(dead_code, unreachable_pub, reason = "every test crate takes what it needs")]

use serde_json::{Value, json};

/// Eight peers on a ring; complete, so that every field can be replaced.
pub fn manifest() -> Value {
    json!({
        "apiVersion": "fltorrent.io/v1alpha1",
        "kind": "FLTorrentExperiment",
        "metadata": {"name": "test"},
        "spec": {
            "seed": 7,
            "groups": [{"name": "a", "count": 5, "role": "honest"}, {"name": "b", "count": 3}],
            "topology": {"type": "ring"},
            "model": {"type": "mlp", "mlp": {"hidden": [16]}},
            "data": {"type": "digits", "partition": {"type": "iid"}},
        },
    })
}

/// `place` is a JSON pointer under `spec`, or with a leading `^` under the document; maps on the way are made.
pub fn put(document: &mut Value, place: &str, value: Value) {
    let (top, place) = match place.strip_prefix('^') {
        Some(place) => (document, place),
        None => (&mut document["spec"], place),
    };
    let mut node = top;
    for step in place.split('/') {
        node = match step.parse::<usize>() {
            Ok(index) => &mut node[index],
            Err(_) => &mut node[step],
        };
    }
    *node = value;
}

/// Removes a field, by the same kind of place.
pub fn remove(document: &mut Value, place: &str) {
    let (top, place) = match place.strip_prefix('^') {
        Some(place) => (document, place),
        None => (&mut document["spec"], place),
    };
    let (parent, name) = place.rsplit_once('/').unwrap_or(("", place));
    let mut node = top;
    for step in parent.split('/').filter(|step| !step.is_empty()) {
        node = match step.parse::<usize>() {
            Ok(index) => &mut node[index],
            Err(_) => &mut node[step],
        };
    }
    node.as_object_mut().unwrap().remove(name).unwrap();
}
