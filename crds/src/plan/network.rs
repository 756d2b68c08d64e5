//! The peers' links.

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::{CongestionControl, TransportPlan};
use crate::{
    BitRate, FieldError, Interval, Percentage, QueueLength,
    experiment::{AccessLink, ExperimentSpec},
    findings::Findings,
};

/// Waiting time of a full queue where the manifest says nothing.
const QUEUE: Duration = Duration::from_millis(50);
/// Datagrams that a queue holds at least where the manifest says nothing.
const LEAST_QUEUED: u64 = 20;
/// What IP and UDP add to a datagram, bytes.
const HEADERS: u64 = 48;
/// Longest time on the way.
const MOST_DELAY: Duration = Duration::from_secs(1);
/// Longest queue, bytes.
const MOST_QUEUED: u64 = 64 << 20;
/// Largest share that may be lost, millionths.
const MOST_LOST: u32 = 500_000;
/// What a QUIC handshake with certificates on both sides sends in one direction, bytes.
const HANDSHAKE: u64 = 6_000;
/// How long peers wait for a handshake.
const PATIENCE: Duration = Duration::from_secs(5);
/// Rates that one process emulates exactly, bits a second.
const FAST: u64 = 2_000_000_000;

/// A peer's access link, which all its connections share. The default is a link without limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkPlan {
    /// What carries all that the peer sends; none without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<RatePlan>,
    /// What carries all that the peer receives; none without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<RatePlan>,
    /// Time that what the peer sends is on its way, beside what it waits for a rate.
    pub delay: Duration,
    /// How far the delay wanders up and down, at most [`Self::delay`].
    pub jitter: Duration,
    /// Share of the packets that the peer sends which are lost, in millionths.
    pub loss: u32,
}

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RatePlan {
    /// Bits a second of whole IP packets, ≥ 1000.
    pub rate: u64,
    /// Bytes of IP packets that wait before more is dropped, at least one of the largest packets.
    pub queue: u64,
}

impl CongestionControl {
    /// What a peer with this link takes, which is not [`Self::Auto`].
    #[must_use]
    pub fn over(self, link: &LinkPlan) -> Self {
        match (self, link.up) {
            (Self::NewReno, _) => Self::NewReno,
            (Self::Auto | Self::RateAware, Some(_)) => Self::RateAware,
            (_, None) | (Self::Cubic, _) => Self::Cubic,
        }
    }
}

impl RatePlan {
    /// Bytes a second.
    pub fn bytes(self) -> f64 {
        self.rate as f64 / 8.0
    }
}

/// The slowdown of a peer that trains as fast as it can.
pub(super) const fn as_it_is() -> f64 {
    1.0
}

pub(super) fn is_as_it_is(slowdown: &f64) -> bool {
    *slowdown == as_it_is()
}

/// A group's link: its own fields, and where there are none those of the default.
struct Merged<'a> {
    group: usize,
    own: &'a AccessLink,
    link: AccessLink,
}

impl Merged<'_> {
    fn path(&self, field: &str, is_own: bool) -> String {
        if is_own {
            format!("groups[{}].network.{field}", self.group)
        } else {
            format!("network.default.{field}")
        }
    }
}

/// The links of the groups, in order; none for a group without one.
pub(super) fn links(
    spec: &ExperimentSpec,
    transport: &TransportPlan,
    findings: &mut Findings,
) -> Vec<Option<LinkPlan>> {
    let default = &spec.network.default;
    let largest = u64::from(transport.mtu) + HEADERS;
    let mut errors = Vec::new();
    let merged: Vec<Merged<'_>> = spec
        .groups
        .iter()
        .enumerate()
        .map(|(group, it)| Merged {
            group,
            own: &it.network,
            link: over(&it.network, default),
        })
        .collect();
    let mut fast = BTreeSet::new();
    let links = merged
        .iter()
        .map(|merged| {
            let link = resolve(merged, largest, &mut errors);
            for (field, rate, is_own) in [
                ("up", link.up, merged.own.up.is_some()),
                ("down", link.down, merged.own.down.is_some()),
            ] {
                if rate.is_some_and(|rate| rate.rate > FAST) {
                    fast.insert(merged.path(field, is_own));
                }
            }
            (link != LinkPlan::default()).then_some(link)
        })
        .collect();
    let unknown = merged.iter().find(|merged| merged.link.up.is_none());
    if let (CongestionControl::RateAware, Some(merged)) = (transport.congestion_control, unknown) {
        errors.push(FieldError::new(
            "transport.congestionControl",
            format!("rateAware goes by the rate up, and groups[{}] has none", merged.group),
            "give every group a network with up, or write auto",
        ));
    }
    let no_rate = |link: &AccessLink| link.up.is_none() && link.down.is_none();
    if default.queue.is_some() && merged.iter().all(|merged| no_rate(&merged.link)) {
        errors.push(nothing_waits("network.default.queue"));
    }
    // What is wrong with the default is wrong once, however many groups have it.
    for error in errors {
        if !findings.errors.contains(&error) {
            findings.errors.push(error);
        }
    }
    for path in fast {
        findings.warn(
            &path,
            "above 2Gbit a peer's process may be slower than the link that it emulates",
        );
    }
    links
}

