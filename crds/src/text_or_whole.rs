//! Quantities are written as text with a suffix, or as a whole number.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserializer, de};

/// Reads a quantity; `sample` says in errors what was expected.
///
/// # Errors
/// What it is read from is neither, or no such quantity.
pub(crate) fn deserialize<'de, D, T>(deserializer: D, sample: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: fmt::Display> + TryFrom<u64, Error: fmt::Display>,
{
    deserializer.deserialize_any(Visitor {
        sample,
        quantity: PhantomData,
    })
}

struct Visitor<T> {
    sample: &'static str,
    quantity: PhantomData<T>,
}

impl<T> de::Visitor<'_> for Visitor<T>
where
    T: FromStr<Err: fmt::Display> + TryFrom<u64, Error: fmt::Display>,
{
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sample)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, whole: u64) -> Result<T, E> {
        whole.try_into().map_err(E::custom)
    }
}
