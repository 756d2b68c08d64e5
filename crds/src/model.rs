//! The networks that peers train.

mod cnn;
mod custom;
mod image;
mod layers;
mod lenet;
mod mlp;
mod plan;
mod resnet18;
mod transformer;

use std::fmt::Debug;

use crate::{
    catalogue::{Catalogue, Task},
    custom::Custom,
    data::SampleKind,
    family::{Family, family},
    findings::Findings,
    tensor::TensorPlan,
};

pub use cnn::{Cnn, CnnPlan};
pub use custom::CustomPlan;
pub use lenet::{Lenet, LenetPlan};
pub use mlp::{Mlp, MlpPlan};
pub use plan::ModelPlan;
pub use resnet18::{Resnet18, Resnet18Plan};
pub use transformer::{Transformer, TransformerPlan};

family! {
    /// The network.
    pub enum Network: dyn NetworkSettings, plan Architecture: dyn Layers {
        "mlp" => Mlp as MlpPlan,
        "lenet" => Lenet as LenetPlan,
        "cnn" => Cnn as CnnPlan,
        "resnet18" => Resnet18 as Resnet18Plan,
        "transformer" => Transformer as TransformerPlan,
        "custom" => Custom as CustomPlan,
    }
}

/// Most parameters of a model: an update of 4 GiB.
pub const MAX_PARAMETERS: u64 = 1 << 30;

/// What the settings of a network are asked.
pub(crate) trait NetworkSettings {
    /// Whether it learns such samples.
    fn fits(&self, samples: SampleKind) -> bool {
        samples == SampleKind::Labelled
    }

    /// The model for a task that it fits; none when it cannot be made.
    fn resolve(&self, task: &Task, catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<ModelPlan>;

    /// The field that makes it large.
    fn size_field(&self) -> &'static str {
        "model.type"
    }
}

/// What a network of the plan is asked. It has the interface of those that a program brings itself: [`Task`] and tensors.
pub trait Layers: Debug {
    /// The tensors in declared order, with PyTorch's names and shapes; empty for a network of the program's own, whose tensors a
    /// [`Catalogue`] says.
    fn tensors(&self) -> Vec<TensorPlan>;

    /// What goes in and comes out.
    fn task(&self) -> Task;

    /// It in a few words, for example `mlp 64-64-10`.
    fn brief(&self) -> String;
}

impl dyn Layers + '_ {
    /// Values of one input.
    pub fn input_len(&self) -> u64 {
        self.task().input_len()
    }

    /// Logits of one label.
    pub fn classes(&self) -> u32 {
        self.task().classes
    }

    /// Labels of one sample.
    pub fn targets(&self) -> u64 {
        self.task().targets.into()
    }
}

/// The model for such samples; none when they do not fit or there are too many parameters.
pub(crate) fn resolve(
    network: &Network,
    samples: SampleKind,
    task: &Task,
    catalogue: &dyn Catalogue,
    findings: &mut Findings,
) -> Option<ModelPlan> {
    let settings = network.as_dyn();
    if !settings.fits(samples) {
        let (samples, help) = match samples {
            SampleKind::Text => ("a text", "write `type: transformer`, or take other data"),
            SampleKind::Labelled => (
                "inputs with one label each",
                "a transformer wants `data.type: text`; write another type",
            ),
        };
        findings.error(
            "model.type",
            format!("{} does not fit the data, which is {samples}", network.name()),
            help,
        );
        return None;
    }
    let model = settings.resolve(task, catalogue, findings)?;
    if model.parameters > MAX_PARAMETERS {
        findings.error(
            settings.size_field(),
            format!("the model has {} parameters", model.parameters),
            format!("at most {MAX_PARAMETERS} will do; take narrower layers or smaller inputs"),
        );
        return None;
    }
    Some(model)
}
