//! Folders of keys: one a peer, to be carried to its machine.
//!
//! ```text
//! keys/peer-3/authority.pem     whom to believe: the experiment's authority
//! keys/peer-3/certificates.pem  who this peer is: one certificate for each attempt
//! keys/peer-3/key.pem           its private key
//! keys/peer-3/used              attempts that were run with it
//! ```
//!
//! The authority's own key is never written: when all peers are signed nobody needs it, and what is not there cannot be
//! stolen.

mod error;

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use fltorrent_coordinator::{
    authority::Authority,
    identity::{Identity, Role, RunId, certificates},
    key::PeerKey,
};

pub use error::KeysError;

/// Most attempts that are signed beforehand.
pub const MAX_ATTEMPTS: u32 = 1000;
/// Bytes of the largest file that is read: the certificates of [`MAX_ATTEMPTS`].
const MAX_FILE: u64 = 1 << 20;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const AUTHORITY: &str = "authority.pem";
const CERTIFICATES: &str = "certificates.pem";
const KEY: &str = "key.pem";
const USED: &str = "used";

/// Options of `fltorrent keys init`.
#[derive(Clone, Copy, Debug)]
pub struct KeyOptions {
    /// Peers of the experiment.
    pub peers: u32,
    /// Attempts that can be run with the keys.
    pub attempts: u32,
    /// Days that they are valid.
    pub days: u32,
}

/// Makes a run id, an authority and the folder of every peer in `folder`, which must be new or empty. The folder is there
/// whole or not at all.
///
/// # Errors
/// When something is in the folder, or it cannot be written.
pub fn init(folder: &Path, wanted: KeyOptions, now: SystemTime) -> Result<RunId, KeysError> {
    let run = RunId::random()?;
    let authority = Authority::generate(run, DAY * wanted.days, now)?;
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(KeysError::Occupied {
            path: folder.to_owned(),
        });
    }
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(KeysError::write(parent))?;
    let draft = tempfile::Builder::new()
        .prefix(".keys-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(KeysError::write(parent))?;
    for index in 0..wanted.peers {
        let place = draft.path().join(format!("peer-{index}"));
        DirBuilder::new()
            .mode(0o700)
            .create(&place)
            .map_err(KeysError::write(&place))?;
        let key = PeerKey::generate()?;
        let request = key.request_pem()?;
        let signed = (0..wanted.attempts)
            .map(|attempt| authority.sign_peer(&request, index, attempt, 0, now))
            .collect::<Result<String, _>>()?;
        private(&place.join(AUTHORITY), authority.certificate_pem())?;
        private(&place.join(CERTIFICATES), &signed)?;
        private(&place.join(KEY), &key.to_pem())?;
    }
    // This replaces an empty folder; one that something was put into meanwhile stops it.
    fs::rename(draft.path(), folder).map_err(KeysError::write(folder))?;
    // It is no longer where it would be removed from.
    let _ = draft.keep();
    Ok(run)
}

fn private(path: &Path, text: &str) -> Result<(), KeysError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(KeysError::write(path))
}

/// The keys of one peer on its machine.
#[derive(Debug)]
pub struct OwnKeys {
    folder: PathBuf,
    /// The experiment's authority, PEM.
    pub authority: String,
    /// The certificate of the attempt, PEM.
    pub certificate: String,
    /// The identity that the certificate names.
    pub identity: Identity,
    /// The private key.
    pub key: PeerKey,
}

/// Reads the keys of a peer for an attempt from its own folder, or from the folder of all peers.
///
/// # Errors
/// When they are not there, are another peer's, can be read by others, or the attempt is not among them or was run before.
pub fn read(folder: &Path, index: u32, attempt: u32) -> Result<OwnKeys, KeysError> {
    let own = folder.join(format!("peer-{index}"));
    let folder = if own.is_dir() { own } else { folder.to_owned() };
    let key_path = folder.join(KEY);
    let mode = fs::metadata(&key_path)
        .map_err(KeysError::read(&key_path, index))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(KeysError::Open {
            path: key_path,
            mode: mode & 0o777,
        });
    }
    let key = PeerKey::from_pem(&bounded(&key_path, index)?).map_err(|source| KeysError::Pem {
        path: key_path,
        source: Box::new(source),
    })?;
    let authority = bounded(&folder.join(AUTHORITY), index)?;
    let path = folder.join(CERTIFICATES);
    let all = certificates(&bounded(&path, index)?).map_err(|source| KeysError::Pem {
        path: path.clone(),
        source: Box::new(source),
    })?;
    let attempts = u32::try_from(all.len()).unwrap_or(u32::MAX);
    let mut other = None;
    for (identity, certificate) in all {
        match identity.role {
            Role::Peer {
                index: whose,
                attempt: which,
                ..
            } if whose == index => {
                if which == attempt {
                    let own = OwnKeys {
                        folder,
                        authority,
                        certificate,
                        identity,
                        key,
                    };
                    own.check_unused(attempt)?;
                    return Ok(own);
                }
            }
            role => other = Some(role),
        }
    }
    Err(match other {
        Some(role) => KeysError::Other { path, role, index },
        None => KeysError::NoAttempt {
            path,
            attempt,
            attempts,
        },
    })
}

impl OwnKeys {
    fn check_unused(&self, attempt: u32) -> Result<(), KeysError> {
        let path = self.folder.join(USED);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(KeysError::Read { path, source }),
        };
        let attempts = text.lines().filter_map(|line| line.parse::<u32>().ok());
        match attempts.max() {
            Some(last) if last >= attempt => Err(KeysError::Used {
                attempt,
                next: last + 1,
            }),
            _ => Ok(()),
        }
    }

    /// Notes that neighbours have seen this attempt: what a peer signs in it must not appear in another run.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn mark_used(&self, attempt: u32) -> Result<(), KeysError> {
        let path = self.folder.join(USED);
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{attempt}\n").as_bytes()))
            .map_err(KeysError::write(&path))
    }
}

fn bounded(path: &Path, index: u32) -> Result<String, KeysError> {
    let mut text = String::new();
    fs::File::open(path)
        .map_err(KeysError::read(path, index))?
        .take(MAX_FILE)
        .read_to_string(&mut text)
        .map_err(KeysError::read(path, index))?;
    Ok(text)
}
