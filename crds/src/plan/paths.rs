//! Paths stand for themselves: nothing in them is expanded, so what a shell would expand is refused.

use crate::{data::is_url, errors::quote, experiment::ExperimentSpec, family::Family, findings::Findings};

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
    let mut source = spec.data.source.clone();
    let kind = source.name();
    let of_data = source.paths().into_iter();
    let of_data = of_data.map(|(name, path)| (format!("data.{kind}.{name}"), &*path));
    let init = spec.model.init_from.iter();
    let paths = [("output.directory".to_owned(), &spec.output.directory)]
        .into_iter()
        .chain(init.map(|from| ("model.initFrom.path".to_owned(), &from.path)))
        .chain(of_data);
    for (field, path) in paths.filter(|(_, path)| !is_url(path)) {
        if let Some(part) = unexpanded(path) {
            findings.error(
                &field,
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
