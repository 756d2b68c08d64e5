//! A file that is seen whole or not at all.

use std::{
    ffi::OsString,
    fs::Permissions,
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tempfile::{Builder, NamedTempFile};

/// An empty file beside `path`, to be persisted there once it is whole; dropped, it is removed. It has the mode that any new
/// file would have.
///
/// # Errors
/// When it cannot be made.
pub fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    // Hidden: a process that is killed leaves it.
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    Builder::new()
        .prefix(&prefix)
        .suffix(".part")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or_else(|| Path::new(".")))
}

/// Puts a whole file in the place of what is there.
///
/// # Errors
/// When it cannot be written; what is there stays.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft = beside(path)?;
    draft.write_all(bytes)?;
    draft.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_there_is_replaced_and_a_failure_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        for text in ["a", "b"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        // A folder is not replaced.
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(replace(&taken, b"c").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(beside(Path::new("/proc/nowhere/x")).is_err());
    }
}
