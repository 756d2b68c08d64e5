//! The links of a plan: merged from a group's and the default ones, resolved, and in the bound of an exchange.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/document.rs"]
mod support;

use std::time::Duration;

use fltorrent_crds::{
    Plan,
    analysis::{Limit, declared_rates, exchange_bound, wiring},
    plan::{CongestionControl, LinkPlan, RatePlan},
};
use serde_json::{Value, json};

use support::{manifest, put};

fn plan(default: &Value, first: &Value) -> Plan {
    let mut document = manifest();
    put(&mut document, "network", json!({"default": default}));
    put(&mut document, "groups/0/network", first.clone());
    Plan::load(&document.to_string(), &[]).unwrap()
}

#[test]
fn each_field_of_a_group_replaces_that_of_the_default() {
    let plan = plan(
        &json!({"up": "10Mbit", "delay": "50ms", "jitter": "5ms", "loss": "1%", "queue": "20ms"}),
        &json!({"up": "1Mbit", "down": "4Mbit", "loss": "0%", "queue": "32Ki"}),
    );
    let expected = |up, down, loss| LinkPlan {
        up,
        down,
        delay: Duration::from_millis(50),
        jitter: Duration::from_millis(5),
        loss,
    };
    let rate = |rate, queue| Some(RatePlan { rate, queue });
    let first = expected(rate(1_000_000, 32_768), rate(4_000_000, 32_768), 0);
    let second = expected(rate(10_000_000, 25_000), None, 10_000);
    for (peer, link) in plan.peers.iter().zip([first; 5].into_iter().chain([second; 3])) {
        assert_eq!(peer.link, Some(link), "{}", peer.index);
    }
}

#[test]
fn without_a_field_there_is_no_link_and_the_plan_is_as_it_was() {
    let empty = plan(&json!({}), &json!({}));
    assert!(empty.peers.iter().all(|peer| peer.link.is_none()));
    let without = Plan::load(&manifest().to_string(), &[]).unwrap();
    assert_eq!(empty.hash(), without.hash());
    assert_eq!(declared_rates(&empty), None);
}

#[test]
fn a_queue_holds_50_ms_or_twenty_packets_without_being_told() {
    for (rate, queue) in [("10Mbit", 62_500), ("100Mbit", 625_000), ("1Mbit", 30_000)] {
        let plan = plan(&json!({"down": rate}), &json!({}));
        assert_eq!(plan.peers[0].link.unwrap().down.unwrap().queue, queue);
    }
}

#[test]
fn what_is_wrong_with_the_default_is_wrong_once() {
    let mut document = manifest();
    put(&mut document, "network/default/jitter", json!("1ms"));
    let errors = Plan::load(&document.to_string(), &[]).unwrap_err();
    assert_eq!(errors.iter().count(), 1, "{errors}");
}

#[test]
fn a_rate_that_a_process_may_not_reach_is_warned_about() {
    let plan = plan(&json!({"up": "10Gbit"}), &json!({}));
    assert_eq!(plan.warnings[0].path, "network.default.up");
}

/// Whether the manifest says how fast peer 7 sends, and which control it wants.
#[test]
fn the_congestion_control_is_what_was_asked_for() {
    let asked = |control: &str, default: Value| {
        let mut document = manifest();
        put(&mut document, "network", json!({"default": default}));
        put(&mut document, "transport/congestionControl", json!(control));
        let plan = Plan::load(&document.to_string(), &[]).unwrap();
        let link = plan.peers[7].link.unwrap_or_default();
        plan.transport.congestion_control.over(&link)
    };
    for (control, without, with) in [
        ("auto", CongestionControl::Cubic, CongestionControl::RateAware),
        ("cubic", CongestionControl::Cubic, CongestionControl::Cubic),
        ("newReno", CongestionControl::NewReno, CongestionControl::NewReno),
    ] {
        assert_eq!(asked(control, json!({"down": "8Mbit"})), without);
        assert_eq!(asked(control, json!({"up": "8Mbit"})), with);
    }
}

#[test]
fn declared_rates_bound_the_exchange() {
    // Peer 7 sends to two neighbours all that the ring's other end lacks; who has no rate is no limit.
    let plan = plan(&json!({}), &json!({"down": "8Mbit"}));
    let rates = declared_rates(&plan).unwrap();
    assert_eq!(rates[0].down, 1e6);
    assert_eq!(rates[7].down, f64::INFINITY);
    let bound = exchange_bound(&plan, &wiring(&plan), |peer| rates[peer as usize]);
    assert_eq!(bound.limit, Limit::Downlink { peer: 0 });
    assert_eq!(bound.seconds, 7.0 * plan.model.bytes as f64 / 1e6);
}
