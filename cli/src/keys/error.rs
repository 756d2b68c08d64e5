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
#[allow(missing_docs, reason = "each message says what it is")]
pub enum KeysError {
    #[error("{}: is not empty, and keys are never overwritten; name another folder with --out, or remove this one", path.display())]
    Occupied { path: PathBuf },
    #[error("{}: cannot be written; free disk space, or check its permissions", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{}: does not exist; copy the folder peer-{index} of `fltorrent keys init` to this machine and name it with --keys", path.display())]
    Missing { path: PathBuf, index: u32 },
    #[error("{}: cannot be read; check its permissions", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: this private key is readable by others (mode {mode:o}); `chmod 600` it", path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("{}: is corrupt; copy it again", path.display())]
    Pem {
        path: PathBuf,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("{}: these are the keys of {role}, not of peer {index}; name the folder peer-{index} with --keys, or give the right --index", path.display())]
    Other { path: PathBuf, role: Role, index: u32 },
    #[error("{}: there is no certificate for attempt {attempt}, only for attempts 0 to {}; create new keys with `fltorrent keys init`", path.display(), attempts.saturating_sub(1))]
    NoAttempt { path: PathBuf, attempt: u32, attempts: u32 },
    #[error(
        "attempt {attempt} was already run with these keys; start every peer of the new run with --attempt {next}, or create new keys with `fltorrent keys init`"
    )]
    Used { attempt: u32, next: u32 },
    #[error("no run id could be generated")]
    Run(#[from] IdentityError),
    #[error("the authority could not sign")]
    Authority(#[from] AuthorityError),
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
