//! Configurations, and origins' bytes, metainfos and signatures that anybody can compute.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    choke::ChokePolicyKind,
    chunk::{ChunkId, ChunkLayout},
    config::{Beginning, Config, Kept},
    message::Hello,
    metainfo::{EvaluationCounts, Metainfo, Signer, Verifier},
    repair::Repair,
    rules::{Deadline, OnPeerLoss, RoundRules},
    selection::ChunkSelection,
    selection::mix,
    signed::Signed,
    statement::{MeasuredUplink, Speaker, Statement},
    suppliers::UplinkRate,
};

/// A peer's configuration: a run of one round, four slots, and the defaults of manifests.
pub fn config(me: u32, peers: u32, neighbours: Vec<u32>, layout: ChunkLayout) -> Config {
    Config {
        hello: Hello {
            run: [7; 16],
            attempt: 0,
            peer: me,
            incarnation: 0,
            plan: [1; 32],
            data: [2; 32],
            first_round: 0,
            round: 0,
            catches_up: false,
            model: [3; 32],
        },
        peers,
        neighbours,
        layout,
        rounds: 1,
        counts: None,
        early_stop: None,
        upload_slots: 4,
        unchoke_interval: Duration::from_secs(10),
        optimistic_interval: Duration::from_secs(30),
        choke_policy: ChokePolicyKind::default(),
        selection: ChunkSelection::default(),
        topology: Vec::new().into(),
        late: Arc::default(),
        forest: None,
        repair: Repair::None,
        common_seed: 1,
        on_peer_loss: OnPeerLoss::Fail,
        min_peers: peers / 2 + 1,
        pause_limit: Duration::from_secs(600),
        round_rules: RoundRules {
            quorum: peers,
            patience: Duration::from_secs(3),
            deadline: Deadline::None,
        },
        progress_lease: Deadline::None,
        lost_after: Duration::from_secs(30),
        join_within: Duration::from_secs(30),
        beginning: Beginning::Together,
        kept: Kept::default(),
        has_first_model: true,
        seed: 1,
    }
}

/// The bytes of a chunk as its origin makes them: finite f32 drawn from the chunk's name.
pub fn origin_data(layout: &ChunkLayout, chunk: ChunkId) -> Bytes {
    let seed = mix((u64::from(chunk.round) << 40) ^ (u64::from(chunk.origin) << 20) ^ u64::from(chunk.index));
    let elements = layout.bytes(chunk.index) / 4;
    (0..elements)
        .flat_map(|at| ((mix(seed ^ u64::from(at)) >> 40) as f32).to_le_bytes())
        .collect()
}

/// An origin's metainfo of a round.
pub fn origin_metainfo(config: &Config, round: u32, origin: u32) -> Metainfo {
    let chunk = |index| ChunkId { round, origin, index };
    Metainfo {
        run: config.hello.run,
        attempt: config.hello.attempt,
        round,
        origin,
        incarnation: config.hello.incarnation,
        samples: u64::from(origin) + 1,
        evaluation: learning_curve(round),
        base: [0; 32],
        folded: [0; 32],
        hashes: (0..config.layout.chunks())
            .map(|index| *blake3::hash(&origin_data(&config.layout, chunk(index))).as_bytes())
            .collect(),
    }
}

/// Each origin's evaluation of the model of the round before: nothing at first, then 0.6 and ever less on top.
fn learning_curve(round: u32) -> EvaluationCounts {
    match round {
        0 => EvaluationCounts::default(),
        round => EvaluationCounts {
            correct: 100 - 80 / (round + 1),
            total: 100,
            loss_sum: 1.0,
        },
    }
}

/// A metainfo as `origin` signs it in virtual time.
pub fn sign(origin: u32, metainfo: &Metainfo) -> Signed {
    sign_as(origin, metainfo.encode())
}

/// What a peer says of its uplink in a round, bytes a second.
pub fn uplink_statement(config: &Config, (round, peer): (u32, u32), rate: f64) -> Signed {
    let speaker = Speaker {
        run: config.hello.run,
        attempt: config.hello.attempt,
        peer,
        incarnation: config.hello.incarnation,
    };
    let rate = UplinkRate::default().measured(rate);
    sign_as(peer, Statement::Uplink(MeasuredUplink { round, rate }).encode(&speaker))
}

/// What `origin` says, signed in virtual time.
pub(crate) fn sign_as(origin: u32, body: Bytes) -> Signed {
    Signed {
        certificate: Bytes::copy_from_slice(&origin.to_be_bytes()),
        signature: keyed(origin, &body),
        body,
    }
}

/// Stands for signatures: a keyed hash whose key follows from the origin, so that runs need no key of anybody.
#[derive(Clone, Copy, Debug)]
pub struct KeyedVerifier {
    /// The peer that signs.
    pub me: u32,
}

fn keyed(origin: u32, body: &[u8]) -> Bytes {
    let key = blake3::derive_key("fltorrent simulated signature", &origin.to_be_bytes());
    Bytes::copy_from_slice(blake3::keyed_hash(&key, body).as_bytes())
}

impl Verifier for KeyedVerifier {
    /// A peer's processes have one key.
    fn verify(&mut self, signer: Signer, signed: &Signed) -> Result<(), String> {
        if signed.certificate != signer.peer.to_be_bytes()[..] {
            return Err("the certificate is another origin's".to_owned());
        }
        if keyed(signer.peer, &signed.body) != signed.signature {
            return Err("the signature is not the origin's".to_owned());
        }
        Ok(())
    }

    fn sign(&mut self, body: Bytes) -> Result<Signed, String> {
        Ok(sign_as(self.me, body))
    }
}
