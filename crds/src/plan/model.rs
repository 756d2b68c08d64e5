//! The model that the manifest asks for, and whether the data fits it.

use super::{Architecture, DataPlan, ModelPlan, custom};
use crate::{
    catalogue::Catalogue,
    data::SampleKind,
    experiment::{Model, ModelType, TransformerModel},
    findings::Findings,
};

/// Most parameters of a model: an update of 4 GiB.
pub const MAX_PARAMETERS: u64 = 1 << 30;
/// Smallest side of an image that LeNet-5's second convolution and pooling leave a pixel of.
const LENET_SIDE: u32 = 12;
/// Smallest side of an image that two halvings leave a pixel of.
const CNN_SIDE: u32 = 4;
/// Channels of a ResNet-18's first layer; those of all others are multiples of it.
const RESNET_CHANNELS: u32 = 64;

/// The model for this data; none when they do not fit or there are too many parameters.
pub(super) fn resolve(
    model: &Model,
    data: &DataPlan,
    catalogue: &dyn Catalogue,
    findings: &mut Findings,
) -> Option<ModelPlan> {
    if model.kind == ModelType::Custom {
        return custom::network(model.custom.as_ref()?, data, catalogue, findings);
    }
    let fitting = match data.source.sample_kind() {
        SampleKind::Text => model.kind == ModelType::Transformer,
        SampleKind::Labelled => model.kind != ModelType::Transformer,
    };
    if !fitting {
        let (samples, help) = match data.source.sample_kind() {
            SampleKind::Text => ("a text", "write `type: transformer`, or take other data"),
            SampleKind::Labelled => (
                "inputs with one label each",
                "a transformer wants `data.type: text`; write another type",
            ),
        };
        findings.error(
            "model.type",
            format!("{} does not fit the data, which is {samples}", name(model.kind)),
            help,
        );
        return None;
    }
    let classes = data.classes;
    let (architecture, path) = match model.kind {
        ModelType::Mlp => {
            let hidden = model.mlp.as_ref()?.hidden.iter().copied();
            // Bounded by the data's schema, so the product fits.
            let input = data.input_shape.iter().product();
            let widths = [input].into_iter().chain(hidden).chain([classes]).collect();
            (Architecture::Mlp { widths }, "model.mlp.hidden")
        }
        ModelType::Lenet => {
            let input = image(data, model.kind, LENET_SIDE, findings)?;
            (Architecture::Lenet { input, classes }, "model.type")
        }
        ModelType::Cnn => {
            let input = image(data, model.kind, CNN_SIDE, findings)?;
            (Architecture::Cnn { input, classes }, "model.type")
        }
        ModelType::Resnet18 => {
            let groups = model.resnet18.unwrap_or_default().groups;
            let input = image(data, model.kind, 1, findings);
            if !RESNET_CHANNELS.is_multiple_of(groups) {
                findings.error(
                    "model.resnet18.groups",
                    format!("{groups} groups do not divide {RESNET_CHANNELS} channels"),
                    "1, 2, 4, 8, 16, 32 or 64 will do",
                );
                return None;
            }
            let input = input?;
            let architecture = Architecture::Resnet18 { input, classes, groups };
            (architecture, "model.type")
        }
        ModelType::Transformer => {
            let spec = model.transformer.unwrap_or_default();
            (transformer(spec, data, findings)?, "model.transformer")
        }
        ModelType::Custom => return None,
    };
    let model = ModelPlan::new(architecture);
    if model.parameters > MAX_PARAMETERS {
        findings.error(
            path,
            format!("the model has {} parameters", model.parameters),
            format!("at most {MAX_PARAMETERS} will do; take narrower layers or smaller inputs"),
        );
        return None;
    }
    Some(model)
}

/// Channels, height and width of the data's images.
fn image(data: &DataPlan, kind: ModelType, side: u32, findings: &mut Findings) -> Option<[u32; 3]> {
    let image = match data.input_shape[..] {
        [height, width] => [1, height, width],
        [channels, height, width] => [channels, height, width],
        _ => {
            findings.error(
                "model.type",
                format!(
                    "{} wants images, and the data's inputs have the shape {:?}",
                    name(kind),
                    data.input_shape
                ),
                "write `type: mlp`, or data of [height, width] or [channels, height, width]",
            );
            return None;
        }
    };
    if image[1].min(image[2]) < side {
        findings.error(
            "model.type",
            format!(
                "{} wants images of at least {side}×{side} pixels, and the data's have {}×{}",
                name(kind),
                image[1],
                image[2]
            ),
            "write `type: mlp`, or take larger images",
        );
        return None;
    }
    Some(image)
}

fn transformer(spec: TransformerModel, data: &DataPlan, findings: &mut Findings) -> Option<Architecture> {
    let TransformerModel { layers, heads, width } = spec;
    if !width.is_multiple_of(heads) {
        findings.error(
            "model.transformer.width",
            format!("{width} cannot be divided among {heads} heads"),
            format!("{} will do", width.next_multiple_of(heads)),
        );
        return None;
    }
    let context = data.input_shape.iter().product();
    Some(Architecture::Transformer {
        context,
        layers,
        heads,
        width,
    })
}

fn name(kind: ModelType) -> &'static str {
    match kind {
        ModelType::Mlp => "mlp",
        ModelType::Lenet => "lenet",
        ModelType::Cnn => "cnn",
        ModelType::Resnet18 => "resnet18",
        ModelType::Transformer => "transformer",
        ModelType::Custom => "custom",
    }
}
