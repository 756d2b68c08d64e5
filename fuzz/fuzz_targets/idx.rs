//! A folder of IDX files. The first byte says whether they are gzipped, the second how many bytes are labels; the rest
//! is images.
#![no_main]

use std::{fs, path::Path, sync::LazyLock};

use fltorrent_crds::{data::IdxPlan, partition::Partition, plan::DataPlan};
use fltorrent_peer::data::{self, Split};
use tempfile::TempDir;

/// Made once: what the operating system does for a folder takes longer than the target itself.
static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| TempDir::new().ok());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (Some(folder), Some((&[gzipped, labels], content))) = (&*FOLDER, bytes.split_first_chunk()) else {
        return;
    };
    let (labels, images) = content.split_at(content.len().min(usize::from(labels)));
    let ending = if gzipped & 1 == 1 { ".gz" } else { "" };
    for split in ["train", "t10k"] {
        for (name, content) in [("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)] {
            let path = folder.path().join(format!("{split}-{name}"));
            put(&path, ending, content);
        }
    }
    let plan = DataPlan {
        source: IdxPlan {
            path: folder.path().display().to_string(),
            sha256: None,
        }
        .into(),
        input_shape: vec![2, 3],
        classes: 4,
        partition: Partition::default(),
    };
    if let Ok(labels) = data::labels(&plan) {
        assert!(labels.train.iter().all(|&label| label < 4));
        let all: Vec<u32> = (0..labels.train.len() as u32).collect();
        let _ = data::load(&plan, &labels, Split::Train, &all);
    }
});

/// Leaves only the file with this ending.
fn put(path: &Path, ending: &str, content: &[u8]) {
    let gzipped = path.with_extension("gz");
    let _ = fs::remove_file(path);
    let _ = fs::remove_file(&gzipped);
    let written = if ending.is_empty() { path } else { &gzipped };
    let _ = fs::write(written, content);
}
