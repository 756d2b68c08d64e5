//! Byte counts in Kubernetes' form of quantities: `256Mi`, `1Gi`, `100M`, `1048576`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    decimal::{self, DecimalError},
    text_or_whole,
};

/// Longest text that is read.
pub(crate) const MAX_LENGTH: usize = 32;
/// The form as a regular expression, for the API server.
pub(crate) const PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|Ki|Mi|Gi|Ti)?$";
/// Largest value: 1,024 Ti.
pub(crate) const MAX: u64 = 1 << 50;

const SUFFIXES: [(&str, u64); 9] = [
    ("", 1),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
];

/// A number of bytes as a Kubernetes quantity: a decimal number with a suffix of `k M G T` (powers of 1,000) or
/// `Ki Mi Gi Ti` (powers of 1,024), or a plain whole number. Exact, not negative, at most 1024Ti.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct ByteSize(u64);

/// Why a text is not a [`ByteSize`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ByteSizeError {
    #[error("not a quantity of bytes")]
    Form,
    #[error("not a whole number of bytes")]
    Fraction,
    #[error("more than 1024Ti")]
    Large,
}

impl ByteSize {
    /// So many mebibytes.
    pub const fn from_mebibytes(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for ByteSize {
    type Error = ByteSizeError;

    fn try_from(bytes: u64) -> Result<Self, ByteSizeError> {
        if bytes > MAX {
            Err(ByteSizeError::Large)
        } else {
            Ok(Self(bytes))
        }
    }
}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(text: &str) -> Result<Self, ByteSizeError> {
        if text.len() > MAX_LENGTH {
            return Err(ByteSizeError::Form);
        }
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (_, scale) = SUFFIXES
            .iter()
            .find(|(name, _)| *name == suffix)
            .ok_or(ByteSizeError::Form)?;
        decimal::scaled(number, *scale)
            .map_err(|error| match error {
                DecimalError::Form => ByteSizeError::Form,
                DecimalError::Fraction => ByteSizeError::Fraction,
                DecimalError::Large => ByteSizeError::Large,
            })?
            .try_into()
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = SUFFIXES[5..].iter().rev();
        let decimal = SUFFIXES[1..5].iter().rev();
        for (suffix, scale) in binary.chain(decimal) {
            if self.0 > 0 && self.0.is_multiple_of(*scale) {
                return write!(f, "{}{suffix}", self.0 / scale);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_whole::deserialize(deserializer, "a quantity of bytes such as 256Mi")
    }
}

impl JsonSchema for ByteSize {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": PATTERN,
            "maxLength": MAX_LENGTH,
            "minimum": 0,
            "maximum": MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_exactly() {
        for (text, bytes, printed) in [
            ("256Mi", 256 << 20, "256Mi"),
            ("1Gi", 1 << 30, "1Gi"),
            ("1024Mi", 1 << 30, "1Gi"),
            ("100M", 100_000_000, "100M"),
            ("1.5Gi", 3 << 29, "1536Mi"),
            ("0.5k", 500, "500"),
            ("1.50k", 1_500, "1500"),
            ("1048576", 1 << 20, "1Mi"),
            ("0", 0, "0"),
            ("7", 7, "7"),
            ("1024Ti", MAX, "1024Ti"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size.get(), bytes, "{text}");
            assert_eq!(size.to_string(), printed);
            assert_eq!(printed.parse::<ByteSize>().unwrap(), size);
        }
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "", "Mi", "-1", "+1", "1 Mi", " 1", "1mi", "1KB", "1m", "1e3", "1.", ".5k", "1.2.3k", "1Ei", "٣",
        ] {
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeError::Form), "{text}");
        }
        for text in ["0.5", "1.0001k", "0.3Ki"] {
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeError::Fraction), "{text}");
        }
        for text in ["1025Ti", "99999999999999999999999999999", "99999999999999999999T"] {
            assert_eq!(text.parse::<ByteSize>(), Err(ByteSizeError::Large), "{text}");
        }
    }

    #[test]
    fn reads_plain_integers_of_json() {
        assert_eq!(serde_json::from_str::<ByteSize>("4096").unwrap().get(), 4096);
        assert!(serde_json::from_str::<ByteSize>("-1").is_err());
        assert!(serde_json::from_str::<ByteSize>("1.5").is_err());
        assert!(serde_json::from_str::<ByteSize>("18446744073709551615").is_err());
    }
}
