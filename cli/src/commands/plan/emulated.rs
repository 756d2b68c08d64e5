//! The links and the slowness that the processes of peers emulate.

use std::fmt::Write;

use fltorrent_crds::plan::{CongestionControl, LinkPlan, RatePlan};

use super::forecast::Emulated;
use crate::output::bytes;

/// Adds a line for each group that has something of its own.
pub(super) fn emulated(groups: &[Emulated<'_>], text: &mut String) {
    if groups.is_empty() {
        return;
    }
    text.push_str("\nemulated by the peers' processes\n");
    for group in groups {
        let name: String = group.group.chars().take(14).collect();
        let mut parts: Vec<String> = group.link.iter().flat_map(link).collect();
        match group.congestion_control {
            CongestionControl::RateAware => {
                parts.push("congestion control paced by the uplink rate".to_owned());
            }
            CongestionControl::NewReno => parts.push("congestion control NewReno".to_owned()),
            CongestionControl::Auto | CongestionControl::Cubic => {}
        }
        if group.compute_slowdown != 1.0 {
            parts.push(format!("trains {}× slower", group.compute_slowdown));
        }
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {name:<14} {}", parts.join("\n                 "));
    }
}

/// A link in words: one line for its rates, one for the rest.
fn link(link: &LinkPlan) -> Vec<String> {
    let rate = |name: &str, rate: Option<RatePlan>| {
        rate.map(|rate| format!("{name} {} Mbit/s, queue {}", rate.rate as f64 / 1e6, bytes(rate.queue)))
    };
    let same = link.up == link.down;
    let mut lines: Vec<String> = if same {
        rate("up and down", link.up).into_iter().collect()
    } else {
        rate("up", link.up).into_iter().chain(rate("down", link.down)).collect()
    };
    let mut rest = Vec::new();
    if !link.delay.is_zero() {
        rest.push(format!("delay {:?}", link.delay));
    }
    if !link.jitter.is_zero() {
        rest.push(format!("± {:?}", link.jitter));
    }
    if link.loss > 0 {
        rest.push(format!("{} % lost", f64::from(link.loss) / 1e4));
    }
    if !rest.is_empty() {
        lines.push(rest.join(", ").replace(", ±", " ±"));
    }
    lines
}
