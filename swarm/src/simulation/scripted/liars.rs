//! Nodes that do not vote as they should, whatever their state machines say.

use super::Network;
use crate::{
    config::Config,
    message::Message,
    metainfo::{Signed, Verifier},
    statement::{Speaker, Statement},
    test_utils::KeyedVerifier,
};

/// What a node does in place of voting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteLie {
    /// Nothing.
    Silence,
    /// It claims to hold every update as a whole.
    HoldsAll,
}

impl VoteLie {
    /// What a node with this configuration sends in place of a message.
    pub(super) fn of(self, config: &Config, message: Message) -> Option<Message> {
        let Message::Statement(signed) = &message else {
            return Some(message);
        };
        let read = Statement::decode(&signed.body, &config.limits());
        let (speaker, mut vote) = match read {
            Ok((speaker, Statement::Vote(vote))) if speaker.peer == config.me() => (speaker, vote),
            _ => return Some(message),
        };
        match self {
            Self::Silence => None,
            Self::HoldsAll => {
                vote.lacks.clear();
                Some(Message::Statement(signed_by(&speaker, &Statement::Vote(vote))))
            }
        }
    }
}

#[allow(clippy::expect_used, reason = "this verifier signs anything")]
fn signed_by(speaker: &Speaker, statement: &Statement) -> Signed {
    let mut verifier = KeyedVerifier { me: speaker.peer };
    verifier.sign(statement.encode(speaker)).expect("it signs anything")
}

impl Network {
    /// From now on a node lies about what it holds.
    pub fn lie(&mut self, node: u32, lie: VoteLie) {
        self.world.links.liars.insert(node, lie);
    }

    /// It does so no more.
    pub fn be_honest(&mut self, node: u32) {
        self.world.links.liars.remove(&node);
    }
}
