//! The plan's hash, by which peers know that they work from the same plan.

use blake3::Hasher;
use serde_json::Value;

use super::{DataSource, Plan, Schedule};

/// Domain of the hash; another format of the plan takes another one.
const CONTEXT: &str = "fltorrent.io v1alpha1 plan hash";
/// Domain of the hash that checkpoints carry.
const RESUME_CONTEXT: &str = "fltorrent.io v1alpha1 resume hash";

impl Plan {
    /// BLAKE3 (key derivation mode) of the plan as canonical JSON: keys sorted, no white space, without what may differ
    /// by machine (where the data and the first model lie, and `output`) and without the warnings.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = Hasher::new_derive_key(CONTEXT);
        canonical(&self.shared(), &mut hasher);
        *hasher.finalize().as_bytes()
    }

    /// As [`Plan::hash`], but without what a run may change when it goes on from a checkpoint: the number of rounds, and
    /// when checkpoints are written. The number of rounds stays in where the learning rate follows from it.
    pub fn resume_hash(&self) -> [u8; 32] {
        let mut plan = self.clone();
        // A cosine ends with the last round, so that another number of rounds is another schedule.
        if !matches!(plan.training.schedule, Schedule::Cosine { .. }) {
            plan.training.rounds = 0;
        }
        plan.checkpoint_every = None;
        let mut hasher = Hasher::new_derive_key(RESUME_CONTEXT);
        canonical(&plan.shared(), &mut hasher);
        *hasher.finalize().as_bytes()
    }

    /// [`Self::hash`] as 64 hex digits, for people to compare.
    pub fn hash_text(&self) -> String {
        blake3::Hash::from_bytes(self.hash()).to_hex().to_string()
    }

    /// The part of the plan that is the same on all machines.
    fn shared(&self) -> Value {
        let mut plan = self.clone();
        match &mut plan.data.source {
            DataSource::Digits | DataSource::Custom { .. } => {}
            DataSource::Idx { path, .. } => path.clear(),
            DataSource::Csv { train, test, .. } | DataSource::Safetensors { train, test } => {
                train.path.clear();
                test.path.clear();
            }
            DataSource::Text { file, .. } => file.path.clear(),
        }
        if let Some(from) = &mut plan.init_from {
            from.path.clear();
        }
        plan.warnings.clear();
        let mut value = serde_json::to_value(plan).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.remove("output");
        }
        value
    }
}

/// Feeds JSON with sorted keys to the hash, whatever order the map type keeps.
fn canonical(value: &Value, hasher: &mut Hasher) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort_unstable();
            hasher.update(b"{");
            for (i, name) in names.into_iter().enumerate() {
                if i > 0 {
                    hasher.update(b",");
                }
                hasher.update(Value::from(name.as_str()).to_string().as_bytes());
                hasher.update(b":");
                canonical(&fields[name], hasher);
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            hasher.update(b"[");
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    hasher.update(b",");
                }
                canonical(item, hasher);
            }
            hasher.update(b"]");
        }
        scalar => {
            hasher.update(scalar.to_string().as_bytes());
        }
    }
}
