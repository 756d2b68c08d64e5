//! Networks that the program brings itself: what its catalogue says, checked.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Layers, MAX_PARAMETERS, ModelPlan, NetworkSettings};
use crate::{
    catalogue::{Catalogue, Task},
    custom::Custom,
    data::SampleKind,
    errors::quote,
    findings::Findings,
    tensor::TensorPlan,
};

/// Most tensors of a network.
const MAX_TENSORS: usize = 1 << 16;
/// Longest name of a tensor, bytes.
const MAX_NAME: usize = 256;
/// Most extents of a tensor.
const MAX_RANK: usize = 8;
/// What a safetensors file keeps for itself.
const METADATA: &str = "__metadata__";

impl NetworkSettings for Custom {
    fn fits(&self, _samples: SampleKind) -> bool {
        true
    }

    fn resolve(&self, task: &Task, catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<ModelPlan> {
        let tensors = self.answer(
            catalogue.tensors(&self.name, &self.settings, task),
            ("model.custom", "network"),
            &catalogue.networks(),
            findings,
        )?;
        if let Err((found, expected)) = check(&tensors) {
            let found = format!("the network {} has {found}", quote(&self.name));
            findings.error("model.custom", found, expected);
            return None;
        }
        let plan = CustomPlan {
            name: self.name.clone(),
            settings: self.settings.clone(),
            input: task.input_shape.clone(),
            classes: task.classes,
            targets: task.targets,
        };
        Some(ModelPlan::with_tensors(plan, tensors))
    }
}

/// A network that the program brings itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomPlan {
    /// The name under which the program registered it.
    pub name: String,
    /// What it is given.
    pub settings: Map<String, Value>,
    /// Shape of one input without the batch dimension.
    pub input: Vec<u32>,
    /// Logits of one label.
    pub classes: u32,
    /// Labels of one sample.
    pub targets: u32,
}

impl Layers for CustomPlan {
    fn tensors(&self) -> Vec<TensorPlan> {
        Vec::new()
    }

    fn task(&self) -> Task {
        Task {
            input_shape: self.input.clone(),
            classes: self.classes,
            targets: self.targets,
        }
    }

    fn brief(&self) -> String {
        format!("custom {}", self.name)
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
