//! Errors about a manifest: all at once, each with the path of its field.

use std::fmt;

use crate::visible_line;

/// Errors that are printed in full; what is over is only counted.
const PRINTED: usize = 50;
/// Errors that are kept, enough to work on: a list of 50,000 connections may be wrong in each.
pub(crate) const MAX_ERRORS: usize = 1_000;
/// Characters of a user's text that an error repeats.
const QUOTED: usize = 60;

/// How a text is called in an error about a place in it, until somebody says from which file it is.
pub(crate) const TEXT: &str = "<input>";

/// One thing that is wrong with a manifest.
///
/// Prints as `topology.custom.edges[3]: peer 9 does not exist; peers are 0–7`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FieldError {
    /// The field without the `spec.` in front; empty when the text as a whole is meant.
    pub path: String,
    /// What was found there.
    pub found: String,
    /// What would do.
    pub expected: String,
}

impl FieldError {
    /// An error about a field.
    pub fn new(path: impl Into<String>, found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            found: found.into(),
            expected: expected.into(),
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}; {}", self.found, self.expected)
    }
}

/// Everything that is wrong with a manifest, at least one entry, in the order of the fields; of very many the first 1,000.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Errors(Vec<FieldError>);

impl Errors {
    pub(crate) fn one(error: FieldError) -> Self {
        Self(vec![error])
    }

    /// What was collected; at least one error.
    pub(crate) fn all(mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MAX_ERRORS);
        errors.shrink_to_fit();
        Self(errors)
    }

    /// `Ok(value)` when there is nothing wrong.
    pub(crate) fn or<T>(errors: Vec<FieldError>, value: T) -> Result<T, Self> {
        if errors.is_empty() {
            Ok(value)
        } else {
            Err(Self::all(errors))
        }
    }

    /// The same about the text of this file, which is named where a place in the text is.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        for error in self.0.iter_mut().filter(|error| error.path.is_empty()) {
            error.expected = error.expected.replace(TEXT, file);
        }
        self
    }

    /// The errors, one a field and fault.
    pub fn iter(&self) -> std::slice::Iter<'_, FieldError> {
        self.0.iter()
    }

    /// The errors as a list.
    pub fn into_vec(self) -> Vec<FieldError> {
        self.0
    }
}

impl<'a> IntoIterator for &'a Errors {
    type Item = &'a FieldError;
    type IntoIter = std::slice::Iter<'a, FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().take(PRINTED).enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        if self.0.len() > PRINTED {
            let left = self.0.len() - PRINTED;
            let least = if self.0.len() == MAX_ERRORS { "at least " } else { "" };
            write!(f, "\n… and {least}{left} more errors")?;
        }
        Ok(())
    }
}

/// `path[key]` for a key of the user's, as [`quote`] shows it.
pub(crate) fn entry(path: &str, key: &str) -> String {
    format!("{path}[{}]", quote(key).trim_matches('`'))
}

/// A user's text in quotes, in one line, with control characters written out, and of bounded length.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED).collect();
    if text.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    format!("`{}`", visible_line(&quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_bounded_and_shows_its_control_characters() {
        assert_eq!(quote("a\u{1b}[2J\n"), "`a\\u001b[2J\\u000a`");
        let long = quote(&"é".repeat(QUOTED + 1));
        assert_eq!(long, format!("`{}…`", "é".repeat(QUOTED)));
    }
}
