//! Systems that do not tell of a host's queue.

use std::{io, net::IpAddr};

use fltorrent_swarm::sending::HostQueue;

/// Looks at a host's queue; none once it has gone.
pub(super) type Look = Box<dyn FnMut() -> Option<HostQueue> + Send>;

/// There is none to be seen.
///
/// # Errors
/// Always.
pub(super) fn look(_: IpAddr) -> io::Result<Look> {
    Err(io::ErrorKind::Unsupported.into())
}
