//! Files by URL: fetched once into a cache folder, where a file's name is its SHA-256.
//!
//! A file gets its name when its hash has been checked, under a lock that other processes wait for: whoever finds the name finds a
//! whole file. It is hashed again whenever it is used.

mod part;
mod progress;
mod request;
mod trust;

use std::{
    env,
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use fltorrent_crds::visible_line;
use thiserror::Error;
use ureq::http::StatusCode;

use super::sha256::{self, Digest};
use crate::path;
use part::Part;
use progress::Progress;

/// The variable with the cache folder.
const CACHE: &str = "FLTORRENT_CACHE";
/// Most bytes of a file.
const LIMIT: u64 = 16 << 30;
/// A server that sends nothing for so long has been lost.
const PATIENCE: Duration = Duration::from_secs(60);
const BUFFER: usize = 64 << 10;

/// Why a file could not be fetched.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum FetchError {
    #[error("there is no cache folder: neither XDG_CACHE_HOME nor HOME is set; set FLTORRENT_CACHE to a folder")]
    NoFolder,
    #[error("{variable} is {}, and {part} in it is not expanded; write the whole path", path.display())]
    Unexpanded {
        variable: &'static str,
        path: PathBuf,
        part: String,
    },
    #[error("{}: cannot be written: check the folder, its permissions and the space left, or set FLTORRENT_CACHE to another folder", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{named}: no certificate could be read there: correct the variable, or unset it to trust the system's")]
    Authorities { named: String, source: io::Error },
    #[error(
        "{url}: the authority of the server's certificate is not trusted ({trusted} are): name a file with its certificate (PEM) in SSL_CERT_FILE or a folder of such files in SSL_CERT_DIR, or add it to the system's store"
    )]
    Untrusted {
        url: String,
        trusted: String,
        source: Box<ureq::Error>,
    },
    #[error("{url}: the server answered {status}: check the URL, or download the file and write its path")]
    Status { url: String, status: StatusCode },
    #[error("{url}: the server is busy ({status}): try again {when}")]
    Busy {
        url: String,
        status: StatusCode,
        when: String,
    },
    #[error("{url}: nothing came for {seconds} s after {found} bytes: try again")]
    Stalled { url: String, found: u64, seconds: u64 },
    #[error("{url}: cannot be fetched: check the URL and the network, or download the file and write its path")]
    Request { url: String, source: Box<ureq::Error> },
    #[error("{url}: the connection broke after {found} bytes: try again")]
    Cut { url: String, found: u64, source: io::Error },
    #[error("{url}: ended after {found} bytes; expected {expected}, as the server announced: try again")]
    Short { url: String, found: u64, expected: u64 },
    #[error("{url}: is larger than {limit} bytes, the most that is fetched: download the file and write its path")]
    TooLarge { url: String, limit: u64 },
    #[error(
        "{url}: its SHA-256 is {found}; expected {expected}, as the manifest says: correct the URL or the manifest's sha256"
    )]
    Hash {
        url: String,
        found: String,
        expected: String,
    },
}

/// A folder of fetched files.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
    patience: Duration,
}

impl Cache {
    /// A folder, which is made when the first file comes, of files of at most `limit` bytes.
    #[must_use]
    pub const fn new(folder: PathBuf, limit: u64) -> Self {
        Self {
            folder,
            limit,
            patience: PATIENCE,
        }
    }

    /// Waits so long for a server that sends nothing.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The folder `FLTORRENT_CACHE`, or else `fltorrent` in the user's cache folder by the XDG base directory
    /// specification.
    ///
    /// # Errors
    /// When neither that nor a home folder is set, and when that has a `~` or a variable.
    pub fn of_user() -> Result<Self, FetchError> {
        let named = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let own = named(CACHE);
        if let Some(path) = &own
            && let Some(part) = path::unexpanded(path)
        {
            return Err(FetchError::Unexpanded {
                variable: CACHE,
                part: part.to_owned(),
                path: path.clone(),
            });
        }
        let folder = own
            .or_else(|| {
                // The specification has relative paths ignored.
                let caches = named("XDG_CACHE_HOME").filter(|path| path.is_absolute());
                caches
                    .or_else(|| Some(named("HOME")?.join(".cache")))
                    .map(|caches| caches.join("fltorrent"))
            })
            .ok_or(FetchError::NoFolder)?;
        Ok(Self::new(folder, LIMIT))
    }

