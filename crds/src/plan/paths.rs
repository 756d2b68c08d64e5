//! Paths stand for themselves: nothing in them is expanded, so what a shell would expand is refused.

use super::is_url;
use crate::{errors::quote, experiment::ExperimentSpec, findings::Findings};

/// What a shell would put something else in the place of: `~` or `~user` at the beginning, `$NAME` or `${NAME}` anywhere.
pub fn unexpanded(path: &str) -> Option<&str> {
    if path.starts_with('~') {
        return path.split('/').next();
    }
    path.match_indices('$')
        .find_map(|(at, _)| path.get(at..).and_then(variable))
}

fn variable(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('$')?;
    if let Some(inner) = rest.strip_prefix('{') {
        let end = inner.find('}')?;
        return text.get(..end + 3);
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
    let begins = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    text.get(..=length).filter(|_| begins)
}

/// Refuses every path of the manifest that is not one as it stands.
pub(super) fn check(spec: &ExperimentSpec, findings: &mut Findings) {
    let data = &spec.data;
    let csv = data.csv.as_ref();
    let init = spec.model.init_from.as_ref();
    let paths = [
        ("output.directory", Some(&spec.output.directory)),
        ("model.initFrom.path", init.map(|from| &from.path)),
        ("data.idx.path", data.idx.as_ref().map(|idx| &idx.path)),
        ("data.csv.train", csv.map(|csv| &csv.train)),
        ("data.csv.test", csv.map(|csv| &csv.test)),
        (
            "data.safetensors.path",
            data.safetensors.as_ref().map(|data| &data.path),
        ),
        ("data.text.path", data.text.as_ref().map(|text| &text.path)),
    ];
    for (field, path) in paths {
        let Some(path) = path.filter(|path| !is_url(path)) else {
            continue;
        };
        if let Some(part) = unexpanded(path) {
            findings.error(
                field,
                format!("{} has {part}, which is not expanded", quote(path)),
                match part.starts_with('~') {
                    true => "write the whole path; a name that begins with ~ as ./~…",
                    false => "write the whole path",
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_expand_is_found() {
        for (path, part) in [
            ("~", "~"),
            ("~/results", "~"),
            ("~ann/results", "~ann"),
            ("$HOME/results", "$HOME"),
            ("/srv/${USER}/x", "${USER}"),
            ("results-$USER.d", "$USER"),
            ("a$/${X}", "${X}"),
        ] {
            assert_eq!(unexpanded(path), Some(part), "{path}");
        }
        for path in ["runs", "./~/x", "a~", "/a/~b", "price$.csv", "$1", "${", "a$ b"] {
            assert_eq!(unexpanded(path), None, "{path}");
        }
    }
}
