//! From the forms as they are written to [`Nodes`].

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use super::{
    Node, Nodes, NodesTraining,
    form::{NodeType, NodesForm, PeersForm},
};
use crate::{Errors, FieldError, PeerAddress, errors::quote};

/// An entry whose own fields are read; none where they are wrong.
struct Entry {
    /// Its path, for example `nodes[3]`.
    path: String,
    index: u32,
    address: Option<PeerAddress>,
    bind: Option<SocketAddr>,
}

pub(super) fn peers(form: PeersForm) -> Result<Nodes, Errors> {
    let mut errors = Vec::new();
    let mut entries = Vec::with_capacity(form.peers.len());
    for (i, peer) in form.peers.into_iter().enumerate() {
        let path = format!("peers[{i}]");
        let address = note(&path, "address", peer.address.parse(), &mut errors);
        let bind = peer.bind.and_then(|bind| {
            let found: Result<SocketAddr, _> = bind.parse();
            let bound = found.ok().filter(|address| address.port() != 0);
            if bound.is_none() {
                errors.push(FieldError::new(
                    format!("{path}.bind"),
                    format!("{} is not where a peer can listen", quote(&bind)),
                    "write an IP address of that machine and a port, such as 0.0.0.0:8888 or [::]:8888",
                ));
            }
            bound
        });
        entries.push(Entry {
            path,
            index: peer.index,
            address,
            bind,
        });
    }
    let peers = in_order(entries, "index", &mut errors);
    Errors::or(
        errors,
        Nodes {
            peers,
            attempt: form.attempt,
            authority: form.authority,
            training: NodesTraining::default(),
        },
    )
}

pub(super) fn nodes(form: NodesForm) -> Result<Nodes, Errors> {
    let mut errors = Vec::new();
    let mut entries = Vec::with_capacity(form.nodes.len());
    for (i, node) in form.nodes.into_iter().enumerate() {
        let path = format!("nodes[{i}]");
        let address = PeerAddress::new(&node.host, node.port);
        let address = note(&path, "host", address, &mut errors);
        let bind = node.bind_host.and_then(|host| {
            let ip: Option<IpAddr> = host.parse().ok();
            if ip.is_none() {
                errors.push(FieldError::new(
                    format!("{path}.bind_host"),
                    format!("{} is not an IP address", quote(&host)),
                    "write one of that machine, or 0.0.0.0 or :: for all, or remove it",
                ));
            }
            Some(SocketAddr::new(ip?, node.port))
        });
        if node.kind == NodeType::Byzantine {
            errors.push(FieldError::new(
                format!("{path}.type"),
                "`byzantine` is not supported yet: there are no attacks",
                "write honest",
            ));
        }
        entries.push(Entry {
            path,
            index: node.id,
            address,
            bind,
        });
    }
    let peers = in_order(entries, "id", &mut errors);
    let training = form
        .training
        .map_or_else(NodesTraining::default, |training| NodesTraining {
            rounds: training.rounds,
            batch_size: training.batch_size,
            learning_rate: training.learning_rate,
        });
    Errors::or(
        errors,
        Nodes {
            peers,
            attempt: None,
            authority: None,
            training,
        },
    )
}

fn note(
    path: &str,
    field: &str,
    address: Result<PeerAddress, crate::AddressError>,
    errors: &mut Vec<FieldError>,
) -> Option<PeerAddress> {
    address
        .map_err(|error| {
            let text = error.to_string();
            let (found, expected) = text.split_once(": ").unwrap_or((&text, "correct it"));
            errors.push(FieldError::new(format!("{path}.{field}"), found, expected));
        })
        .ok()
}

/// The entries by index, which must be 0 to n − 1, each at an address of its own.
fn in_order(entries: Vec<Entry>, name: &str, errors: &mut Vec<FieldError>) -> Vec<Node> {
    let count = entries.len();
    let mut by_index: BTreeMap<u32, Entry> = BTreeMap::new();
    let mut by_address: BTreeMap<String, String> = BTreeMap::new();
    for entry in entries {
        let path = &entry.path;
        if let Some(address) = &entry.address
            && let Some(other) = by_address.insert(address.to_string(), path.clone())
        {
            errors.push(FieldError::new(
                path,
                format!("{address} is the address of {other} as well"),
                "give every peer a port or machine of its own",
            ));
        }
        if entry.index as usize >= count {
            errors.push(FieldError::new(
                format!("{path}.{name}"),
                format!("{} is out of range", entry.index),
                format!("{count} peers are numbered 0 to {}", count - 1),
            ));
        } else if let Some(other) = by_index.get(&entry.index) {
            errors.push(FieldError::new(
                format!("{path}.{name}"),
                format!("{} is there twice, first in {}", entry.index, other.path),
                format!("{count} peers are numbered 0 to {}, each once", count - 1),
            ));
        } else {
            by_index.insert(entry.index, entry);
        }
    }
    by_index
        .into_values()
        .filter_map(|entry| {
            Some(Node {
                address: entry.address?,
                bind: entry.bind,
            })
        })
        .collect()
}
