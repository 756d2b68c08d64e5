//! Events of access links.

/// No packet of its own: an acknowledgement that travels alone.
pub(super) const NO_PACKET: u64 = u64::MAX;

/// Something that happens on the way.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulation) enum AccessEvent {
    /// The two ends of a connection know each other; `edge` names it.
    Connected { edge: u32 },
    /// A packet has left the sender's uplink and reaches the receiver's downlink. `acks` is the packet of the other
    /// direction up to which the sender of this one acknowledges.
    Arrives { flow: u32, packet: u64, acks: u64 },
    /// A packet has passed the receiver's downlink.
    Delivered { flow: u32, packet: u64, acks: u64 },
    /// Bytes of a piece that travel as one reach the receiver's downlink; the last ones of the piece, or not.
    UnitArrives { flow: u32, bytes: u32, is_last: bool },
    /// They have passed it.
    UnitDelivered { flow: u32, bytes: u32, is_last: bool },
    /// Messages that travel together have come.
    ControlDelivered { flow: u32 },
    /// The transport has taken an upload.
    Taken { flow: u32, request: u32 },
    /// Packets that came wait for their acknowledgement long enough.
    AckDue { flow: u32 },
    /// Nothing was acknowledged for suspiciously long.
    Probe { flow: u32 },
    /// A peer's uplink has room for more.
    Paced { peer: u32 },
    /// Something may be due that happens to a peer.
    Churn { peer: u32 },
    /// A peer that stood still goes on.
    Wakes { peer: u32 },
    /// A process of a peer is started: its next one, or the first one of a peer that joins later.
    Starts { peer: u32 },
    /// One end of a connection has been silent for too long.
    Silent { edge: u32 },
    /// Two peers connect anew.
    Connects { a: u32, b: u32 },
}