    /// The path of the file with this SHA-256 (64 lower-case hexadecimal digits), fetched from `url` when it is not there.
    ///
    /// # Errors
    /// [`FetchError`]; nothing is left under the file's name then.
    pub fn file(&self, url: &str, sha256: &str) -> Result<PathBuf, FetchError> {
        let path = self.folder.join(sha256);
        if intact(&path, sha256) {
            return Ok(path);
        }
        let lock = self.folder.join(format!("{sha256}.lock"));
        fs::create_dir_all(&self.folder).map_err(|source| FetchError::Folder {
            path: self.folder.clone(),
            source,
        })?;
        let _held = hold(&lock)?;
        // Another process may have fetched it while this one waited.
        if intact(&path, sha256) {
            return Ok(path);
        }
        let folder = |source| FetchError::Folder {
            path: path.clone(),
            source,
        };
        let mut part = Part::create(&self.folder).map_err(folder)?;
        self.fetch(url, sha256, part.file(), &folder)?;
        part.persist(&path).map_err(folder)?;
        Ok(path)
    }

    fn fetch(
        &self,
        url: &str,
        sha256: &str,
        file: &mut File,
        folder: &impl Fn(io::Error) -> FetchError,
    ) -> Result<(), FetchError> {
        let too_large = || FetchError::TooLarge {
            url: url.to_owned(),
            limit: self.limit,
        };
        let response = request::get(url, self.patience)?;
        let announced = response.body().content_length();
        if announced.is_some_and(|length| length > self.limit) {
            return Err(too_large());
        }
        let mut body = response.into_body().into_reader();
        let (mut buffer, mut found) = (vec![0; BUFFER], 0_u64);
        let mut digest = Digest::new();
        let mut progress = Progress::new(url, announced);
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(url, found, error)),
            };
            found += read as u64;
            if found > self.limit {
                return Err(too_large());
            }
            digest.update(&buffer[..read]);
            file.write_all(&buffer[..read]).map_err(folder)?;
            progress.reached(found);
        }
        if let Some(expected) = announced.filter(|&announced| announced != found) {
            let url = url.to_owned();
            return Err(FetchError::Short { url, found, expected });
        }
        let hash = digest.finish();
        if hash == sha256 {
            return Ok(());
        }
        Err(FetchError::Hash {
            url: url.to_owned(),
            found: hash,
            expected: sha256.to_owned(),
        })
    }

    fn broken(&self, url: &str, found: u64, error: io::Error) -> FetchError {
        let url = url.to_owned();
        match ureq::Error::from(error) {
            ureq::Error::Timeout(_) => FetchError::Stalled {
                url,
                found,
                seconds: self.patience.as_secs(),
            },
            error => FetchError::Cut {
                url,
                found,
                source: error.into_io(),
            },
        }
    }
}

/// Whether the whole file is there.
fn intact(path: &Path, sha256: &str) -> bool {
    sha256::of_file(path).is_ok_and(|found| found == sha256)
}

/// The lock, which is held until it is dropped or the process ends; none on a file system without locks.
fn hold(path: &Path) -> Result<Option<File>, FetchError> {
    let file = File::create(path).map_err(|source| FetchError::Folder {
        path: path.to_owned(),
        source,
    })?;
    loop {
        match file.lock() {
            Ok(()) => return Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                // There is no other place to say it.
                writeln!(
                    io::stderr(),
                    "warning: {}: cannot be locked ({error}); processes that want the same file at the same time may each fetch it",
                    visible_line(&path.display().to_string())
                )
                .ok();
                return Ok(None);
            }
        }
    }
}
