//! What the networks for images have in common.

use crate::{catalogue::Task, findings::Findings};

/// Channels, height and width of the data's images, for a network of this name that wants sides of `side` pixels at least.
pub(super) fn of(task: &Task, name: &str, side: u32, findings: &mut Findings) -> Option<[u32; 3]> {
    let image = match task.input_shape[..] {
        [height, width] => [1, height, width],
        [channels, height, width] => [channels, height, width],
        _ => {
            findings.error(
                "model.type",
                format!(
                    "{name} wants images, and the data's inputs have the shape {:?}",
                    task.input_shape
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
                "{name} wants images of at least {side}×{side} pixels, and the data's have {}×{}",
                image[1], image[2]
            ),
            "write `type: mlp`, or take larger images",
        );
        return None;
    }
    Some(image)
}

pub(super) fn task(input: [u32; 3], classes: u32) -> Task {
    Task {
        input_shape: input.to_vec(),
        classes,
        targets: 1,
    }
}
