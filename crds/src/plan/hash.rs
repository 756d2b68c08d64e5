//! The plan's hash, by which peers know that they work from the same plan.

use blake3::Hasher;
use serde_json::{Map, Value};

use super::{PeerPlan, Plan};

/// Domain of the hash; another format of the plan takes another one.
const CONTEXT: &str = "fltorrent.io v1alpha1 plan hash";
/// Domain of the hash that checkpoints carry.
const RESUME_CONTEXT: &str = "fltorrent.io v1alpha1 resume hash";

impl Plan {
    /// BLAKE3 (key derivation mode) of the plan as canonical JSON: keys sorted, no white space, without what may differ
    /// by machine (where the data and the first model lie, and `output`), without `restarts`, and without the warnings.
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = Hasher::new_derive_key(CONTEXT);
        self.feed(self.without_peers(), PeerPlan::clone, &mut hasher);
        *hasher.finalize().as_bytes()
    }

    /// As [`Plan::hash`], but without what a run may change when it goes on from a checkpoint: the number of rounds, and
    /// when checkpoints are written, and what happens to peers. The number of rounds stays in where the learning rate follows from it.
    pub fn resume_hash(&self) -> [u8; 32] {
        let mut plan = self.without_peers();
        if !plan.training.schedule.ends_with_the_run() {
            plan.training.rounds = 0;
        }
        plan.checkpoint_every = None;
        let mut hasher = Hasher::new_derive_key(RESUME_CONTEXT);
        let without_churn = |peer: &PeerPlan| PeerPlan {
            churn: Vec::new(),
            ..peer.clone()
        };
        self.feed(plan, without_churn, &mut hasher);
        *hasher.finalize().as_bytes()
    }

    /// [`Self::hash`] as 64 hex digits, for people to compare.
    pub fn hash_text(&self) -> String {
        blake3::Hash::from_bytes(self.hash()).to_hex().to_string()
    }

    fn without_peers(&self) -> Self {
        Self {
            name: self.name.clone(),
            seed: self.seed,
            peers: Vec::new(),
            model: self.model.clone(),
            init_from: self.init_from.clone(),
            data: self.data.clone(),
            training: self.training.clone(),
            early_stop: self.early_stop,
            checkpoint_every: self.checkpoint_every,
            exchange: self.exchange.clone(),
            aggregation: self.aggregation,
            transport: self.transport.clone(),
            liveness: self.liveness.clone(),
            on_peer_loss: self.on_peer_loss,
            repair: self.repair,
            restarts: self.restarts,
            output: self.output.clone(),
            warnings: Vec::new(),
        }
    }

    /// Feeds what is the same on all machines: of `plan`, and of the peers of this one. These go in one by one, since a million
    /// connections as JSON values take a hundred times the memory of one peer's.
    fn feed(&self, plan: Self, peer: impl Fn(&PeerPlan) -> PeerPlan, hasher: &mut Hasher) {
        let Value::Object(fields) = plan.shared() else {
            return;
        };
        object(&fields, hasher, |name, value, hasher| {
            if name != "peers" {
                return canonical(value, hasher);
            }
            let peers = self
                .peers
                .iter()
                .map(|one| serde_json::to_value(peer(one)).unwrap_or_default());
            array(peers, hasher);
        });
    }

    /// The part of the plan that is the same on all machines.
    fn shared(mut self) -> Value {
        for path in self.data.source.paths() {
            path.clear();
        }
        if let Some(from) = &mut self.init_from {
            from.path.clear();
        }
        let mut value = serde_json::to_value(&self).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.remove("output");
            // Peers of a cluster are not told.
            fields.remove("restarts");
        }
        value
    }
}

/// Feeds JSON with sorted keys to the hash, whatever order the map type keeps.
fn canonical(value: &Value, hasher: &mut Hasher) {
    match value {
        Value::Object(fields) => {
            object(fields, hasher, |_, value, hasher| canonical(value, hasher));
        }
        Value::Array(items) => array(items.iter(), hasher),
        scalar => {
            hasher.update(scalar.to_string().as_bytes());
        }
    }
}

fn object(fields: &Map<String, Value>, hasher: &mut Hasher, feed: impl Fn(&str, &Value, &mut Hasher)) {
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_unstable();
    hasher.update(b"{");
    for (i, name) in names.into_iter().enumerate() {
        if i > 0 {
            hasher.update(b",");
        }
        hasher.update(Value::from(name.as_str()).to_string().as_bytes());
        hasher.update(b":");
        feed(name, &fields[name], hasher);
    }
    hasher.update(b"}");
}

fn array<V: std::borrow::Borrow<Value>>(items: impl Iterator<Item = V>, hasher: &mut Hasher) {
    hasher.update(b"[");
    for (i, item) in items.enumerate() {
        if i > 0 {
            hasher.update(b",");
        }
        canonical(item.borrow(), hasher);
    }
    hasher.update(b"]");
}
