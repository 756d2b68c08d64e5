//! The shipped digits, IDX folders, and everything that can be wrong with a file.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]
#![allow(clippy::too_many_lines, reason = "tables of cases")]

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use fltorrent_crds::{
    data::{Digits, IdxPlan},
    partition::{Dirichlet, Partition},
    plan::DataPlan,
};
use fltorrent_peer::data::{self, Labels, Split};
use proptest::prelude::*;
use tempfile::TempDir;

fn digits() -> DataPlan {
    DataPlan {
        source: Digits.into(),
        input_shape: vec![8, 8],
        classes: 10,
        partition: Partition::default(),
    }
}

fn idx_plan(folder: &Path) -> DataPlan {
    let path = folder.to_str().unwrap().to_owned();
    DataPlan {
        source: IdxPlan { path, sha256: None }.into(),
        input_shape: vec![2, 3],
        classes: 4,
        partition: Partition::default(),
    }
}

fn idx(dimensions: &[u32], content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    bytes.extend(dimensions.iter().flat_map(|extent| extent.to_be_bytes()));
    bytes.extend(content);
    bytes
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";

/// Five training images of 2×3 pixels, whose pixels count on from 0, and two test images; some plain, some gzipped.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let put = |name: &str, bytes: Vec<u8>| fs::write(folder.path().join(name), bytes).unwrap();
    put(TRAIN_IMAGES, idx(&[5, 2, 3], &(0..30).collect::<Vec<u8>>()));
    put("train-labels-idx1-ubyte.gz", gzip(&idx(&[5], &[0, 1, 2, 3, 0])));
    put("t10k-images-idx3-ubyte.gz", gzip(&idx(&[2, 2, 3], &[255; 12])));
    put("t10k-labels-idx1-ubyte", idx(&[2], &[3, 2]));
    folder
}

/// The error of loading all training images after `name` was replaced by `bytes`.
fn fault(name: &str, bytes: Option<&[u8]>) -> String {
    let folder = folder();
    let stem = name.trim_end_matches(".gz");
    for old in [stem.to_owned(), format!("{stem}.gz")] {
        fs::remove_file(folder.path().join(old)).ok();
    }
    if let Some(bytes) = bytes {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let plan = idx_plan(folder.path());
    let error = data::labels(&plan).and_then(|labels| data::load(&plan, &labels, Split::Train, &[0, 1, 2, 3, 4]));
    error
        .unwrap_err()
        .to_string()
        .replace(folder.path().to_str().unwrap(), "FOLDER")
}

#[test]
fn digits_are_split_by_every_fifth() {
    let plan = digits();
    let labels = data::labels(&plan).unwrap();
    assert_eq!((labels.train.len(), labels.test.len()), (1438, 359));
    assert_eq!(labels.train[..9], [0, 1, 2, 3, 5, 6, 7, 8, 0]);
    assert_eq!(labels.test[..4], [4, 9, 4, 9]);
    let first = data::load(&plan, &labels, Split::Train, &[0]).unwrap();
    // The first image of the set, its first two rows.
    let rows = [
        0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0, 0.0, 0.0, 13.0, 15.0, 10.0, 15.0, 5.0, 0.0,
    ];
    assert_eq!(first.gather(&[0])[..16], rows.map(|grey: f32| grey / 16.0));
    assert_eq!((first.input_len(), first.classes(), first.labels()), (64, 10, &[0][..]));
    for split in [Split::Train, Split::Test] {
        let all: Vec<u32> = (0..labels.of(split).len() as u32).collect();
        let samples = data::load(&plan, &labels, split, &all).unwrap();
        assert_eq!(samples.labels(), labels.of(split));
        assert!(
            samples
                .gather(&[samples.len() - 1])
                .iter()
                .all(|pixel| (0.0..=1.0).contains(pixel))
        );
    }
}

#[test]
fn only_the_chosen_images_come_in_the_order_asked() {
    let folder = folder();
    let plan = idx_plan(folder.path());
    let labels = data::labels(&plan).unwrap();
    assert_eq!(
        labels,
        Labels {
            train: vec![0, 1, 2, 3, 0],
            test: vec![3, 2],
            ..Labels::default()
        }
    );
    let samples = data::load(&plan, &labels, Split::Train, &[3, 0, 3]).unwrap();
    assert_eq!((samples.len(), samples.labels()), (3, &[3, 0, 3][..]));
    let pixels = samples.gather(&[0, 1, 2]);
    for (found, expected) in pixels
        .iter()
        .zip([18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 18, 19, 20, 21, 22, 23])
    {
        assert!((found - expected as f32 / 255.0).abs() < 1e-7);
    }
    let test = data::load(&plan, &labels, Split::Test, &[1]).unwrap();
    assert_eq!(test.gather(&[0]), [1.0; 6]);
    assert!(data::load(&plan, &labels, Split::Test, &[]).unwrap().is_empty());
    let error = data::load(&plan, &labels, Split::Test, &[0, 2])
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "sample 2 of the Test split does not exist; expected an index below 2: correct data.partition"
    );
}

