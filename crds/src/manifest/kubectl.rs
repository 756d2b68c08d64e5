//! Scalars that kubectl reads otherwise: it reads YAML 1.1, as Go's yaml.v2 understands it, and this project YAML 1.2.
//!
//! A manifest means the same in both places, so what would not is refused. Only plain scalars differ: quotes say what is
//! meant.

mod scalar;

use serde_json::Value;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle};

use super::check::describe;
use crate::{FieldError, errors::quote};

/// Errors after which the walk stops.
const MAX_ERRORS: usize = 100;

/// What the walk is inside of.
enum Frame {
    /// A map, with the key whose value comes next.
    Map(Option<String>),
    /// A list, with the number of the entry that comes next.
    List(usize),
}

/// Everything in the text, which has been read already, that kubectl takes for something else.
pub(super) fn read_otherwise(text: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut frames: Vec<Frame> = Vec::new();
    for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
        match event {
            Event::Scalar(scalar, style, _, tag) => {
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let reading = is_plain.then(|| scalar::differs(&scalar)).flatten();
                if let Some((here, there)) = reading {
                    errors.push(error(&frames, &scalar, span.start.line(), (&here, &there)));
                }
                match frames.last_mut() {
                    Some(Frame::Map(key @ None)) => *key = Some(scalar.into_owned()),
                    _ => node_ends(&mut frames),
                }
            }
            Event::MappingStart(..) => frames.push(Frame::Map(None)),
            Event::SequenceStart(..) => frames.push(Frame::List(0)),
            Event::MappingEnd | Event::SequenceEnd => {
                frames.pop();
                node_ends(&mut frames);
            }
            Event::Alias(_) => match frames.last_mut() {
                Some(Frame::Map(key @ None)) => *key = Some(String::new()),
                _ => node_ends(&mut frames),
            },
            _ => {}
        }
        if errors.len() >= MAX_ERRORS {
            break;
        }
    }
    errors
}

/// A value or an entry is complete; a map or list that stands where a key belongs is none, and is refused elsewhere.
fn node_ends(frames: &mut [Frame]) {
    match frames.last_mut() {
        Some(Frame::Map(key)) => *key = None,
        Some(Frame::List(next)) => *next += 1,
        None => {}
    }
}

/// The path of what comes next; a key has that of its map.
fn path(frames: &[Frame]) -> String {
    let mut path = String::new();
    for frame in frames {
        match frame {
            Frame::List(next) => path.push_str(&format!("[{next}]")),
            Frame::Map(Some(key)) if path.is_empty() && key == "spec" => {}
            Frame::Map(Some(key)) => {
                let shown = quote(key);
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(shown.trim_matches('`'));
            }
            Frame::Map(None) => {}
        }
    }
    path
}

fn error(frames: &[Frame], scalar: &str, line: usize, (here, there): (&Value, &Value)) -> FieldError {
    let path = path(frames);
    let quoted = format!("\"{scalar}\"");
    if matches!(frames.last(), Some(Frame::Map(None))) {
        return FieldError::new(
            path,
            format!(
                "the key {} in line {line} is {} for kubectl, which reads YAML 1.1",
                quote(scalar),
                noun(there)
            ),
            format!("quote it: {quoted}"),
        );
    }
    // Where this reader takes a text, the quoted form says so; what is meant otherwise is written in its usual form.
    let expected = match (here, there) {
        (Value::String(_), there) => format!("quote it: {quoted}, or write {there}"),
        (here, Value::String(_)) => format!("write {here}, or quote it: {quoted}"),
        (here, there) => format!("write {here} or {there}, or quote it: {quoted}"),
    };
    FieldError::new(
        path,
        format!(
            "{} in line {line} is {} here, but {} for kubectl, which reads YAML 1.1",
            quote(scalar),
            noun(here),
            noun(there)
        ),
        expected,
    )
}

fn noun(value: &Value) -> String {
    match value {
        Value::String(_) => "a text".to_owned(),
        Value::Null => "no value".to_owned(),
        other => describe(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        read_otherwise(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_is_named_with_its_path_and_line() {
        let text = "spec:\n  groups: [{name: a, count: 1}, {name: on}]\n  data:\n    csv: {labelColumn: y}\n\
                    metadata: {labels: {n: a, b: 010}}\n";
        assert_eq!(
            found(text),
            [
                "groups[1].name: `on` in line 2 is a text here, but true for kubectl, which reads YAML 1.1; \
                 quote it: \"on\", or write true",
                "data.csv.labelColumn: `y` in line 4 is a text here, but true for kubectl, which reads YAML 1.1; \
                 quote it: \"y\", or write true",
                "metadata.labels: the key `n` in line 5 is false for kubectl, which reads YAML 1.1; quote it: \"n\"",
                "metadata.labels.b: `010` in line 5 is 10 here, but 8 for kubectl, which reads YAML 1.1; \
                 write 10 or 8, or quote it: \"010\"",
            ]
        );
    }

    #[test]
    fn quotes_tags_and_blocks_are_what_they_say() {
        for text in [
            "a: \"y\"",
            "a: 'no'",
            "a: !!str on",
            "a: |\n  yes\n",
            "[yes no, \"010\"]",
            "a: &b 1\nc: *b\nd: e",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
        assert_eq!(found("- &a 1\n- {*a : y}\n- y\n").len(), 2);
        assert_eq!(found("- {? [y] : n}\n").len(), 2);
        assert_eq!(found(&"- y\n".repeat(1_000)).len(), MAX_ERRORS);
    }
}
