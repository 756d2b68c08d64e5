//! Data that is allowed, but probably not meant.

use fltorrent_crds::{
    Plan,
    plan::{DataPlan, Warning},
};

use super::{Labels, Samples, Span, reader};

/// Greatest value of an input with which SGD at usual rates still learns.
const LARGEST: f32 = 1_000.0;
/// Columns that a warning names.
const NAMED: usize = 3;

/// As far as one peer sees it, which has only its own part of the training samples in memory.
pub(crate) fn of_part(plan: &Plan, labels: &Labels, shard: &Samples) -> impl Iterator<Item = Warning> {
    warnings(plan, labels, &shard.spans())
}

/// About all that is known of the data; `spans` are those of its inputs.
pub fn warnings(plan: &Plan, labels: &Labels, spans: &[Span]) -> impl Iterator<Item = Warning> + use<> {
    let scale = unscaled(&plan.data, spans);
    few_tests(labels, plan.peers.len()).into_iter().chain(scale)
}

/// Each peer evaluates on its own part of the test samples: there may be fewer than peers.
#[must_use]
pub fn few_tests(labels: &Labels, peers: usize) -> Option<Warning> {
    let tests = labels.test.len();
    (tests < peers).then(|| Warning {
        path: "data".to_owned(),
        message: format!(
            "{} for {peers} peers: {} of them have none and show no accuracy, and nobody can say well how good the model \
             is; give more test samples",
            match tests {
                1 => "there is 1 test sample".to_owned(),
                _ => format!("there are {tests} test samples"),
            },
            peers - tests,
        ),
    })
}

/// Inputs that are so large that a model learns little or nothing from them: times in seconds, prices, populations.
fn unscaled(plan: &DataPlan, spans: &[Span]) -> Option<Warning> {
    let large: Vec<&Span> = spans
        .iter()
        .filter(|span| span.least.abs().max(span.greatest.abs()) > LARGEST)
        .collect();
    let shown = large.iter().take(NAMED).map(|span| {
        let Span { name, least, greatest } = span;
        format!("{name} from {least} to {greatest}")
    });
    let shown: Vec<String> = shown.collect();
    let more = match large.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (path, advice) = reader(plan).scale_advice();
    (!large.is_empty()).then(|| Warning {
        path: path.to_owned(),
        message: format!(
            "{}{more}: values so large drown the others, and training diverges or learns nothing; {advice}",
            shown.join(", ")
        ),
    })
}
