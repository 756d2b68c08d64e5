//! A file in the making: without a name where the system can do that, so that nothing is left however the process ends.

use std::{
    fs::{self, File, Permissions},
    io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use tempfile::NamedTempFile;

/// Mode of a new file, before the user's mask.
const MODE: u32 = 0o666;

/// A file that has not its name yet.
#[derive(Debug)]
pub(super) enum Part {
    /// One that goes with the process.
    Nameless(File),
    /// One that has another name meanwhile, on file systems that know no other.
    Named(NamedTempFile),
}

impl Part {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        // What has no name gets one by way of /proc.
        #[cfg(target_os = "linux")]
        if Path::new("/proc/self/fd").is_dir() {
            let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
            if let Ok(file) = open(folder, flags, Mode::from_raw_mode(MODE)) {
                return Ok(Self::Nameless(file.into()));
            }
        }
        Self::named(folder)
    }

    fn named(folder: &Path) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.suffix(".part");
        let file = builder.permissions(Permissions::from_mode(MODE)).tempfile_in(folder)?;
        Ok(Self::Named(file))
    }

    pub(super) fn file(&mut self) -> &mut File {
        match self {
            Self::Nameless(file) => file,
            Self::Named(file) => file.as_file_mut(),
        }
    }

    /// Gives the file its name, in place of what had it.
    pub(super) fn persist(self, path: &Path) -> io::Result<()> {
        let file = match self {
            Self::Nameless(file) => file,
            Self::Named(file) => return Ok(file.persist(path).map(drop)?),
        };
        let open = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        // A link replaces nothing; a rename does, so that the name never lacks a file.
        let between = path.with_extension(format!("{}.part", std::process::id()));
        match fs::remove_file(&between) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => linkat(CWD, &open, CWD, &between, AtFlags::SYMLINK_FOLLOW)?,
        }
        fs::rename(&between, path)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn both_kinds_replace_what_is_there_and_the_nameless_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut kinds = vec![Part::named(folder.path()).unwrap()];
        kinds.push(Part::create(folder.path()).unwrap());
        for (content, mut part) in ["a", "b"].into_iter().zip(kinds) {
            part.file().write_all(content.as_bytes()).unwrap();
            part.persist(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }
}
