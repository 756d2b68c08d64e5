//! Shards: every sample once, the same on every machine.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use fltorrent_crds::{
    partition::{Classes, Contiguous, Dirichlet, Explicit, Iid, Partition, Quantity, Shards},
    seeds,
    shards::{self, ShardError},
};
use proptest::prelude::*;
use rand_core::Rng;

fn labels(count: u32) -> Vec<u8> {
    let mut rng = seeds::rng(3, "test.labels", 0, 0);
    (0..count).map(|_| seeds::below(&mut rng, 10) as u8).collect()
}

fn digest(shards: &[Vec<u32>]) -> String {
    let mut hasher = blake3::Hasher::new();
    for shard in shards {
        hasher.update(&(shard.len() as u32).to_le_bytes());
        for index in shard {
            hasher.update(&index.to_le_bytes());
        }
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn dirichlet(alpha: f64, min_samples: u32) -> Partition {
    let settings = Dirichlet { alpha, min_samples };
    settings.into()
}

fn quantity(alpha: f64, min_samples: u32) -> Partition {
    let settings = Quantity { alpha, min_samples };
    settings.into()
}

/// The classes that each peer has samples of.
fn held(histogram: &[Vec<u32>]) -> Vec<Vec<usize>> {
    let of = |counts: &Vec<u32>| (0..counts.len()).filter(|&class| counts[class] > 0).collect();
    histogram.iter().map(of).collect()
}

#[test]
fn a_peer_has_its_classes_and_holders_share_a_class_evenly() {
    let labels = labels(5_000);
    for (peers, per_peer) in [(10, 1), (8, 2), (7, 3), (3, 4), (100, 2), (4, 10)] {
        let partition = Partition::from(Classes { per_peer });
        let shards = shards::derive(&partition, 11, peers, &labels, None, 10).unwrap();
        let histogram = shards::histogram(&shards, &labels, 10);
        let held = held(&histogram);
        assert!(held.iter().all(|classes| classes.len() == per_peer as usize));
        let mut holders = Vec::new();
        for class in 0..10 {
            let counts = histogram.iter().map(|counts| counts[class]).filter(|&count| count > 0);
            let counts: Vec<u32> = counts.collect();
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
            holders.push(counts.len());
        }
        assert!(holders.iter().max().unwrap() - holders.iter().min().unwrap() <= 1);
    }
}

#[test]
fn other_seeds_give_other_classes() {
    let labels = labels(1_000);
    let of = |seed| {
        let shards = shards::derive(&Partition::from(Classes { per_peer: 2 }), seed, 5, &labels, None, 10);
        held(&shards::histogram(&shards.unwrap(), &labels, 10))
    };
    assert!((1..5).any(|seed| of(seed) != of(0)));
}

#[test]
fn pieces_are_as_in_the_paper() {
    // 100 peers with two pieces of 300 samples of one label each.
    let labels: Vec<u8> = (0..60_000_u32).map(|i| (i * 7 % 10) as u8).collect();
    let shards = shards::derive(&Partition::from(Shards { per_peer: 2 }), 1, 100, &labels, None, 10).unwrap();
    let histogram = shards::histogram(&shards, &labels, 10);
    for counts in &histogram {
        let mut counts: Vec<u32> = counts.iter().copied().filter(|&count| count > 0).collect();
        counts.sort_unstable();
        assert!(counts == [300, 300] || counts == [600], "{counts:?}");
    }
    let classes: std::collections::BTreeSet<_> = held(&histogram).into_iter().collect();
    assert!(classes.len() > 20, "{}", classes.len());
}

#[test]
fn quantities_are_skewed_by_alpha_and_labels_are_not() {
    let labels = labels(50_000);
    let sizes = |alpha| {
        let shards = shards::derive(&quantity(alpha, 1), 5, 10, &labels, None, 10).unwrap();
        let largest = shards.iter().max_by_key(|shard| shard.len()).unwrap().clone();
        // The largest shard has every class in its share, within five standard deviations.
        let counts = &shards::histogram(std::slice::from_ref(&largest), &labels, 10)[0];
        let mean = largest.len() as f64 / 10.0;
        assert!(
            counts
                .iter()
                .all(|&count| (f64::from(count) - mean).abs() < 5.0 * mean.sqrt() + 1.0)
        );
        largest.len()
    };
    let (skewed, even) = (sizes(0.1), sizes(10_000.0));
    assert!(skewed > 15_000 && even < 5_500, "{skewed} {even}");
}

#[test]
fn slices_are_in_order() {
    let shards = shards::derive(&Partition::from(Contiguous), 1, 3, &labels(10), None, 10).unwrap();
    assert_eq!(shards, [vec![0, 1, 2], vec![3, 4, 5], vec![6, 7, 8, 9]]);
}

#[test]
fn a_histogram_counts_by_peer_and_class() {
    let found = shards::histogram(&[vec![0, 2, 3], vec![], vec![1]], &[2, 0, 2, 1], 3);
    assert_eq!(found, [[0, 1, 2], [0, 0, 0], [1, 0, 0]]);
}

#[test]
fn labels_that_do_not_suffice_are_named() {
    let derive = |per_peer, peers, labels: &[u8]| {
        shards::derive(&Partition::from(Classes { per_peer }), 1, peers, labels, None, 10)
            .unwrap_err()
            .to_string()
    };
    let too_many = derive(3, 2, &[0, 0, 1, 1]);
    assert!(too_many.contains("perPeer: 3 classes for each of 2 peers; the training samples show 2"));
    let too_few = derive(1, 2, &[0, 1, 2]);
    assert!(too_few.contains("perPeer: 1 classes for each of 2 peers"));
    let lonely = derive(1, 4, &[0, 1, 1, 1, 1]);
    assert!(lonely.contains("would have no sample"), "{lonely}");
    let pieces = shards::derive(&Partition::from(Shards { per_peer: 3 }), 1, 2, &[0, 1, 2, 3], None, 10);
    assert_eq!(
        pieces.unwrap_err().to_string(),
        "data.partition.shards.perPeer: 3 samples for each of 2 peers are more than the 4 training samples; at most 2 \
         will do"
    );
    let quantity = shards::derive(&quantity(1.0, 3), 1, 2, &[0, 1, 2, 3], None, 10);
    assert!(
        quantity
            .unwrap_err()
            .to_string()
            .starts_with("data.partition.quantity.minSamples: 3")
    );
}

#[test]
fn results_are_pinned() {
    let labels = labels(1_438);
    let derive =
        |partition: &Partition, peers| digest(&shards::derive(partition, 42, peers, &labels, None, 10).unwrap());
    let found = [
        derive(&Partition::from(Iid), 8),
        derive(&dirichlet(0.5, 1), 8),
        derive(&dirichlet(0.3, 20), 8),
        derive(&dirichlet(100.0, 1), 100),
        derive(&dirichlet(1e6, 1), 3),
        digest(&shards::test_part(42, 8, 359)),
        derive(&Partition::from(Classes { per_peer: 2 }), 8),
        derive(&Partition::from(Shards { per_peer: 2 }), 8),
        derive(&quantity(0.5, 1), 8),
        derive(&Partition::from(Contiguous), 8),
    ];
    assert_eq!(found, PINNED);
}

const PINNED: [&str; 10] = [
    "da3a35e5d798c558",
    "053c5473a9ef9aa1",
    "fa546209f6936eb6",
    "5acd36412e5443e0",
    "832fd96149ce7168",
    "66f1bb02abb822d2",
    "f82ac171ba2ff088",
    "ae1dbe8d987ed4d8",
    "04df6df8bdc9167e",
    "8f4e58741e10ac5b",
];

#[test]
fn the_source_of_randomness_is_pinned() {
    let mut rng = seeds::rng(1, "test", 2, 3);
    let found = [
        rng.next_u64(),
        rng.next_u64(),
        u64::from(seeds::below(&mut rng, 1000)),
        seeds::unit(&mut rng).to_bits(),
    ];
    assert_eq!(found, STREAM);
}

const STREAM: [u64; 4] = [2858428172711519583, 7741235275012617303, 817, 4606082991572202319];

#[test]
fn streams_differ_by_everything() {
    let first = |seed, purpose, peer, round| seeds::rng(seed, purpose, peer, round).next_u64();
    let base = first(1, "a", 2, 3);
    for other in [
        first(2, "a", 2, 3),
        first(1, "b", 2, 3),
        first(1, "a", 3, 3),
        first(1, "a", 2, 4),
        first(1, "a", 3, 2),
    ] {
        assert_ne!(base, other);
    }
}

#[test]
fn numbers_are_spread_evenly() {
    let mut rng = seeds::rng(1, "test", 0, 0);
    let mut counts = [0_u32; 6];
    for _ in 0..60_000 {
        counts[seeds::below(&mut rng, 6) as usize] += 1;
    }
    // Five standard deviations of a binomial count.
    assert!(counts.iter().all(|count| count.abs_diff(10_000) < 460), "{counts:?}");
    let sum: f64 = (0..60_000).map(|_| seeds::unit(&mut rng)).sum();
    assert!((sum / 60_000.0 - 0.5).abs() < 0.006);
}

#[test]
fn a_small_alpha_is_skewed_and_a_large_one_even() {
    let labels = labels(20_000);
    let spread = |alpha| {
        let shards = shards::derive(&dirichlet(alpha, 1), 5, 10, &labels, None, 10).unwrap();
        // The share of the commonest class, averaged over the peers: 0.1 when all classes are alike.
        let share = |shard: &Vec<u32>| {
            let mut counts = [0_usize; 10];
            for index in shard {
                counts[usize::from(labels[*index as usize])] += 1;
            }
            *counts.iter().max().unwrap() as f64 / shard.len() as f64
        };
        shards.iter().map(share).sum::<f64>() / 10.0
    };
    let (skewed, middle, even) = (spread(0.05), spread(1.0), spread(10_000.0));
    assert!(
        skewed > 0.5 && skewed > middle && middle > even && even < 0.13,
        "{skewed} {middle} {even}"
    );
}

#[test]
fn wrong_recipes_are_refused() {
    let few = [0_u8, 1, 2, 1];
    let derive =
        |partition: &Partition, peers, classes| shards::derive(partition, 1, peers, &few, None, classes).unwrap_err();
    assert_eq!(derive(&Partition::from(Iid), 0, 10), ShardError::NoPeers);
    assert_eq!(
        derive(&Partition::from(Iid), 5, 10),
        ShardError::TooFewSamples { samples: 4, peers: 5 }
    );
    assert_eq!(
        derive(&Partition::from(Iid), 2, 2).to_string(),
        "training sample 2 has label 2; labels are below 2, as the manifest's data says"
    );
    assert_eq!(
        derive(&dirichlet(1.0, 3), 2, 10).to_string(),
        "data.partition.dirichlet.minSamples: 3 samples for each of 2 peers are more than the 4 training samples; at \
         most 2 will do"
    );
    let explicit = |shards| derive(&Partition::from(Explicit { shards }), 2, 10).to_string();
    assert!(explicit(vec![vec![[0, 1]]]).contains("1 shards for 2 peers"));
    for wrong in [
        vec![[0, 5]],
        vec![[1, 1]],
        vec![[2, 1]],
        vec![[0, 2], [1, 3]],
        vec![],
        vec![[0, u32::MAX]],
    ] {
        assert!(explicit(vec![vec![[0, 1]], wrong]).contains("shards[1]"));
    }
}

#[test]
fn a_division_that_never_comes_out_says_what_would_do() {
    let labels = labels(400);
    let error = shards::derive(&dirichlet(0.001, 40), 1, 8, &labels, None, 10).unwrap_err();
    // Fewer peers than classes with one class each: with 0.001 nearly all of a class goes to one peer.
    let error = error.to_string();
    let best = error
        .strip_prefix("data.partition.dirichlet: in 100 draws some peer always had fewer than 40 samples, at best ")
        .and_then(|rest| rest.split_once("; take minSamples "))
        .unwrap_or_else(|| panic!("{error}"));
    assert!(best.0.parse::<u32>().unwrap() < 40);
    assert!(best.1.starts_with(&format!("{} or less", best.0)));
}

#[test]
fn explicit_shards_are_as_written() {
    let shards = vec![vec![[3, 5], [0, 1]], vec![[1, 3]]];
    let found = shards::derive(&Partition::from(Explicit { shards }), 9, 2, &labels(5), None, 10).unwrap();
    assert_eq!(found, [vec![0, 3, 4], vec![1, 2]]);
}

proptest! {
    #[test]
    fn every_sample_belongs_to_one_peer(
        seed: u64, peers in 1_usize..20, count in 20_u32..400, alpha in 0.05_f64..50.0, per_peer in 1_u32..11,
        kind in 0..6
    ) {
        let labels = labels(count);
        let partition = match kind {
            0 => Partition::from(Iid),
            1 => dirichlet(alpha, 1),
            2 => quantity(alpha, 1),
            3 => Partition::from(Classes { per_peer }),
            4 => Partition::from(Shards { per_peer }),
            _ => Partition::from(Contiguous),
        };
        match shards::derive(&partition, seed, peers, &labels, None, 10) {
            Ok(shards) => {
                prop_assert_eq!(shards.len(), peers);
                prop_assert!(shards.iter().all(|shard| !shard.is_empty() && shard.is_sorted()));
                let histogram = shards::histogram(&shards, &labels, 10);
                for (shard, counts) in shards.iter().zip(histogram) {
                    prop_assert_eq!(shard.len() as u32, counts.iter().sum::<u32>());
                }
                let mut all = shards.concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..count).collect::<Vec<_>>());
            }
            Err(error) => {
                let field = match kind {
                    1 => "dirichlet",
                    2 => "quantity",
                    3 => "classes",
                    4 => "shards",
                    _ => "nothing",
                };
                let expected = format!("data.partition.{field}");
                prop_assert!(error.to_string().starts_with(&expected), "{}", error);
            }
        }
    }

    #[test]
    fn test_parts_cover_the_test_samples_once(seed: u64, peers in 1_usize..20, count in 0_u32..400) {
        let parts = shards::test_part(seed, peers, count);
        let sizes: Vec<usize> = parts.iter().map(Vec::len).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
        let mut all = parts.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..count).collect::<Vec<_>>());
    }
}
