//! A decoder of text.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Layers, ModelPlan, NetworkSettings,
    layers::{linear, norm},
};
use crate::{
    catalogue::{Catalogue, Task},
    data::SampleKind,
    family::Settings,
    findings::Findings,
    tensor::{Start, TensorPlan},
};

/// Tokens of a text: the values of a byte.
const TOKENS: u32 = 256;

/// A small decoder of text, byte by byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Transformer {
    /// Number of layers, each of attention and a feed-forward network.
    #[schemars(range(min = 1, max = 48))]
    pub layers: u32,
    /// Attention heads of a layer.
    #[schemars(range(min = 1, max = 64))]
    pub heads: u32,
    /// Width of an embedding, a multiple of the heads.
    #[schemars(range(min = 1, max = 4096))]
    pub width: u32,
}

impl Default for Transformer {
    fn default() -> Self {
        Self {
            layers: 2,
            heads: 4,
            width: 128,
        }
    }
}

impl Settings for Transformer {}

impl NetworkSettings for Transformer {
    fn fits(&self, samples: SampleKind) -> bool {
        samples == SampleKind::Text
    }

    fn resolve(&self, task: &Task, _catalogue: &dyn Catalogue, findings: &mut Findings) -> Option<ModelPlan> {
        let Self { layers, heads, width } = *self;
        if !width.is_multiple_of(heads) {
            findings.error(
                "model.transformer.width",
                format!("{width} cannot be divided among {heads} heads"),
                format!("{} will do", width.next_multiple_of(heads)),
            );
            return None;
        }
        Some(ModelPlan::new(TransformerPlan {
            context: task.targets,
            layers,
            heads,
            width,
        }))
    }

    fn size_field(&self) -> &'static str {
        "model.transformer"
    }
}

/// A decoder of text, byte by byte: `token` and `position` embeddings, pre-norm layers of causal self-attention and GELU
/// (R. Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020) under the names of PyTorch's
/// `TransformerEncoder`, and `head`, with logits of all 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformerPlan {
    /// Bytes that it sees at once.
    pub context: u32,
    /// Layers of attention and feed-forward.
    pub layers: u32,
    /// Attention heads, which divide the width.
    pub heads: u32,
    /// Width of an embedding; the feed-forward layers are four times as wide.
    pub width: u32,
}

impl Layers for TransformerPlan {
    fn tensors(&self) -> Vec<TensorPlan> {
        let width = self.width;
        let table = |name: &str, rows: u32| {
            let shape = [u64::from(rows), u64::from(width)];
            TensorPlan::new(name, shape).starting(Start::Normal)
        };
        let mut tensors = vec![table("token.weight", TOKENS), table("position.weight", self.context)];
        for layer in 0..self.layers {
            let name = format!("encoder.layers.{layer}");
            let [weight, bias] = linear("in_proj", width, 3 * width);
            // PyTorch joins these names by an underscore.
            for tensor in [weight, bias] {
                let name = format!("{name}.self_attn.{}", tensor.name.replace('.', "_"));
                tensors.push(TensorPlan { name, ..tensor });
            }
            tensors.extend(linear(&format!("{name}.self_attn.out_proj"), width, width));
            tensors.extend(linear(&format!("{name}.linear1"), width, 4 * width));
            tensors.extend(linear(&format!("{name}.linear2"), 4 * width, width));
            tensors.extend(norm(&format!("{name}.norm1"), width));
            tensors.extend(norm(&format!("{name}.norm2"), width));
        }
        tensors.extend(norm("encoder.norm", width));
        tensors.extend(linear("head", width, TOKENS));
        tensors
    }

    fn task(&self) -> Task {
        Task {
            input_shape: vec![self.context],
            classes: TOKENS,
            targets: self.context,
        }
    }

    fn brief(&self) -> String {
        let Self {
            layers, heads, width, ..
        } = self;
        format!("transformer, layers {layers}, heads {heads}, width {width}")
    }
}
