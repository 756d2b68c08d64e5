//! What keeps a panic in a program's own code from taking the process along.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use thiserror::Error;

/// What code panicked with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("its code panicked: {0}")]
pub struct Panicked(String);

/// Runs code that may panic. What it changes may be half done after that, and must not be used.
pub(crate) fn guard<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|panic| Panicked(text(panic.as_ref())))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("with something that is no text").to_owned()
}
