//! What is known of one contender's exchange.

/// One exchange, or several rounds of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Seconds of each round, from the first update that is there to the last peer that has all.
    pub(super) seconds: Vec<f64>,
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
    /// Who was last, and what it waited for.
    pub(super) slowest: Option<String>,
}

impl Outcome {
    /// The median of the rounds' times; of an even number the upper of the middle two.
    pub(super) fn median(&self) -> Option<f64> {
        let mut seconds = self.seconds.clone();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied()
    }
}
