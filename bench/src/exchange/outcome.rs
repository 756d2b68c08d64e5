//! What is known of one contender's exchange.

/// One exchange, or several rounds of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Seconds of a round: until the last peer has all updates.
    pub(super) seconds: Option<f64>,
    /// Bytes on all uplinks, with all headers, for each byte of payload.
    pub(super) wire: Option<f64>,
    /// Bytes of control messages for each byte of payload.
    pub(super) control: Option<f64>,
    /// Bytes received twice for each byte of payload.
    pub(super) duplicates: Option<f64>,
    /// CPU seconds for each gigabyte of payload received.
    pub(super) cpu: Option<f64>,
    /// Most bytes in memory of one peer.
    pub(super) memory: Option<u64>,
    /// Share of the first uplink that somebody else's flow had meanwhile.
    pub(super) foreign: Option<f64>,
    /// Who was last, and what it waited for.
    pub(super) slowest: Option<String>,
}
