//! How much the transport holds and sends for one neighbour: for the real peer's connections and the simulator's alike.

mod bound;
mod observed;
mod rate_aware;
mod uplink;

pub use bound::WindowBound;
pub use observed::HostQueue;
pub use rate_aware::RateAware;
pub use uplink::{MEASURED, Uplink};

/// Bytes of a full packet beside those of a stream and the headers below QUIC: a header with a connection's number of [`CONNECTION_ID`] bytes, the tag, and
/// the stream frame's header.
pub const QUIC_HEADERS: u32 = 26 + CONNECTION_ID;
/// The same of a packet that acknowledges and has nothing else.
pub const QUIC_ACKNOWLEDGEMENT: u32 = 32 + CONNECTION_ID;
/// Bytes of the number by which a packet names its connection. Four keep apart what 10,000 neighbours have. Quinn's own eight would cost 0.3 % of an
/// uplink.
pub const CONNECTION_ID: u32 = 4;

/// Least that a connection holds for sending, bytes.
const LEAST_HELD: u64 = 16 * 1024;

/// Bytes that the connections of a peer may have on their way together before the first acknowledgements, and after losses
/// however slow they are. More loses packets in queues of 50 ms at 10 Mbit/s, less leaves links idle where each link's queue feeds the
/// next one's (docs/benchmarks.md).
const TOGETHER: u64 = 128 * 1024;
/// Least of one connection before its first acknowledgement, and after losses. With less, a peer whose uplink is slower than its
/// neighbours' gets its updates out late (the unequal mesh of the benchmark).
const LEAST_FIRST: u64 = 32 * 1024;
const LEAST_BOUND: u64 = 24 * 1024;
/// Largest of one connection, which a common queue holds: a ring's links ran dry at times with 32 KiB and overflowed with 64.
const LARGEST: u64 = 48 * 1024;
/// Packets that are acknowledged together on links of which nothing is known. An acknowledgement that shares no packet with a
/// piece takes as much of a slow link as 80 bytes of it.
pub const ACKNOWLEDGED_TOGETHER: u32 = 7;

/// Bytes that a connection may have on its way before the first acknowledgement, for a peer with so many neighbours.
pub fn first_window(neighbours: usize) -> u64 {
    share(neighbours).clamp(LEAST_FIRST, LARGEST)
}

/// Bytes that a connection may have on its way after losses, whatever its rate ([`WindowBound`]).
pub fn least_bound(neighbours: usize) -> u64 {
    share(neighbours).clamp(LEAST_BOUND, LARGEST)
}

fn share(neighbours: usize) -> u64 {
    TOGETHER / u64::try_from(neighbours).unwrap_or(u64::MAX).max(1)
}

/// Bytes that a connection holds for sending, those on their way included: one window in flight and one to come. What it
/// does not hold can still be reordered, or be given to another neighbour.
pub fn held_for_sending(window: u64) -> u64 {
    window.saturating_mul(2).max(LEAST_HELD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_share_what_is_sent_before_the_first_acknowledgement_and_after_losses() {
        for (neighbours, first, bound) in [
            (0, 48, 48),
            (1, 48, 48),
            (2, 48, 48),
            (4, 32, 32),
            (7, 32, 24),
            (usize::MAX, 32, 24),
        ] {
            let found = (first_window(neighbours), least_bound(neighbours));
            assert_eq!(found, (first * 1024, bound * 1024), "{neighbours}");
        }
    }

    #[test]
    fn a_connection_holds_two_windows_for_sending() {
        assert_eq!(held_for_sending(100_000), 200_000);
        assert_eq!(held_for_sending(3000), 16 * 1024);
        assert_eq!(held_for_sending(u64::MAX), u64::MAX);
    }
}
