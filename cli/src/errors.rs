use std::{error::Error, iter};

/// An error and what caused it, in one line.
pub fn chain(error: &dyn Error) -> String {
    iter::successors(error.source(), |cause| (**cause).source())
        .fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
