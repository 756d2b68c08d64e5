use std::{
    error::Error,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use fltorrent_coordinator::{
    authority::AuthorityError,
    identity::{IdentityError, Role},
    key::KeyError,
};

/// Why keys cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Something is there already.
    #[error("{}: is not empty, and keys are never overwritten; name another folder with --out, or remove this one", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written; make room there, or see who may write", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The keys are not there.
    #[error("{}: is not there; copy the folder peer-{index} of `fltorrent keys init` to this machine and name it with --keys", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// Whose keys are wanted.
        index: u32,
    },
    /// A file cannot be read.
    #[error("{}: cannot be read; see who may read it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others may read the private key.
    #[error("{}: others may read this private key (mode {mode:o}); `chmod 600` it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file is not what it should be.
    #[error("{}: is damaged; copy it again", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The keys of another peer.
    #[error("{}: these are the keys of {role}, not of peer {index}; name the folder peer-{index} with --keys, or give the right --index", path.display())]
    Other {
        /// The file.
        path: PathBuf,
        /// Whose they are.
        role: Role,
        /// Who wanted them.
        index: u32,
    },
    /// An attempt that nobody has signed.
    #[error("{}: there is no certificate for attempt {attempt}, only for attempts 0 to {}; make new keys with `fltorrent keys init`", path.display(), attempts.saturating_sub(1))]
    NoAttempt {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        attempt: u32,
        /// Attempts that are there.
        attempts: u32,
    },
    /// An attempt that was run before.
    #[error(
        "attempt {attempt} was run with these keys before; start every peer of the new run with --attempt {next}, or make new keys with `fltorrent keys init`"
    )]
    Used {
        /// What was asked for.
        attempt: u32,
        /// The first one that was not run.
        next: u32,
    },
    /// No run id.
    #[error("the run could not be given an id")]
    Run(#[from] IdentityError),
    /// No certificate.
    #[error("the authority could not sign")]
    Authority(#[from] AuthorityError),
    /// No key.
    #[error("a peer's key could not be made")]
    Key(#[from] KeyError),
}

impl KeysError {
    pub(super) fn write(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Write {
            path: path.clone(),
            source,
        }
    }

    pub(super) fn read(path: &Path, index: u32) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| {
            let path = path.clone();
            match source.kind() {
                ErrorKind::NotFound => Self::Missing { path, index },
                _ => Self::Read { path, source },
            }
        }
    }
}
