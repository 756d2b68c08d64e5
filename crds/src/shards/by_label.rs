//! Divisions in which a peer sees few classes.

use super::{ShardError, least, slices};
use crate::seeds;

/// `per_peer` classes for each peer; a class is dealt out evenly among the peers that hold it.
///
/// Peers choose in index order, each the classes with the fewest holders so far and among equals by chance: no peer has
/// a class twice, and the numbers of holders differ by one at most. Source of the setting ("#C = k"): Q. Li et al.,
/// "Federated Learning on Non-IID Data Silos: An Experimental Study", ICDE 2022, where the choice may leave a class
/// without a holder; here none is.
pub(super) fn classes(
    per_peer: u32,
    seed: u64,
    peers: usize,
    labels: &[u8],
) -> Result<Vec<Vec<u32>>, ShardError> {
    let mut samples: Vec<Vec<u32>> = vec![Vec::new(); 256];
    for (index, &label) in (0_u32..).zip(labels) {
        samples[usize::from(label)].push(index);
    }
    samples.retain(|class| !class.is_empty());
    let (found, wanted) = (samples.len(), per_peer as usize);
    if wanted == 0 || wanted > found || wanted.saturating_mul(peers) < found {
        return Err(ShardError::Classes {
            per_peer,
            peers,
            found,
        });
    }
    let mut rng = seeds::rng(seed, "shards.classes", 0, 0);
    let mut holders: Vec<Vec<usize>> = vec![Vec::new(); found];
    let mut order: Vec<usize> = (0..found).collect();
    for peer in 0..peers {
        seeds::shuffle(&mut rng, &mut order);
        order.sort_by_key(|&class| holders[class].len());
        for &class in &order[..wanted] {
            holders[class].push(peer);
        }
    }
    let mut shards = vec![Vec::new(); peers];
    for (mut class, holders) in samples.into_iter().zip(holders) {
        seeds::shuffle(&mut rng, &mut class);
        for (sample, &holder) in class.into_iter().zip(holders.iter().cycle()) {
            shards[holder].push(sample);
        }
    }
    if let Some(peer) = shards.iter().position(Vec::is_empty) {
        return Err(ShardError::Empty { peer });
    }
    Ok(sorted(shards))
}

/// Sorted by label (in the data's order within a label), cut into `peers * per_peer` pieces whose lengths differ by one
/// at most, and `per_peer` of them dealt to each peer by chance.
///
/// Source: H. B. McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS
/// 2017, section 3: 200 pieces, two for each of 100 clients.
pub(super) fn pieces(
    per_peer: u32,
    seed: u64,
    peers: usize,
    labels: &[u8],
) -> Result<Vec<Vec<u32>>, ShardError> {
    let per_peer = per_peer.max(1);
    least("shards.perPeer", per_peer, peers, labels.len())?;
    // At least one sample a piece, so no more pieces than samples, which a u32 counts.
    let per_peer = per_peer as usize;
    let mut by_label: Vec<u32> = (0..labels.len() as u32).collect();
    by_label.sort_by_key(|&sample| labels[sample as usize]);
    let mut pieces = slices(peers * per_peer, by_label.len() as u32);
    seeds::shuffle(&mut seeds::rng(seed, "shards.pieces", 0, 0), &mut pieces);
    let shard = |dealt: &[Vec<u32>]| {
        let places = dealt.iter().flatten();
        places.map(|&place| by_label[place as usize]).collect()
    };
    Ok(sorted(pieces.chunks(per_peer).map(shard).collect()))
}

fn sorted(mut shards: Vec<Vec<u32>>) -> Vec<Vec<u32>> {
    for shard in &mut shards {
        shard.sort_unstable();
    }
    shards
}
