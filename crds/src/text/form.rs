//! What all values have that a manifest writes as one text: how they come out of JSON, and what the API server is told.

use std::{fmt, marker::PhantomData, str::FromStr};

use schemars::{Schema, json_schema};
use serde::{Deserialize, Deserializer, de};

/// Why a text is no value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TextError(pub(super) &'static str);

/// How the values of a type are written.
pub(crate) struct Form {
    /// The form as a regular expression, for the API server.
    pub(crate) pattern: &'static str,
    /// Longest text that is read.
    pub(super) max_length: usize,
    /// What a user can write.
    pub(crate) sample: &'static str,
    /// What is said of another form.
    pub(crate) misfit: &'static str,
    /// What is wrong with a text.
    pub(crate) fault: fn(&str) -> Option<TextError>,
    /// Set where a whole number is read as well.
    pub(crate) whole: Option<Whole>,
}

/// Whole numbers without quotes.
pub(crate) struct Whole {
    /// The largest one.
    pub(super) max: u64,
    /// What is said of other numbers.
    pub(crate) misfit: &'static str,
}

impl Form {
    pub(super) fn schema(&self) -> Schema {
        let Self {
            pattern, max_length, ..
        } = self;
        match &self.whole {
            None => json_schema!({"type": "string", "pattern": pattern, "maxLength": max_length}),
            Some(whole) => json_schema!({
                "x-kubernetes-int-or-string": true,
                "pattern": pattern,
                "maxLength": max_length,
                "minimum": 0,
                "maximum": whole.max,
            }),
        }
    }

    pub(super) fn deserialize<'de, D, T>(&self, deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err = TextError>,
    {
        match self.whole {
            None => String::deserialize(deserializer)?.parse().map_err(de::Error::custom),
            Some(_) => deserializer.deserialize_any(Visitor(self.sample, PhantomData)),
        }
    }
}

struct Visitor<T>(&'static str, PhantomData<T>);

impl<T: FromStr<Err = TextError>> de::Visitor<'_> for Visitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// Reads, writes and describes a type by its form; `in` units, its text is a count of them.
macro_rules! text_form {
    ($value:ident in $units:ident) => {
        impl std::str::FromStr for $value {
            type Err = super::TextError;

            fn from_str(text: &str) -> Result<Self, super::TextError> {
                $units.read(text).map(Self)
            }
        }

        impl std::fmt::Display for $value {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $units.write(self.0, f)
            }
        }

        text_form!($value, $units.form);
    };
    ($value:ident, $form:expr) => {
        impl $value {
            pub(super) const FORM: &super::Form = &$form;
        }

        impl serde::Serialize for $value {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $value {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::FORM.deserialize(deserializer)
            }
        }

        impl schemars::JsonSchema for $value {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($value).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                Self::FORM.schema()
            }
        }
    };
}
