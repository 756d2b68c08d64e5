//! The folder of checkpoints, reached without following links: on a claim that pods share, others may lay them in the way.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, mkdirat, open, openat, renameat, statat, unlinkat},
    io::Errno,
};

/// A folder, and from where on no link is followed on the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    root: PathBuf,
    below: PathBuf,
}

impl Folder {
    /// A folder that is no link itself; the way to it is its user's own.
    pub fn at(path: &Path) -> Self {
        match (path.parent(), path.file_name()) {
            (Some(root), Some(name)) => Self {
                root: match root.as_os_str().is_empty() {
                    true => PathBuf::from("."),
                    false => root.to_owned(),
                },
                below: name.into(),
            },
            _ => Self {
                root: path.to_owned(),
                below: PathBuf::new(),
            },
        }
    }

    /// A folder to which no link leads from `root` on; one elsewhere is no link itself.
    pub fn below(root: &Path, path: &Path) -> Self {
        match path.strip_prefix(root) {
            Ok(below) if !below.as_os_str().is_empty() => Self {
                root: root.to_owned(),
                below: below.to_owned(),
            },
            _ => Self::at(path),
        }
    }

    /// Its path, to be shown.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.below)
    }

    /// Makes it and what leads to it, as far as they are not there.
    ///
    /// # Errors
    /// When the system refuses, or a link is in the way.
    pub fn make(&self) -> io::Result<()> {
        fs::create_dir_all(&self.root)?;
        self.walk(|folder, name| match mkdirat(folder, name, Mode::from_raw_mode(0o777)) {
            Err(Errno::EXIST) => Ok(()),
            made => made,
        })
        .map(drop)
    }

    /// The names in it.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(self.open()?)? {
            names.extend(entry?.file_name().to_str().map(str::to_owned));
        }
        Ok(names)
    }

    /// Opens a file to read it.
    pub(super) fn read(&self, name: &str) -> io::Result<File> {
        let folder = self.open()?;
        // A pipe that somebody laid there does not hold this process up: it is refused by its length.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&folder, name, flags, Mode::empty()) {
            Ok(file) => Ok(file.into()),
            Err(error) => Err(explained(&folder, OsStr::new(name), error)),
        }
    }

    /// Makes a file anew; what had its name is removed.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let folder = self.open()?;
        match unlinkat(&folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        Ok(openat(&folder, name, flags, Mode::from_raw_mode(0o666))?.into())
    }

    /// Gives a file another name, in place of what had it, and flushes the folder to the disk.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let folder = self.open()?;
        renameat(&folder, from, &folder, to)?;
        File::from(folder).sync_all()
    }

    /// Removes a file.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(unlinkat(self.open()?, name, AtFlags::empty())?)
    }

    fn open(&self) -> io::Result<OwnedFd> {
        self.walk(|_, _| Ok(()))
    }

    /// Opens one folder after the other; `before` is done before each.
    fn walk(&self, before: impl Fn(&OwnedFd, &OsStr) -> Result<(), Errno>) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = open(&self.root, flags, Mode::empty())?;
        for component in self.below.components() {
            let Component::Normal(name) = component else {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a path with .. in it; write it without",
                ));
            };
            before(&folder, name)?;
            folder = openat(&folder, name, flags | OFlags::NOFOLLOW, Mode::empty())
                .map_err(|error| explained(&folder, name, error))?;
        }
        Ok(folder)
    }
}

/// The system's word, or a clearer one where a link is in the way.
fn explained(folder: &OwnedFd, name: &OsStr, error: Errno) -> io::Error {
    let is_link = || {
        statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
    };
    if matches!(error, Errno::LOOP | Errno::NOTDIR | Errno::MLINK) && is_link() {
        return io::Error::other(format!(
            "{} is a link, and no link is followed to a checkpoint: remove it",
            name.to_string_lossy()
        ));
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_on_the_way_is_refused_by_name_and_one_before_it_is_not() {
        let place = tempfile::tempdir().unwrap();
        let real = place.path().join("real");
        fs::create_dir_all(real.join("a/b")).unwrap();
        symlink(&real, place.path().join("home")).unwrap();
        symlink("real/a", place.path().join("elsewhere")).unwrap();
        // The user's own way may have links.
        Folder::at(&place.path().join("home/a")).names().unwrap();
        let through = place.path().join("elsewhere/b");
        Folder::at(&through).names().unwrap();
        let error = Folder::below(place.path(), &through).names().unwrap_err();
        assert!(error.to_string().contains("elsewhere is a link"), "{error}");
        let error = Folder::below(place.path(), &through).make().unwrap_err();
        assert!(error.to_string().contains("elsewhere is a link"), "{error}");
        let error = Folder::at(&place.path().join("home")).names().unwrap_err();
        assert!(error.to_string().contains("home is a link"), "{error}");
        let error = Folder::below(&real, &real.join("a/../a")).names().unwrap_err();
        assert!(error.to_string().contains(".."), "{error}");
    }

    #[test]
    fn what_is_made_is_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x/y/z");
        for folder in [Folder::below(place.path(), &path), Folder::at(&path)] {
            folder.make().unwrap();
            folder.make().unwrap();
            assert!(folder.path().is_dir());
            fs::remove_dir_all(place.path().join("x")).unwrap();
        }
    }
}
