//! Open files: as many as a run needs, as far as the system lets this process have them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use thiserror::Error;

use super::LaunchError;

/// Descriptors that the launcher holds for each peer: three pipes, a process handle, a connection for reports, a metrics file.
const A_PEER: u64 = 6;
/// Further descriptors, including those that are open for a moment at the start.
const BESIDE: u64 = 64;
/// With fewer neither a runtime nor one peer's sockets and files can be had.
const LEAST: u64 = 32;

/// This process may have too few open files to do anything.
#[derive(Debug, Error)]
#[error(
    "this process may have {limit} open files, and it needs {LEAST} at least: raise the hard limit (`ulimit -Hn`, LimitNOFILE of a service)"
)]
pub struct TooFewFiles {
    /// The hard limit.
    limit: u64,
}

/// Raises the soft limit to the least that anything needs.
///
/// # Errors
/// When the hard limit does not allow it.
pub fn have_least_open_files() -> Result<(), TooFewFiles> {
    raise(LEAST).map_err(|limit| TooFewFiles { limit })
}

/// Raises the soft limit to what `peers` processes need.
///
/// # Errors
/// When the hard limit does not allow it.
pub fn raise_open_files(peers: usize) -> Result<(), LaunchError> {
    let needed = BESIDE + A_PEER * peers as u64;
    raise(needed).map_err(|limit| LaunchError::OpenFiles { peers, needed, limit })
}

/// Where it cannot be raised, gives the hard limit.
fn raise(needed: u64) -> Result<(), u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let limit = maximum.or(current).unwrap_or(u64::MAX);
    if maximum.is_some_and(|maximum| maximum < needed) {
        return Err(limit);
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|_| limit)
}