#[test]
fn gzipped_and_plain_files_are_the_same() {
    let folder = folder();
    let plan = idx_plan(folder.path());
    let labels = data::labels(&plan).unwrap();
    let plain = data::load(&plan, &labels, Split::Train, &[1, 2]).unwrap();
    let path = folder.path().join(TRAIN_IMAGES);
    fs::write(path.with_extension("gz"), gzip(&fs::read(&path).unwrap())).unwrap();
    fs::remove_file(path).unwrap();
    assert_eq!(data::load(&plan, &labels, Split::Train, &[1, 2]).unwrap(), plain);
}

#[test]
fn the_hash_covers_labels_splits_classes_and_shape() {
    let plan = digits();
    let base = Labels {
        train: vec![1, 2, 3],
        test: vec![4],
        ..Labels::default()
    };
    let hash = data::label_hash(&plan, &base);
    for other in [
        Labels {
            train: vec![1, 2],
            test: vec![3, 4],
            ..Labels::default()
        },
        Labels {
            train: vec![1, 2, 4],
            test: vec![4],
            ..Labels::default()
        },
        Labels {
            train: vec![1, 2, 3],
            test: vec![5],
            ..Labels::default()
        },
    ] {
        assert_ne!(data::label_hash(&plan, &other), hash);
    }
    assert_ne!(
        data::label_hash(
            &DataPlan {
                classes: 11,
                ..plan.clone()
            },
            &base
        ),
        hash
    );
    assert_ne!(
        data::label_hash(
            &DataPlan {
                input_shape: vec![64],
                ..plan.clone()
            },
            &base
        ),
        hash
    );
    assert_eq!(
        data::label_hash(
            &DataPlan {
                partition: Dirichlet {
                    alpha: 1.0,
                    min_samples: 1
                }
                .into(),
                ..plan
            },
            &base
        ),
        hash
    );
}

