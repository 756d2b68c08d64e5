//! A manifest: errors with their paths, or an experiment of which a plan can be made or refused.
#![no_main]

use fltorrent_crds::{Plan, manifest};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(experiment) = manifest::parse(text) {
        let _ = Plan::from_experiment(&experiment);
    }
});
