//! The host's own queue on the interface that a connection leaves by, where the system tells of it.

#[cfg(target_os = "linux")]
mod netlink;

use std::{io, net::IpAddr};

use fltorrent_swarm::sending::HostQueue;

/// Looks at a host's queue; none once it has gone.
pub(super) type Look = Box<dyn FnMut() -> Option<HostQueue> + Send>;

/// Looks at the queue of the interface that has an address.
///
/// # Errors
/// Where it has none, or its queue cannot be seen.
#[cfg(target_os = "linux")]
pub(super) fn look(address: IpAddr) -> io::Result<Look> {
    let mut reader = netlink::HostQueueReader::of(address).map_err(io::Error::other)?;
    Ok(Box::new(move || reader.read().ok().flatten()))
}

/// There is none to be seen.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub(super) fn look(_: IpAddr) -> io::Result<Look> {
    Err(io::ErrorKind::Unsupported.into())
}
