/// Samples by peer and class: `histogram[peer][class]`, `classes` entries a peer.
///
/// `shards` and `labels` are those of [`super::derive`]; a label that is not below `classes` counts for nothing.
pub fn histogram(shards: &[Vec<u32>], labels: &[u8], classes: u32) -> Vec<Vec<u32>> {
    let row = |shard: &Vec<u32>| {
        let mut counts = vec![0; classes as usize];
        for &sample in shard {
            let label = labels.get(sample as usize).copied();
            if let Some(count) = label.and_then(|label| counts.get_mut(usize::from(label))) {
                *count += 1;
            }
        }
        counts
    };
    shards.iter().map(row).collect()
}
