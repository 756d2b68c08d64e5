//! Generated files that are kept in the repository.

use std::{fs, path::Path};

/// Asserts that a file, named from the crate's folder, is what was generated; with `UPDATE` set it is written.
pub(crate) fn assert_is(name: &str, generated: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, generated).unwrap();
    }
    assert!(
        fs::read(&path).unwrap() == generated,
        "{name} is out of date: cargo xtask update"
    );
}
