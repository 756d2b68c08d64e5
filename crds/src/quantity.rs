//! Amounts in Kubernetes' form of quantities: `100m`, `2`, `256Mi`.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    decimal::{self, DecimalError},
    text_or_whole,
};

/// Longest text that is read.
const MAX_LENGTH: usize = 32;
/// The form as a regular expression, for the API server.
pub(crate) const PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$";
/// What a user can write.
pub(crate) const SAMPLE: &str = "a quantity such as 100m, 2 or 256Mi; one with a point in quotes";
/// Largest whole amount: 1 Pi, the largest power of 1,024 whose thousandths are counted exactly.
const MAX: u64 = 1 << 50;

/// Suffixes with their worth in thousandths.
const SUFFIXES: [(&str, u64); 12] = [
    ("m", 1),
    ("", 1_000),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
];

/// An amount as a Kubernetes quantity: a decimal number with a suffix of `m` (thousandths), `k M G T P` (powers of 1,000) or
/// `Ki Mi Gi Ti Pi` (powers of 1,024), or none. Exact to a thousandth, not negative, at most 1Pi.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct Quantity(u64);

/// Why a text is not a [`Quantity`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum QuantityError {
    #[error("not a quantity")]
    Form,
    #[error("finer than 1m")]
    Fine,
    #[error("more than 1Pi")]
    Large,
}

impl Quantity {
    /// So many thousandths.
    pub const fn from_thousandths(count: u32) -> Self {
        Self(count as u64)
    }

    /// A whole amount, or the largest one where that is too much.
    pub(crate) const fn up_to(whole: u64) -> Self {
        Self(if whole > MAX { MAX } else { whole } * 1_000)
    }

    /// The amount in thousandths.
    pub const fn thousandths(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for Quantity {
    type Error = QuantityError;

    fn try_from(whole: u64) -> Result<Self, QuantityError> {
        if whole > MAX {
            Err(QuantityError::Large)
        } else {
            Ok(Self(whole * 1_000))
        }
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        if text.len() > MAX_LENGTH {
            return Err(QuantityError::Form);
        }
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (_, scale) = SUFFIXES
            .iter()
            .find(|(name, _)| *name == suffix)
            .ok_or(QuantityError::Form)?;
        let thousandths = decimal::scaled(number, *scale).map_err(|error| match error {
            DecimalError::Form => QuantityError::Form,
            DecimalError::Fraction => QuantityError::Fine,
            DecimalError::Large => QuantityError::Large,
        })?;
        if thousandths > MAX * 1_000 {
            return Err(QuantityError::Large);
        }
        Ok(Self(thousandths))
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The largest unit that fits writes it shortest; zero fits them all.
        let unit = SUFFIXES
            .iter()
            .filter(|(_, scale)| self.0 > 0 && self.0.is_multiple_of(*scale))
            .max_by_key(|(_, scale)| *scale);
        match unit {
            Some((suffix, scale)) => write!(f, "{}{suffix}", self.0 / scale),
            None => f.write_str("0"),
        }
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> Self {
        quantity.to_string()
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_or_whole::deserialize(deserializer, SAMPLE)
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
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
        for (text, thousandths, printed) in [
            ("100m", 100, "100m"),
            ("0.1", 100, "100m"),
            ("1000m", 1_000, "1"),
            ("2", 2_000, "2"),
            ("1.5", 1_500, "1500m"),
            ("0", 0, "0"),
            ("0m", 0, "0"),
            ("256Mi", (256 << 20) * 1_000, "256Mi"),
            ("1024Mi", (1 << 30) * 1_000, "1Gi"),
            ("1.5Gi", (3 << 29) * 1_000, "1536Mi"),
            ("100M", 100_000_000_000, "100M"),
            ("1048577", 1_048_577_000, "1048577"),
            ("1Pi", MAX * 1_000, "1Pi"),
            ("1P", 1_000_000_000_000_000_000, "1P"),
        ] {
            let quantity: Quantity = text.parse().unwrap();
            assert_eq!(quantity.thousandths(), thousandths, "{text}");
            assert_eq!(quantity.to_string(), printed);
            assert_eq!(printed.parse::<Quantity>().unwrap(), quantity);
        }
        assert_eq!(serde_json::from_str::<Quantity>("3").unwrap(), "3".parse().unwrap());
    }

    #[test]
    fn refuses_other_texts() {
        for text in [
            "", "m", "-1", "+1", "1 m", "1mi", "1KB", "1e3", "1.", ".5", "1.2.3", "1E", "1n", "٣",
        ] {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::Form), "{text}");
        }
        for text in ["0.5m", "0.0001"] {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::Fine), "{text}");
        }
        for text in ["2Pi", "99999999999999999999999999999", "1025Ti"] {
            assert_eq!(text.parse::<Quantity>(), Err(QuantityError::Large), "{text}");
        }
        assert!(serde_json::from_str::<Quantity>("-1").is_err());
        assert!(serde_json::from_str::<Quantity>("0.5").is_err());
    }
}
