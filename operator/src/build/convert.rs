//! Fields of `spec.kubernetes` that are written as a pod has them become what a pod has.

use serde::{Serialize, de::DeserializeOwned};

use super::BuildError;

/// The same as another type, by way of its JSON. `field` is where it stands in `spec.kubernetes`.
pub(super) fn same<T: DeserializeOwned>(field: &'static str, value: &impl Serialize) -> Result<T, BuildError> {
    serde_json::to_value(value)
        .and_then(serde_json::from_value)
        .map_err(|source| BuildError::Convert { field, source })
}