#[test]
fn each_fault_is_named_with_what_was_expected() {
    let images = idx(&[5, 2, 3], &[7; 30]);
    let zipped = gzip(&images);
    let mut broken = zipped.clone();
    let checksum = broken.len() - 8;
    broken[checksum] ^= 1;
    let claims = |count: u32| idx(&[count, 2, 3], &[7; 30]);
    let table: Vec<(&str, Option<Vec<u8>>, &str)> = vec![
        (
            TRAIN_LABELS,
            None,
            "FOLDER: found neither train-labels-idx1-ubyte nor train-labels-idx1-ubyte.gz; expected the four IDX files of MNIST or Fashion-MNIST there: correct data.idx.path or put the file in place",
        ),
        (
            TRAIN_IMAGES,
            None,
            "FOLDER: found neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz; expected the four IDX files of MNIST or Fashion-MNIST there: correct data.idx.path or put the file in place",
        ),
        (
            TRAIN_IMAGES,
            Some(vec![]),
            "FOLDER/train-images-idx3-ubyte: ends after 0 bytes of content; expected 16: fetch the file again",
        ),
        (
            TRAIN_IMAGES,
            Some(images[..45].to_vec()),
            "FOLDER/train-images-idx3-ubyte: its header announces 46 bytes of content, but a file of this size holds at most 45; expected an intact copy: fetch the file again",
        ),
        (
            "train-images-idx3-ubyte.gz",
            Some(gzip(&images[..45])),
            "FOLDER/train-images-idx3-ubyte.gz: ends after 45 bytes of content; expected 46: fetch the file again",
        ),
        (
            "train-images-idx3-ubyte.gz",
            Some(gzip(&images[..10])),
            "FOLDER/train-images-idx3-ubyte.gz: ends after 10 bytes of content; expected 16: fetch the file again",
        ),
        (
            "train-images-idx3-ubyte.gz",
            Some(zipped[..zipped.len() - 3].to_vec()),
            "FOLDER/train-images-idx3-ubyte.gz: the gzip stream is cut after 46 bytes of content; expected an intact copy: fetch the file again",
        ),
        (
            "train-images-idx3-ubyte.gz",
            Some([&zipped[..], b"x"].concat()),
            "FOLDER/train-images-idx3-ubyte.gz: something that is not gzip follows the gzip stream and its 46 bytes of content; expected an end there: fetch the file again",
        ),
        (
            "train-images-idx3-ubyte.gz",
            Some(broken),
            "FOLDER/train-images-idx3-ubyte.gz: the gzip stream is damaged; expected an intact copy: fetch the file again",
        ),
        (
            "train-images-idx3-ubyte.gz",
            Some(images.clone()),
            "FOLDER/train-images-idx3-ubyte.gz: is not gzip, though its name ends in .gz; expected an intact copy: fetch the file again, or give it a name without .gz",
        ),
        (
            TRAIN_IMAGES,
            Some([images.clone(), vec![0]].concat()),
            "FOLDER/train-images-idx3-ubyte: has more than the 46 bytes of content that its header announces; expected an end there: fetch the file again",
        ),
        (
            "train-images-idx3-ubyte.gz",
            Some(gzip(&[images.clone(), vec![0; 1 << 20]].concat())),
            "FOLDER/train-images-idx3-ubyte.gz: has more than the 46 bytes of content that its header announces; expected an end there: fetch the file again",
        ),
        (
            TRAIN_IMAGES,
            Some(claims(6)),
            "FOLDER/train-images-idx3-ubyte: its header announces 52 bytes of content, but a file of this size holds at most 46; expected an intact copy: fetch the file again",
        ),
        (
            TRAIN_IMAGES,
            Some(idx(&[4, 2, 3], &[7; 24])),
            "FOLDER/train-images-idx3-ubyte: the number of images is 4; expected 5, the number of labels: give the file that data describes, or correct data",
        ),
        (
            TRAIN_IMAGES,
            Some(idx(&[5, 3, 2], &[7; 30])),
            "FOLDER/train-images-idx3-ubyte: the image shape is [3, 2]; expected data.idx.inputShape = [2, 3]: give the file that data describes, or correct data",
        ),
        (
            TRAIN_IMAGES,
            Some(idx(&[5, 6], &[7; 30])),
            "FOLDER/train-images-idx3-ubyte: the magic number is [00, 00, 08, 02]; expected [00, 00, 08, 03]: give the file that data describes, or correct data",
        ),
        (
            TRAIN_LABELS,
            Some(idx(&[5], &[1, 1, 2, 4, 3])),
            "FOLDER/train-labels-idx1-ubyte: label 4 of sample 3 is not a class; expected less than data.idx.classes = 4: labels seem to count from 1: subtract 1 from each",
        ),
        (
            TRAIN_IMAGES,
            Some([&[0, 0, 0x0d, 3][..], &images[4..]].concat()),
            "FOLDER/train-images-idx3-ubyte: the type of the elements is f32; expected unsigned bytes, as grey levels and classes: write the file with unsigned bytes, or give the data as safetensors",
        ),
        (
            TRAIN_LABELS,
            Some(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n".to_vec()),
            "FOLDER/train-labels-idx1-ubyte: is a pointer of Git LFS, which stands for the file; expected an IDX file: run `git lfs pull` in the repository that it comes from",
        ),
        (
            TRAIN_LABELS,
            Some(idx(&[5], &[0, 1, 2, 4, 0])),
            "FOLDER/train-labels-idx1-ubyte: label 4 of sample 3 is not a class; expected less than data.idx.classes = 4: correct data.idx.classes or the file",
        ),
        (
            TRAIN_LABELS,
            Some(idx(&[u32::MAX], &[0; 5])),
            "FOLDER/train-labels-idx1-ubyte: the number of samples is 4294967295; expected at most 16777216: give the file that data describes, or correct data",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            Some(gzip(&idx(&[1 << 24], &[0; 5]))),
            "FOLDER/train-labels-idx1-ubyte.gz: its header announces 16777224 bytes of content, but a file of this size holds at most POSSIBLE; expected an intact copy: fetch the file again",
        ),
    ];
    for (name, bytes, expected) in table {
        let possible = bytes.as_ref().map_or(0, |bytes| bytes.len() * 1032).to_string();
        assert_eq!(fault(name, bytes.as_deref()), expected.replace("POSSIBLE", &possible));
    }
}

#[test]
fn files_in_folders_below_are_pointed_to() {
    let folder = folder();
    let below = folder.path().join("MNIST/raw");
    fs::create_dir_all(&below).unwrap();
    for file in fs::read_dir(folder.path()).unwrap().flatten() {
        if file.file_type().unwrap().is_file() {
            fs::rename(file.path(), below.join(file.file_name())).unwrap();
        }
    }
    let error = data::labels(&idx_plan(folder.path())).unwrap_err().to_string();
    let expected = format!(
        "{} is there; write its folder as data.idx.path",
        below.join("train-labels-idx1-ubyte.gz").display()
    );
    assert!(error.contains(&expected), "{error}");
    // An archive with a folder a file, and another spelling.
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("train-labels-idx1-ubyte/train-labels.idx1-ubyte");
    fs::create_dir_all(inner.parent().unwrap()).unwrap();
    fs::write(&inner, idx(&[1], &[0])).unwrap();
    let error = data::labels(&idx_plan(folder.path())).unwrap_err().to_string();
    assert!(error.contains(&format!("{} is there", inner.display())), "{error}");
}

#[test]
fn an_unreadable_file_is_named_with_its_cause() {
    let folder = folder();
    let path = folder.path().join("t10k-labels-idx1-ubyte");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = data::labels(&idx_plan(folder.path())).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("t10k-labels-idx1-ubyte: cannot be read: check the file and who may read it"),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_shape_without_a_size_is_refused() {
    let folder = folder();
    for shape in [vec![0, 3], vec![u32::MAX; 5]] {
        let mut plan = idx_plan(folder.path());
        let labels = data::labels(&plan).unwrap();
        plan.input_shape = shape;
        let error = data::load(&plan, &labels, Split::Train, &[0]).unwrap_err().to_string();
        assert!(error.starts_with("data.idx.inputShape is ["), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever the bytes, files give an error or samples that the plan allows, and never a panic.
    #[test]
    fn arbitrary_headers_never_panic(
        images in prop::collection::vec(any::<u8>(), 0..64),
        labels in prop::collection::vec(any::<u8>(), 0..32),
        place in 0usize..24,
        byte in any::<u8>(),
        gzipped in any::<bool>(),
    ) {
        for mutate in [false, true] {
            let folder = folder();
            let mut train = idx(&[5, 2, 3], &(0..30).collect::<Vec<u8>>());
            train[place] = byte;
            let (images, labels) = if mutate { (train, idx(&[5], &[0; 5])) } else { (images.clone(), labels.clone()) };
            if gzipped {
                fs::remove_file(folder.path().join(TRAIN_IMAGES)).unwrap();
                fs::write(folder.path().join("train-images-idx3-ubyte.gz"), gzip(&images)).unwrap();
            } else {
                fs::write(folder.path().join(TRAIN_IMAGES), &images).unwrap();
            }
            fs::write(folder.path().join(TRAIN_LABELS), &labels).unwrap();
            let plan = idx_plan(folder.path());
            if let Ok(labels) = data::labels(&plan) {
                prop_assert!(labels.train.iter().all(|&label| label < 4));
                let wanted: Vec<u32> = (0..labels.train.len() as u32).collect();
                if let Ok(samples) = data::load(&plan, &labels, Split::Train, &wanted) {
                    prop_assert_eq!(samples.len(), labels.train.len());
                }
            }
        }
    }
}
