//! Files by URL: fetched once into a cache folder, where a file's name is its SHA-256.
//!
//! A file is written beside its final name and renamed when its hash has been checked, under a lock that other processes
//! wait for: whoever finds the final name finds a whole file. It is hashed again whenever it is used.

mod progress;

use std::{
    env,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use thiserror::Error;

use super::sha256::{self, Digest};
use progress::Progress;

/// Most bytes of a file.
const LIMIT: u64 = 16 << 30;
const REDIRECTS: u32 = 10;
const CONNECT: Duration = Duration::from_secs(30);
const RESPONSE: Duration = Duration::from_secs(60);
const BODY: Duration = Duration::from_secs(6 * 3600);
const BUFFER: usize = 64 << 10;

/// Why a file could not be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// No folder to keep it in.
    #[error(
        "there is no cache folder: neither XDG_CACHE_HOME nor HOME is set; set FLTORRENT_CACHE to a folder"
    )]
    NoFolder,
    /// The cache folder cannot be used.
    #[error("{}: cannot be written: check the folder, its permissions and the space left, or set FLTORRENT_CACHE to another folder", path.display())]
    Folder {
        /// The file in it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No answer, or not the file.
    #[error(
        "{url}: cannot be fetched: check the URL and the network, or fetch the file by hand and write its path"
    )]
    Request {
        /// The URL.
        url: String,
        /// What the client said.
        source: Box<ureq::Error>,
    },
    /// The connection broke.
    #[error("{url}: the connection broke after {found} bytes: try again")]
    Cut {
        /// The URL.
        url: String,
        /// Bytes that came.
        found: u64,
        /// What the client said.
        source: io::Error,
    },
    /// Fewer bytes than were announced.
    #[error(
        "{url}: ended after {found} bytes; expected {expected}, as the server announced: try again"
    )]
    Short {
        /// The URL.
        url: String,
        /// Bytes that came.
        found: u64,
        /// Bytes that were announced.
        expected: u64,
    },
    /// More bytes than a file may have.
    #[error(
        "{url}: is larger than {limit} bytes, the most that is fetched: fetch the file by hand and write its path"
    )]
    TooLarge {
        /// The URL.
        url: String,
        /// The most.
        limit: u64,
    },
    /// Another file than the manifest means.
    #[error(
        "{url}: its SHA-256 is {found}; expected {expected}, as the manifest says: correct the URL or the manifest's sha256"
    )]
    Hash {
        /// The URL.
        url: String,
        /// Of what came.
        found: String,
        /// Of what was meant.
        expected: String,
    },
}

/// A folder of fetched files.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

impl Cache {
    /// A folder, which is made when the first file comes, of files of at most `limit` bytes.
    #[must_use]
    pub fn new(folder: PathBuf, limit: u64) -> Self {
        Self { folder, limit }
    }

    /// The folder `FLTORRENT_CACHE`, or else `fltorrent` in the user's cache folder by the XDG base directory
    /// specification.
    ///
    /// # Errors
    /// When neither that nor a home folder is set.
    pub fn of_user() -> Result<Self, FetchError> {
        let named = |name| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let folder = named("FLTORRENT_CACHE")
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
        let part = self.folder.join(format!("{sha256}.part"));
        let fetched = self.fetch(url, sha256, &part).and_then(|()| {
            fs::rename(&part, &path).map_err(|source| FetchError::Folder {
                path: path.clone(),
                source,
            })
        });
        if fetched.is_err() {
            fs::remove_file(&part).ok();
        }
        fetched.map(|()| path)
    }

    fn fetch(&self, url: &str, sha256: &str, part: &Path) -> Result<(), FetchError> {
        let too_large = || FetchError::TooLarge {
            url: url.to_owned(),
            limit: self.limit,
        };
        let response = agent()
            .get(url)
            .call()
            .map_err(|source| FetchError::Request {
                url: url.to_owned(),
                source: Box::new(source),
            })?;
        let announced = response.body().content_length();
        if announced.is_some_and(|length| length > self.limit) {
            return Err(too_large());
        }
        let folder = |source| FetchError::Folder {
            path: part.to_owned(),
            source,
        };
        let mut file = File::create(part).map_err(folder)?;
        let mut body = response.into_body().into_reader();
        let (mut buffer, mut found) = (vec![0; BUFFER], 0_u64);
        let mut digest = Digest::new();
        let mut progress = Progress::new(url, announced);
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    let url = url.to_owned();
                    return Err(FetchError::Cut { url, found, source });
                }
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
            return Err(FetchError::Short {
                url,
                found,
                expected,
            });
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
}

/// Whether the whole file is there.
fn intact(path: &Path, sha256: &str) -> bool {
    sha256::of_file(path).is_ok_and(|found| found == sha256)
}

/// The lock, which is held until it is dropped or the process ends.
fn hold(path: &Path) -> Result<File, FetchError> {
    let lock = || {
        let file = File::create(path)?;
        file.lock()?;
        Ok(file)
    };
    lock().map_err(|source| FetchError::Folder {
        path: path.to_owned(),
        source,
    })
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .max_redirects(REDIRECTS)
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(RESPONSE))
        .timeout_recv_body(Some(BODY))
        .user_agent(concat!("fltorrent/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}
