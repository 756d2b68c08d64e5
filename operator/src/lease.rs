//! Who leads: of several replicas the one that holds the Lease. The rules are those of Kubernetes' own components (client-go's
//! `leaderelection`): a lease is taken when it is free, or when its holder has not renewed it for its whole duration, measured by the
//! clock of who looks, from when it saw the last change. Clocks of machines are never compared.
//!
//! [`Election`] decides; [`driver`] reads and writes the Lease; [`keeper`] gives it a thread of its own. A replica that loses the
//! lease ends, so that there is never a write by a second leader for longer than one request lasts.

pub mod driver;
pub mod keeper;

use std::time::{Duration, Instant};

/// Time that a lease holds without being renewed.
pub const DURATION: Duration = Duration::from_secs(15);
/// Time for which a leader that cannot renew continues; shorter than [`DURATION`], so that it has stopped before another begins.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// The time between two tries.
pub const RETRY: Duration = Duration::from_secs(2);

/// The content of the Lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The holder; empty: nobody.
    pub holder: String,
    /// Number of changes of the holder.
    pub transitions: i32,
    /// Changes with every write.
    pub version: String,
}

/// The next action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Write the lease with us as its holder, on the condition that it is still as seen.
    Write {
        /// Number of changes of the holder, including this one.
        transitions: i32,
        /// True if we hold it already.
        renewal: bool,
    },
    /// Look again after [`RETRY`].
    Wait,
    /// We led and may not any longer: stop at once.
    Lost,
}

/// One replica's part in the election.
#[derive(Debug)]
pub struct Election {
    name: String,
    seen: Option<(Record, Instant)>,
    /// When we last knew that the lease was ours; none: we do not lead.
    renewed: Option<Instant>,
}

impl Election {
    /// A replica with a name that no other has.
    pub const fn new(name: String) -> Self {
        Self {
            name,
            seen: None,
            renewed: None,
        }
    }

    /// True if we lead, as far as we know.
    pub const fn leads(&self) -> bool {
        self.renewed.is_some()
    }

    /// The lease was read: none if it is not there.
    pub fn handle_read(&mut self, record: Option<Record>, now: Instant) -> Move {
        let record = record.unwrap_or_default();
        let changed = self
            .seen
            .as_ref()
            .is_none_or(|(seen, _)| seen.version != record.version);
        if changed {
            self.seen = Some((record.clone(), now));
        }
        let since = self.seen.as_ref().map_or(now, |(_, since)| *since);
        if record.holder == self.name {
            return match self.renewed {
                Some(_) if self.is_late(now) => Move::Lost,
                // Also after a restart under the same name: the lease is ours, so nobody else leads.
                _ => Move::Write {
                    transitions: record.transitions,
                    renewal: true,
                },
            };
        }
        if self.leads() {
            return Move::Lost;
        }
        if record.holder.is_empty() || now.saturating_duration_since(since) > DURATION {
            return Move::Write {
                transitions: record.transitions.saturating_add(1),
                renewal: false,
            };
        }
        Move::Wait
    }

    /// Our write was accepted; `began` is when it was sent, `version` what the lease has now.
    pub fn handle_written(&mut self, transitions: i32, version: String, began: Instant) {
        self.seen = Some((
            Record {
                holder: self.name.clone(),
                transitions,
                version,
            },
            began,
        ));
        self.renewed = Some(began);
    }

    /// A read or a write failed, or somebody was faster.
    pub fn handle_failure(&self, now: Instant) -> Move {
        if self.leads() && self.is_late(now) {
            Move::Lost
        } else {
            Move::Wait
        }
    }

    /// Time that a request about the lease may last: a leader has to know before its time is over.
    pub fn patience(&self, now: Instant) -> Duration {
        self.renewed.map_or(RENEW_DEADLINE, |renewed| {
            RENEW_DEADLINE.saturating_sub(now.saturating_duration_since(renewed))
        })
    }

    fn is_late(&self, now: Instant) -> bool {
        self.renewed
            .is_some_and(|renewed| now.saturating_duration_since(renewed) >= RENEW_DEADLINE)
    }
}

#[cfg(test)]
mod tests;
