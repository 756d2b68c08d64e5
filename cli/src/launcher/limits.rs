//! Open files: as many as a run needs, as far as the system lets this process have them.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::LaunchError;

/// What the launcher has open for a peer: three pipes, a handle of its process, a connection for its reports, its metrics file.
const A_PEER: u64 = 6;
/// What it has open beside them, with what a start takes for a moment.
const BESIDE: u64 = 64;

/// Raises the soft limit to what `peers` processes need.
///
/// # Errors
/// When the hard limit does not allow it.
pub(super) fn raise_open_files(peers: usize) -> Result<(), LaunchError> {
    let needed = BESIDE + A_PEER * peers as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let refused = LaunchError::OpenFiles {
        peers,
        needed,
        limit: maximum.or(current).unwrap_or(u64::MAX),
    };
    if maximum.is_some_and(|maximum| maximum < needed) {
        return Err(refused);
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum,
    };
    setrlimit(Resource::Nofile, raised).map_err(|_| refused)
}
