//! A run whose rounds were all finished before: what is missing of its result is written, without any peer.

use fltorrent_peer::checkpoint::Common;

use super::{Done, Request, RunError, RunFailure, conclude, summary::Times};
use crate::{
    launcher::{Ended, Measured, Results, Setup},
    manifest::Resolved,
    output::{Printer, Summary, progress, warning},
    resume,
};

/// Writes models, summary and report of the run in `results`.
pub(super) fn finish(
    request: Request<'_>,
    results: &Results,
    common: &Common,
    printer: &mut Printer,
) -> Result<Summary, RunFailure> {
    let Resolved { plan, .. } = request.resolved;
    progress(&format!(
        "all {} rounds were finished before; missing results are written from the checkpoints",
        common.rounds
    ));
    let lock = results.lock()?;
    lock.warning().iter().for_each(|text| warning(text));
    results.write_manifest(&request.resolved.yaml()?)?;
    results.write_json("plan.json", plan)?;
    results.drop_unconfirmed_model()?;
    resume::write_models(results, plan, common).map_err(RunError::Result)?;
    let peers = plan.peers.len();
    let measured = Measured::read(results, plan, []);
    let times = Times::kept(results, &measured, request.started);
    let setup = Setup {
        program: std::env::current_exe().map_err(RunError::System)?,
        plan: plan.clone(),
        results: results.clone(),
        resume: Some(common.rounds),
    };
    let done = Done {
        run: None,
        result: Ok(()),
        next_printed: common.rounds,
        ended: Ended {
            exits: vec![None; peers],
            restarts: Vec::new(),
            lost: Vec::new(),
            measured,
        },
    };
    conclude(&setup, done, times, printer)
}
