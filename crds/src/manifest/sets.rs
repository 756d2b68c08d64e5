//! Settings from the command line: `groups[0].count=4`.

use serde_json::{Map, Value};

use super::{check, document};
use crate::{
    FieldError,
    errors::{TEXT, quote},
};

/// Longest path of a setting, in bytes.
const MAX_PATH: usize = 256;
/// Fields beside `spec`; any other first name is one of `spec`.
const TOP: [&str; 4] = ["apiVersion", "kind", "metadata", "spec"];

/// One step of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step<'a> {
    Field(&'a str),
    Entry(usize),
}

/// Writes the settings into the document, in order; what cannot be written is returned.
pub(super) fn apply(document: &mut Value, sets: &[(String, String)]) -> Vec<FieldError> {
    sets.iter()
        .filter_map(|(path, text)| set(document, path, text).err())
        .collect()
}

fn set(document: &mut Value, path: &str, text: &str) -> Result<(), FieldError> {
    let shown = quote(path);
    let shown = shown.trim_matches('`');
    let steps = steps(path).ok_or_else(|| {
        FieldError::new(
            "",
            format!("--set {}: not the path of a field", quote(path)),
            "write a path such as training.rounds or groups[0].count",
        )
    })?;
    let value = document::yaml(text).map_err(|error| FieldError {
        path: shown.to_owned(),
        expected: error.expected.replace(TEXT, "--set"),
        ..error
    })?;
    if value.is_null() {
        return Err(FieldError::new(
            shown,
            "--set gives it no value",
            "write --set path=value; to take a field out, set the whole map that holds it",
        ));
    }
    let mut place = document;
    for step in steps {
        place = enter(place, step)
            .map_err(|(found, expected)| FieldError::new(shown, format!("--set: {found}"), expected))?;
    }
    *place = value;
    Ok(())
}

/// Goes one step down; a map that is not there yet is made.
fn enter<'a>(place: &'a mut Value, step: Step<'_>) -> Result<&'a mut Value, (String, String)> {
    if let (Step::Field(_), Value::Null) = (step, &*place) {
        *place = Value::Object(Map::new());
    }
    match (step, place) {
        (Step::Field(name), Value::Object(fields)) => Ok(fields.entry(name).or_insert(Value::Null)),
        (Step::Entry(index), Value::Array(items)) => {
            let count = items.len();
            items.get_mut(index).ok_or_else(|| {
                (
                    format!("entry {index} does not exist"),
                    format!("the list has {count}, counted from 0"),
                )
            })
        }
        (Step::Field(name), other) => Err((
            format!("{} has no field {}", check::describe(other), quote(name)),
            "name a field of a map".to_owned(),
        )),
        (Step::Entry(index), other) => Err((
            format!("{} has no entry {index}", check::describe(other)),
            "name an entry of a list".to_owned(),
        )),
    }
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    if path.len() > MAX_PATH {
        return None;
    }
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, mut entries) = part.split_at(part.find('[').unwrap_or(part.len()));
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b));
        if name.is_empty() || !plain {
            return None;
        }
        if steps.is_empty() && !TOP.contains(&name) {
            steps.push(Step::Field("spec"));
        }
        steps.push(Step::Field(name));
        while !entries.is_empty() {
            let (index, rest) = entries.strip_prefix('[')?.split_once(']')?;
            if !index.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            steps.push(Step::Entry(index.parse().ok()?));
            entries = rest;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart() {
        use Step::{Entry, Field};
        assert_eq!(
            steps("groups[0].count"),
            Some(vec![Field("spec"), Field("groups"), Entry(0), Field("count")])
        );
        assert_eq!(steps("spec.seed"), Some(vec![Field("spec"), Field("seed")]));
        assert_eq!(steps("metadata.name"), Some(vec![Field("metadata"), Field("name")]));
        assert_eq!(
            steps("topology.custom.edges[3][1]"),
            Some(vec![
                Field("spec"),
                Field("topology"),
                Field("custom"),
                Field("edges"),
                Entry(3),
                Entry(1)
            ])
        );
        for wrong in [
            "",
            ".",
            "a.",
            ".a",
            "a[",
            "a[]",
            "a[x]",
            "a[1",
            "a[1]b",
            "a[-1]",
            "[0]",
            "a b",
            "a[99999999999999999999]",
        ] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
        assert_eq!(steps(&"a.".repeat(200)), None);
    }
}
