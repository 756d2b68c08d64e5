//! A column of a table, by name or by number.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The form of a name as a regular expression, for the API server.
pub(crate) const COLUMN_PATTERN: &str = r"^[^\x00-\x1f]{1,256}$";
/// Largest number of a column.
pub(crate) const MAX_COLUMN: u32 = 1 << 24;

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// Its number, counted from 0.
    Number(u32),
    /// Its name in the header.
    Name(String),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl JsonSchema for Column {
    fn schema_name() -> Cow<'static, str> {
        "Column".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "pattern": COLUMN_PATTERN,
            "minimum": 0,
            "maximum": MAX_COLUMN,
        })
    }
}

/// What is wrong with a name, or none.
pub(crate) fn name_fault(name: &str) -> Option<&'static str> {
    let fits = (1..=256).contains(&name.chars().count()) && !name.chars().any(|c| c < ' ');
    (!fits).then_some("not the name of a column, which has 1 to 256 characters and no control characters")
}
