//! The forms of names, paths and hashes, as regular expressions for the API server and as functions for the reader of
//! manifests.

use schemars::{Schema, SchemaGenerator, json_schema};

/// The name of an experiment and of its parts: a label by RFC 1035.
pub(crate) const NAME_PATTERN: &str = "^[a-z]([-a-z0-9]*[a-z0-9])?$";
/// A SHA-256 as `sha256sum` prints it.
pub(crate) const SHA256_PATTERN: &str = "^[0-9a-f]{64}$";
/// The name of an object: a subdomain by RFC 1123.
pub(crate) const OBJECT_NAME_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// What stands before a number in the names of claims.
pub(crate) const CLAIM_PREFIX_PATTERN: &str = "^[a-z0-9][-a-z0-9]*$";
/// The key of a label or of a taint, or the name of a resource.
pub(crate) const LABEL_KEY_PATTERN: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$";
/// The value of a label or of a taint, at most 63 characters.
pub(crate) const LABEL_VALUE_PATTERN: &str = "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$";
/// The name of an environment variable.
pub(crate) const ENVIRONMENT_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
/// The key of an entry of a ConfigMap or a Secret.
pub(crate) const CONFIG_KEY_PATTERN: &str = "^[-._a-zA-Z0-9]+$";
/// An image with its registry, tag or digest.
pub(crate) const IMAGE_PATTERN: &str = "^[a-zA-Z0-9][-a-zA-Z0-9._/:@]*$";
/// An absolute path without a slash at its end.
pub(crate) const MOUNT_PATH_PATTERN: &str = r"^(/[^/:\x00-\x1f]+)+$";
/// A relative path without a slash at its end.
pub(crate) const SUB_PATH_PATTERN: &str = r"^[^/:\x00-\x1f]+(/[^/:\x00-\x1f]+)*$";

/// A form: whether a text has it, what it is not otherwise, and what a user can write.
pub(crate) struct Form {
    pub(crate) fits: fn(&str) -> bool,
    pub(crate) noun: &'static str,
    pub(crate) sample: &'static str,
}

/// What a pattern of this module stands for.
pub(crate) fn form(pattern: &str) -> Option<Form> {
    let (fits, noun, sample): (fn(&str) -> bool, _, _) = match pattern {
        NAME_PATTERN => (
            is_name,
            "a name",
            "a name of a–z, 0–9 and `-`, a letter first, no `-` at the end",
        ),
        SHA256_PATTERN => (
            |text| text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')),
            "a SHA-256",
            "the 64 digits (0–9, a–f) that sha256sum prints",
        ),
        OBJECT_NAME_PATTERN => (
            is_subdomain,
            "the name of an object",
            "a name of a–z, 0–9, `-` and `.`, with a letter or digit at both ends",
        ),
        CLAIM_PREFIX_PATTERN => (
            |text| is_label(text.trim_end_matches('-')),
            "the beginning of a claim's name",
            "a name of a–z, 0–9 and `-` such as `data-`",
        ),
        LABEL_KEY_PATTERN => (
            is_label_key,
            "the key of a label",
            "a key such as zone or example.com/zone, with at most 63 characters after the `/`",
        ),
        LABEL_VALUE_PATTERN => (
            is_label_value,
            "the value of a label",
            "at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends",
        ),
        ENVIRONMENT_PATTERN => (
            |text| is_of(text, b"_") && !text.starts_with(|c: char| c.is_ascii_digit()),
            "the name of a variable",
            "a name of letters, digits and `_`, without a digit first",
        ),
        CONFIG_KEY_PATTERN => (
            |text| is_of(text, b"-_."),
            "the key of a ConfigMap or Secret",
            "a key of letters, digits, `-`, `_` and `.`",
        ),
        IMAGE_PATTERN => (
            |text| is_of(text, b"-._/:@") && text.starts_with(|c: char| c.is_ascii_alphanumeric()),
            "an image",
            "an image such as example.com/fltorrent/peer:0.1.0",
        ),
        MOUNT_PATH_PATTERN => (
            |text| text.strip_prefix('/').is_some_and(is_sub_path),
            "an absolute path",
            "a path such as /data, without `:` and without a `/` at its end",
        ),
        SUB_PATH_PATTERN => (
            is_sub_path,
            "a relative path",
            "a path such as sets/mnist, without `:` and without a `/` at its ends",
        ),
        _ => return None,
    };
    Some(Form { fits, noun, sample })
}

/// Whether a text is a label by RFC 1035, of any length.
pub(crate) fn is_name(text: &str) -> bool {
    is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether a text is a label by RFC 1123, of any length.
fn is_label(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(ends)
        && text.ends_with(ends)
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

/// Whether a text is the key of a label, or the name of a resource.
pub(crate) fn is_label_key(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    prefix.is_none_or(|prefix| prefix.len() <= 253 && is_subdomain(prefix))
        && !name.is_empty()
        && name.len() <= 63
        && is_label_value(name)
}

fn is_label_value(text: &str) -> bool {
    let ends = |c: char| c.is_ascii_alphanumeric();
    text.is_empty() || is_of(text, b"-_.") && text.starts_with(ends) && text.ends_with(ends)
}

/// Whether a text has letters, digits and these only, and one at least.
fn is_of(text: &str, others: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
}

fn is_sub_path(text: &str) -> bool {
    !text.contains(|c: char| c == ':' || c < ' ') && text.split('/').all(|part| !part.is_empty())
}

/// A map of labels.
pub(crate) fn labels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE_PATTERN},
        "maxProperties": 32,
    })
}

/// A map of annotations.
pub(crate) fn annotations(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 4096},
        "maxProperties": 32,
    })
}
