//! Files of tables, tensors and texts: the first byte says which, the rest is the training file.
#![no_main]

use std::{fs, sync::LazyLock};

use fltorrent_crds::{
    data::{Columns, CsvPlan, DataFile, DataSource, SafetensorsPlan, TextPlan},
    experiment::Column,
    partition::Partition,
    plan::DataPlan,
};
use fltorrent_peer::data::{self, Split};
use tempfile::TempDir;

/// Made once: what the operating system does for a folder takes longer than the target itself.
static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| TempDir::new().ok());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (Some(folder), Some((&kind, content))) = (&*FOLDER, bytes.split_first()) else {
        return;
    };
    let path = folder.path().join("train");
    let _ = fs::write(&path, content);
    let file = DataFile {
        path: path.display().to_string(),
        sha256: None,
    };
    let (train, test) = (file.clone(), file.clone());
    let (source, input_shape) = match kind % 3 {
        0 => {
            let columns = Columns {
                label: Column::Number(1),
                header: kind & 4 == 0,
                divisor: 1.0,
                normalise: kind & 8 == 0,
            };
            (DataSource::Csv(CsvPlan { train, test, columns }), vec![2])
        }
        1 => (DataSource::Safetensors(SafetensorsPlan { train, test }), vec![2]),
        _ => (
            DataSource::Text(TextPlan {
                file,
                test_fraction: 0.5,
            }),
            vec![3],
        ),
    };
    let plan = DataPlan {
        source,
        input_shape,
        classes: 256,
        partition: Partition::default(),
    };
    if let Ok(labels) = data::labels(&plan) {
        let all: Vec<u32> = (0..labels.train.len() as u32).collect();
        let _ = data::check(&plan, &labels);
        let _ = data::load(&plan, &labels, Split::Train, &all);
    }
});
