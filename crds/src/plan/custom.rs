//! Networks and data sets that the program brings itself: what its catalogue says, checked.

use std::collections::HashSet;

use super::{Architecture, DataPlan, DataSource, MAX_INPUT, MAX_PARAMETERS, ModelPlan, SampleKind, TensorPlan};
use crate::{
    FieldError,
    catalogue::{Catalogue, Form, Task},
    errors::quote,
    experiment::Custom,
    findings::Findings,
};

/// Most tensors of a network.
const MAX_TENSORS: usize = 1 << 16;
/// Longest name of a tensor, bytes.
const MAX_NAME: usize = 256;
/// Most extents of a tensor.
const MAX_RANK: usize = 8;
/// What a safetensors file keeps for itself.
const METADATA: &str = "__metadata__";

/// The model of one of the program's networks.
pub(super) fn network(
    custom: &Custom,
    data: &DataPlan,
    catalogue: &dyn Catalogue,
    findings: &mut Findings,
) -> Option<ModelPlan> {
    let task = Task {
        input_shape: data.input_shape.clone(),
        classes: data.classes,
        targets: match data.sample_kind() {
            SampleKind::Labelled => 1,
            SampleKind::Text => data.input_shape.iter().product(),
        },
    };
    let tensors = answer(
        catalogue.tensors(&custom.name, &custom.settings, &task),
        custom,
        ("model.custom", "network"),
        &catalogue.networks(),
        findings,
    )?;
    if let Err((found, expected)) = check(&tensors) {
        let found = format!("the network {} has {found}", quote(&custom.name));
        findings.error("model.custom", found, expected);
        return None;
    }
    let architecture = Architecture::Custom {
        name: custom.name.clone(),
        settings: custom.settings.clone(),
        input: task.input_shape,
        classes: task.classes,
        targets: task.targets,
    };
    Some(ModelPlan::with_tensors(architecture, tensors))
}

/// Where one of the program's data sets is, the shape of an input, and the classes.
pub(super) fn data_set(
    custom: &Custom,
    catalogue: &dyn Catalogue,
    findings: &mut Findings,
) -> Option<(DataSource, Vec<u32>, u32)> {
    let Form { input_shape, classes } = answer(
        catalogue.data_set(&custom.name, &custom.settings),
        custom,
        ("data.custom", "data set"),
        &catalogue.data_sets(),
        findings,
    )?;
    let values = input_shape.iter().try_fold(1u64, |values, &extent| {
        values
            .checked_mul(extent.into())
            .filter(|values| (1..=u64::from(MAX_INPUT)).contains(values))
    });
    let mut refuse = |found: String, expected: String| {
        let found = format!("the data set {} has {found}", quote(&custom.name));
        findings.error("data.custom", found, expected);
    };
    if values.is_none() || !(1..=3).contains(&input_shape.len()) {
        refuse(
            format!("inputs of the shape {input_shape:?}"),
            format!("one to three extents with at most {MAX_INPUT} values in all will do"),
        );
        return None;
    }
    if !(2..=256).contains(&classes) {
        refuse(format!("{classes} classes"), "2 to 256 will do".to_owned());
        return None;
    }
    let source = DataSource::Custom {
        name: custom.name.clone(),
        settings: custom.settings.clone(),
    };
    Some((source, input_shape, classes))
}

/// What the catalogue says, its errors under the path of the settings.
fn answer<T>(
    answer: Option<Result<T, FieldError>>,
    custom: &Custom,
    (path, what): (&str, &str),
    known: &[&str],
    findings: &mut Findings,
) -> Option<T> {
    match answer {
        Some(Ok(answer)) => Some(answer),
        Some(Err(error)) => {
            let below = match error.path.as_str() {
                "" => format!("{path}.settings"),
                below => format!("{path}.settings.{below}"),
            };
            findings.error(&below, error.found, error.expected);
            None
        }
        None => {
            let expected = if known.is_empty() {
                "it has none of its own; docs/own-model.md says how to make a program that has".to_owned()
            } else {
                format!("it has {}; see docs/own-model.md", known.join(", "))
            };
            findings.error(
                &format!("{path}.name"),
                format!("this program has no {what} {}", quote(&custom.name)),
                expected,
            );
            None
        }
    }
}

/// What is wrong with a network's tensors, and what would do.
fn check(tensors: &[TensorPlan]) -> Result<(), (String, String)> {
    if !(1..=MAX_TENSORS).contains(&tensors.len()) {
        let found = format!("{} tensors", tensors.len());
        return Err((found, format!("1 to {MAX_TENSORS} will do")));
    }
    let mut names = HashSet::new();
    let mut parameters = 0u64;
    for TensorPlan { name, shape, .. } in tensors {
        if name.is_empty() || name.len() > MAX_NAME || name == METADATA {
            let found = format!("a tensor of the name {}", quote(name));
            let expected = format!("1 to {MAX_NAME} bytes that are not {METADATA} will do");
            return Err((found, expected));
        }
        if !names.insert(name) {
            let found = format!("two tensors of the name {}", quote(name));
            return Err((found, "give each a name of its own".to_owned()));
        }
        // By checked steps, since the shape is whatever the program says.
        let elements = shape
            .iter()
            .try_fold(1u64, |elements, &extent| elements.checked_mul(extent))
            .filter(|_| (1..=MAX_RANK).contains(&shape.len()) && !shape.contains(&0));
        let Some(sum) = elements.and_then(|elements| parameters.checked_add(elements)) else {
            let found = format!("a tensor {} of the shape {shape:?}", quote(name));
            let expected = format!("1 to {MAX_RANK} extents of at least 1 will do");
            return Err((found, expected));
        };
        parameters = sum;
    }
    if parameters > MAX_PARAMETERS {
        let found = format!("{parameters} parameters");
        return Err((found, format!("at most {MAX_PARAMETERS} will do")));
    }
    Ok(())
}
