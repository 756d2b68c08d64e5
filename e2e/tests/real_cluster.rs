//! The cluster itself, and the definition on a real API server: made from nothing, used, taken away. Needs root.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "these are tests")]

#[path = "real_cluster/admission.rs"]
mod admission;
#[path = "real_cluster/chart.rs"]
mod chart;
#[path = "real_cluster/definition.rs"]
mod definition;
#[path = "real_cluster/facts.rs"]
mod facts;
#[path = "real_cluster/https.rs"]
mod https;
#[path = "support/kubectl.rs"]
mod kubectl;
#[path = "real_cluster/losses.rs"]
mod losses;
#[path = "real_cluster/machine.rs"]
mod machine;
#[path = "real_cluster/operator.rs"]
mod operator;
#[path = "real_cluster/pods.rs"]
mod pods;
#[path = "support/programs.rs"]
mod programs;
#[path = "real_cluster/room.rs"]
mod room;
#[path = "real_cluster/security.rs"]
mod security;
#[path = "chart/values.rs"]
mod values;

use std::{process::ExitCode, sync::Arc};

use e2e::{
    cluster::{Cluster, status},
    layout::Layout,
    task::Interrupt,
};
use libtest_mimic::{Arguments, Failed, Trial};

/// A check of the cluster.
type Check = fn(&Cluster) -> Result<(), Failed>;

/// Checks that may run side by side.
const CHECKS: [(&str, Check); 25] = [
    ("a_pod_runs_to_its_end_and_its_log_is_read", pods::ends),
    ("a_pod_that_fails_says_how", pods::fails),
    ("a_service_is_found_by_name_and_reached", pods::service),
    ("a_command_runs_in_a_pod", pods::exec),
    ("a_projected_token_tells_its_pod", pods::token),
    ("nobody_is_answered_without_a_certificate", security::strangers),
    ("no_process_talks_without_tls", security::plain),
    ("the_definition_is_established", definition::established),
    ("the_definition_is_far_from_its_limits", definition::limits),
    ("every_example_passes_a_dry_run", definition::examples),
    ("a_file_that_is_applied_again_changes_nothing", definition::twice),
    ("every_example_of_the_page_about_pods_passes", admission::page),
    ("every_example_of_the_page_about_fields_is_applied", admission::fields),
    ("wrong_values_are_refused_by_name", admission::wrong_values),
    ("only_what_may_change_is_changed", admission::changes),
    ("the_status_is_shown_in_columns", admission::status),
    ("a_claim_without_a_class_gets_a_volume", pods::claim),
    ("helm_talks_to_the_cluster", pods::helm),
    ("the_chart_passes_a_strict_lint", chart::lint),
    ("the_chart_renders_what_its_values_say", chart::renders),
    ("the_chart_leaves_to_a_platform_what_it_chooses", chart::platforms),
    ("every_value_of_the_chart_has_an_effect", chart::every_value),
    ("wrong_values_of_the_chart_are_refused_by_name", chart::wrong_values),
    ("the_chart_gives_the_rights_of_the_table", chart::rights),
    ("the_server_takes_all_that_the_chart_renders", chart::accepted),
];

/// Checks with operators, one after the other.
const OPERATED: [(&str, Check); 11] = [
    ("an_experiment_lives_and_goes", operator::life),
    ("a_manifest_that_never_ran_is_corrected", room::corrected),
    ("two_experiments_share_a_quota", room::shared),
    ("two_experiments_share_a_quota_of_claims", room::claims),
    ("what_finds_no_room_at_all_can_be_changed", room::none),
    ("what_becomes_of_pods_is_seen", facts::ends),
    ("one_pod_is_replaced_and_the_others_stay", losses::replaced),
    ("a_claim_that_is_lost_is_made_anew", losses::claim_lost),
    ("a_dear_manifest_stops_nobody", operator::dear),
    ("an_api_server_that_is_away_is_waited_for", operator::away),
    // From here on there is a second node.
    (
        "a_peer_whose_kubelet_stops_is_replaced_elsewhere",
        losses::kubelet_stopped,
    ),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let layout = Layout::from_environment().unwrap();
    let listed = arguments.list;
    if !listed && status(&layout).0 {
        eprintln!("a cluster is there already; these tests begin with none: `cargo xtask cluster down`");
        return ExitCode::FAILURE;
    }
    // One after the other, since each of them has the machine to itself.
    let mut alone = arguments.clone();
    alone.test_threads = Some(1);

    let before = vec![
        trial("a_port_that_is_taken_is_named", machine::taken_port),
        trial("ctrl_c_leaves_a_clean_machine", machine::interrupted),
    ];
    let first = libtest_mimic::run(&alone, before);

    let clean = (!listed).then(|| machine::snapshot().unwrap());
    let cluster = (!listed).then(|| {
        let cluster = Cluster::up(layout.clone(), Interrupt::never()).unwrap_or_else(|error| panic!("{error}"));
        definition::install(&cluster).unwrap_or_else(|error| panic!("{error:?}"));
        Arc::new(cluster)
    });
    let checks = CHECKS.map(|(name, check)| {
        let cluster = cluster.clone();
        trial(name, move || match &cluster {
            Some(cluster) => check(cluster),
            None => Err("there is no cluster".into()),
        })
    });
    let second = libtest_mimic::run(&arguments, checks.into_iter().collect());

    // They have operators of their own, which are elected under one name.
    let operated = OPERATED.map(|(name, check)| {
        let cluster = cluster.clone();
        trial(name, move || match &cluster {
            Some(cluster) => check(cluster),
            None => Err("there is no cluster".into()),
        })
    });
    let operated = libtest_mimic::run(&alone, operated.into_iter().collect());
    drop(cluster);

    let after = vec![
        trial("a_second_up_mends_what_died", machine::mended),
        trial("down_leaves_a_clean_machine", move || match &clean {
            Some(clean) => machine::down(clean),
            None => Err("the machine was not looked at".into()),
        }),
    ];
    let third = libtest_mimic::run(&alone, after);
    if !listed {
        // Also where a filter left the last check out.
        Cluster::down(&layout).unwrap_or_else(|error| panic!("{error}"));
    }
    let failed = first.num_failed + second.num_failed + operated.num_failed + third.num_failed;
    ExitCode::from(u8::from(failed > 0))
}

fn trial(name: &str, run: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(name, run)
}