/// The fields of `own`, and where there are none those of `default`.
fn over(own: &AccessLink, default: &AccessLink) -> AccessLink {
    AccessLink {
        up: own.up.or(default.up),
        down: own.down.or(default.down),
        delay: own.delay.or(default.delay),
        jitter: own.jitter.or(default.jitter),
        loss: own.loss.or(default.loss),
        queue: own.queue.or(default.queue),
    }
}

fn nothing_waits(path: &str) -> FieldError {
    FieldError::new(
        path,
        "nothing waits at a link without a rate",
        "write up or down too, or remove it",
    )
}

fn resolve(merged: &Merged<'_>, largest: u64, errors: &mut Vec<FieldError>) -> LinkPlan {
    let (own, link) = (merged.own, &merged.link);
    let get = |interval: Option<Interval>| interval.map_or(Duration::ZERO, Interval::get);
    let (delay, jitter) = (get(link.delay), get(link.jitter));
    if delay > MOST_DELAY {
        errors.push(FieldError::new(
            merged.path("delay", own.delay.is_some()),
            format!("{} is out of range", shown(delay)),
            "at most 1s will do",
        ));
    }
    if jitter > delay {
        errors.push(FieldError::new(
            merged.path("jitter", own.jitter.is_some()),
            format!("{} is more than the delay, {}", shown(jitter), shown(delay)),
            "at most the delay will do",
        ));
    }
    let loss = link.loss.map_or(0, Percentage::millionths);
    if loss > MOST_LOST {
        errors.push(FieldError::new(
            merged.path("loss", own.loss.is_some()),
            format!("{} is out of range", link.loss.unwrap_or_default()),
            "at most 50% will do: no connection holds on a link that loses more",
        ));
    }
    if own.queue.is_some() && link.up.is_none() && link.down.is_none() {
        errors.push(nothing_waits(&merged.path("queue", true)));
    }
    let mut direction = |field: &str, rate: Option<BitRate>, is_own: bool| {
        let rate = rate?;
        let handshake = Duration::from_secs_f64(HANDSHAKE as f64 / rate.bytes());
        if handshake > PATIENCE {
            errors.push(FieldError::new(
                merged.path(field, is_own),
                format!(
                    "a QUIC handshake takes {} at {rate}, and peers wait {} for it",
                    shown(handshake),
                    shown(PATIENCE)
                ),
                "10kbit or more will do",
            ));
        }
        Some(RatePlan {
            rate: rate.get(),
            queue: queue(merged, rate, largest, errors),
        })
    };
    LinkPlan {
        up: direction("up", link.up, own.up.is_some()),
        down: direction("down", link.down, own.down.is_some()),
        delay,
        jitter,
        loss,
    }
}

/// Bytes that wait at a rate.
fn queue(merged: &Merged<'_>, rate: BitRate, largest: u64, errors: &mut Vec<FieldError>) -> u64 {
    let at_rate = |time: Duration| (time.as_secs_f64() * rate.bytes()).round() as u64;
    let Some(asked) = merged.link.queue else {
        return at_rate(QUEUE).clamp(LEAST_QUEUED * largest, MOST_QUEUED);
    };
    let bytes = match asked {
        QueueLength::Time(time) => at_rate(time.get()),
        QueueLength::Bytes(bytes) => bytes.get(),
    };
    let path = || merged.path("queue", merged.own.queue.is_some());
    if bytes < largest {
        errors.push(FieldError::new(
            path(),
            format!("{asked} at {rate} is {bytes} bytes, less than one packet of transport.mtu, {largest}"),
            format!("take {} or more", shown(time(largest, rate))),
        ));
    } else if bytes > MOST_QUEUED {
        errors.push(FieldError::new(
            path(),
            format!("{asked} at {rate} is {bytes} bytes"),
            "at most 64Mi will do",
        ));
    }
    bytes
}

/// How long so many bytes take, in whole milliseconds from above.
fn time(bytes: u64, rate: BitRate) -> Duration {
    Duration::from_millis((bytes as f64 / rate.bytes() * 1000.0).ceil() as u64)
}

fn shown(duration: Duration) -> String {
    format!("{duration:?}")
}
