//! FLTorrent as its users have it: images of the Dockerfile, installed by the chart, with peers that train in pods. Needs root.
#![allow(clippy::unwrap_used, clippy::panic, unreachable_pub, reason = "these are tests")]

#[path = "installed/faults.rs"]
mod faults;
#[path = "support/kubectl.rs"]
mod kubectl;
#[path = "installed/life.rs"]
mod life;
#[path = "support/programs.rs"]
mod programs;
#[path = "installed/training.rs"]
mod training;
#[path = "installed/trouble.rs"]
mod trouble;
#[path = "installed/world.rs"]
mod world;

use std::{process::ExitCode, sync::Arc};

use e2e::{
    cluster::{Cluster, status},
    layout::Layout,
};
use libtest_mimic::{Arguments, Failed, Trial};

use crate::world::World;

/// A check of what is installed.
type Check = fn(&World) -> Result<(), Failed>;

/// One after the other, since some of them take the operator away.
const CHECKS: [(&str, Check); 14] = [
    ("the_images_are_small", world::sizes),
    ("what_helm_installed_is_found_well", world::helm_test),
    ("the_quickstart_trains_as_on_one_machine", training::quickstart),
    ("two_experiments_train_at_once", training::two),
    ("a_checkpoint_on_a_claim_is_gone_on_from", life::suspended),
    ("what_is_corrected_begins_anew_on_old_claims", life::corrected),
    ("without_a_claim_it_begins_anew", life::begun_anew),
    ("a_deleted_experiment_leaves_nothing", life::deleted),
    ("training_goes_on_when_the_operator_is_killed", faults::operator_killed),
    ("an_end_without_the_operator_is_told_later", faults::operator_away),
    ("a_peer_that_is_killed_is_replaced_alone", faults::peer_replaced),
    (
        "where_all_are_needed_one_that_is_killed_is_made_good",
        faults::peer_killed,
    ),
    ("an_image_that_does_not_exist_is_told", trouble::missing_image),
    ("what_goes_wrong_is_told", trouble::all),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let layout = Layout::from_environment().unwrap();
    let listed = arguments.list;
    if !listed && status(&layout).0 {
        eprintln!("a cluster is there already; these tests begin with none: `cargo xtask cluster down`");
        return ExitCode::FAILURE;
    }
    let world = (!listed).then(|| match World::make(&layout) {
        Ok(world) => Arc::new(world),
        Err(error) => panic!("{}", error.message().unwrap_or("no world")),
    });
    let checks = CHECKS.map(|(name, check)| {
        let world = world.clone();
        Trial::test(name, move || match &world {
            Some(world) => check(world),
            None => Err("nothing is installed".into()),
        })
    });
    let alone = Arguments {
        test_threads: Some(1),
        ..arguments
    };
    let done = libtest_mimic::run(&alone, checks.into_iter().collect());
    if !listed {
        if let Some(world) = world.filter(|_| done.num_failed > 0) {
            world.tell();
        }
        Cluster::down(&layout).unwrap_or_else(|error| panic!("{error}"));
    }
    ExitCode::from(u8::from(done.num_failed > 0))
}
