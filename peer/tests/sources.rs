//! Tables, safetensors folders and texts, and everything that can be wrong with them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use fltorrent_crds::{
    experiment::Column,
    plan::{Columns, DataFile, DataPlan, DataSource, Partition},
};
use fltorrent_peer::data::{self, Samples, Split};
use proptest::prelude::*;
use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

fn file(folder: &Path, name: &str) -> DataFile {
    DataFile {
        path: folder.join(name).to_str().unwrap().to_owned(),
        sha256: None,
    }
}

fn plan(source: DataSource, input_shape: &[u32], classes: u32) -> DataPlan {
    DataPlan {
        source,
        input_shape: input_shape.to_vec(),
        classes,
        partition: Partition::Iid,
    }
}

fn columns() -> Columns {
    Columns {
        label: Column::Name("kind".to_owned()),
        header: true,
        divisor: 1.0,
        normalise: false,
    }
}

/// Writes both files and makes the plan of tables with two values a row.
fn tables(folder: &Path, train: &[u8], test: &[u8], columns: Columns) -> DataPlan {
    fs::write(folder.join("train.csv"), train).unwrap();
    fs::write(folder.join("test.csv"), test).unwrap();
    let (train, test) = (file(folder, "train.csv"), file(folder, "test.csv"));
    let source = DataSource::Csv {
        train,
        test,
        columns,
    };
    plan(source, &[2], 3)
}

fn all(plan: &DataPlan, split: Split) -> Result<Samples, data::DataError> {
    let labels = data::labels(plan)?;
    data::load(plan, &labels, split, &[])?;
    let indices: Vec<u32> = (0..labels.of(split).len() as u32).collect();
    data::load(plan, &labels, split, &indices)
}

/// The error of reading all training samples, without the folder's name.
fn fault(folder: &Path, plan: &DataPlan) -> String {
    let error = all(plan, Split::Train).unwrap_err().to_string();
    error.replace(folder.to_str().unwrap(), "FOLDER")
}

const TRAIN: &[u8] = b"a,kind,b\n1.5,0,-2\n\"3\", 2 ,4e2\r\n0,1,0.25\n";

#[test]
fn rows_of_a_table_are_samples() {
    let folder = TempDir::new().unwrap();
    let plan = tables(folder.path(), TRAIN, b"a,kind,b\n7,1,8\n", columns());
    let labels = data::labels(&plan).unwrap();
    assert_eq!(
        (labels.train.as_slice(), labels.test.as_slice()),
        (&[0, 2, 1][..], &[1][..])
    );
    let samples = data::load(&plan, &labels, Split::Train, &[2, 0, 2]).unwrap();
    assert_eq!(samples.labels(), [1, 0, 1]);
    assert_eq!(
        samples.gather(&[0, 1, 2]),
        [0.0, 0.25, 1.5, -2.0, 0.0, 0.25]
    );
    assert_eq!(all(&plan, Split::Train).unwrap().gather(&[1]), [3.0, 400.0]);
    assert_eq!(all(&plan, Split::Test).unwrap().gather(&[0]), [7.0, 8.0]);
}

#[test]
fn tables_are_divided_and_normalised() {
    let folder = TempDir::new().unwrap();
    let divided = Columns {
        label: Column::Number(2),
        header: false,
        divisor: 255.0,
        normalise: false,
    };
    let plan = tables(folder.path(), b"255,51,0\n", b"0,0,1\n", divided);
    assert_eq!(all(&plan, Split::Train).unwrap().gather(&[0]), [1.0, 0.2]);
    let normalised = Columns {
        normalise: true,
        ..columns()
    };
    // Mean 3 and deviation 2 in the first column; the second column never changes.
    let train = b"kind,a,b\n0,1,9\n1,5,9\n";
    let plan = tables(
        folder.path(),
        train,
        b"kind,a,b\n0,3,9\n0,7,10\n",
        normalised,
    );
    assert_eq!(
        all(&plan, Split::Train).unwrap().gather(&[0, 1]),
        [-1.0, 0.0, 1.0, 0.0]
    );
    assert_eq!(
        all(&plan, Split::Test).unwrap().gather(&[0, 1]),
        [0.0, 0.0, 2.0, 1.0]
    );
}

#[test]
fn a_gzipped_table_is_read_by_its_name() {
    let folder = TempDir::new().unwrap();
    let mut plan = tables(folder.path(), TRAIN, b"a,kind,b\n7,1,8\n", columns());
    let plain = all(&plan, Split::Train).unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(TRAIN).unwrap();
    fs::write(
        folder.path().join("train.csv.gz"),
        encoder.finish().unwrap(),
    )
    .unwrap();
    if let DataSource::Csv { train, .. } = &mut plan.source {
        *train = file(folder.path(), "train.csv.gz");
    }
    assert_eq!(all(&plan, Split::Train).unwrap(), plain);
}

#[test]
fn faults_of_tables_name_line_and_column() {
    let folder = TempDir::new().unwrap();
    let long = format!("a,kind,b\n{},0,1\n", "1".repeat(100_000));
    for (train, expected) in [
        (
            &b"a,kind,b\n1,2\n"[..],
            "FOLDER/train.csv, line 2: 2 fields; expected 3, a label and the values of data.csv.inputShape: correct the file or data.csv.inputShape",
        ),
        (
            b"a,kind,b\n1,0,2\n1,3,2\n",
            "FOLDER/train.csv, line 3, column 1: `3`; expected a label, a whole number below data.csv.classes = 3: correct the file, or data.csv",
        ),
        (
            b"a,kind,b\n1,cat,2\n",
            "FOLDER/train.csv, line 2, column 1: `cat`; expected a label, a whole number below data.csv.classes = 3: correct the file, or data.csv",
        ),
        (
            b"a,kind,b\n1,0,\n",
            "FOLDER/train.csv, line 2, column 2: ``; expected a finite number: correct the file, or data.csv",
        ),
        (
            b"a,kind,b\nNaN,0,1\n",
            "FOLDER/train.csv, line 2, column 0: `NaN`; expected a finite number: correct the file, or data.csv",
        ),
        (
            b"a,kind,b\n1,0,1e39\n",
            "FOLDER/train.csv, line 2, column 2: `inf`; expected a number that a 32-bit float can hold: correct the file, or data.csv",
        ),
        (
            b"a,sort,b\n1,0,1\n",
            "FOLDER/train.csv: there is no column kind; the header has a, sort, b: correct data.csv.labelColumn, or write `header: false` and the column's number",
        ),
        (
            b"a,b,c,kind\n1,1,1,0\n",
            "FOLDER/train.csv: the labels are in column 3, but data.csv.inputShape makes rows of 3 fields, 0–2: correct data.csv.labelColumn or data.csv.inputShape",
        ),
        (
            long.as_bytes(),
            "FOLDER/train.csv: cannot be read as CSV: check the file",
        ),
    ] {
        let plan = tables(folder.path(), train, b"a,kind,b\n7,1,8\n", columns());
        assert_eq!(fault(folder.path(), &plan), expected);
    }
    fs::remove_file(folder.path().join("train.csv")).unwrap();
    let mut plan = tables(folder.path(), TRAIN, b"", columns());
    fs::remove_file(folder.path().join("train.csv")).unwrap();
    let absent =
        "FOLDER/train.csv: is not there; correct the path in data or put the file in place";
    assert_eq!(fault(folder.path(), &plan), absent);
    if let DataSource::Csv { train, .. } = &mut plan.source {
        train.sha256 = Some("0".repeat(64));
    }
    assert_eq!(fault(folder.path(), &plan), absent);
    fs::write(folder.path().join("train.csv"), b"abc").unwrap();
    // The SHA-256 of `abc` in FIPS 180-4's example.
    let found = fault(folder.path(), &plan);
    assert!(
        found.contains(
            "is ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad; expected 0000"
        ),
        "{found}"
    );
}

/// A file of tensors by name, type, shape and little-endian content.
fn tensors(path: &Path, list: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let views: Vec<(&str, TensorView<'_>)> = list
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            (
                *name,
                TensorView::new(*dtype, shape.to_vec(), bytes).unwrap(),
            )
        })
        .collect();
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn floats(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// A folder of three training samples of 1×2×2 bytes and two test samples.
fn tensor_folder(folder: &Path) -> DataPlan {
    let labels = [0_i64, 2, 1]
        .iter()
        .flat_map(|label| label.to_le_bytes())
        .collect();
    tensors(
        &folder.join("train.safetensors"),
        &[
            (
                "images",
                Dtype::U8,
                &[3, 1, 2, 2],
                vec![0, 255, 1, 0, 1, 2, 3, 4, 5, 6, 7, 8],
            ),
            ("labels", Dtype::I64, &[3], labels),
        ],
    );
    tensors(
        &folder.join("test.safetensors"),
        &[
            (
                "inputs",
                Dtype::F32,
                &[2, 1, 2, 2],
                floats(&[0.5, -1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]),
            ),
            ("labels", Dtype::U8, &[2], vec![1, 0]),
        ],
    );
    let (train, test) = (
        file(folder, "train.safetensors"),
        file(folder, "test.safetensors"),
    );
    plan(DataSource::Safetensors { train, test }, &[1, 2, 2], 3)
}

#[test]
fn tensors_are_samples() {
    let folder = TempDir::new().unwrap();
    let plan = tensor_folder(folder.path());
    let labels = data::labels(&plan).unwrap();
    let samples = data::load(&plan, &labels, Split::Train, &[2, 0]).unwrap();
    assert_eq!((samples.labels(), samples.input_len()), (&[1, 0][..], 4));
    assert_eq!(samples.gather(&[1]), [0.0, 1.0, 1.0 / 255.0, 0.0]);
    assert_eq!(samples.gather(&[0])[3], 8.0 / 255.0);
    let test = all(&plan, Split::Test).unwrap();
    assert_eq!(
        (test.gather(&[1]), test.labels()),
        (vec![4.0, 5.0, 6.0, 7.0], &[1, 0][..])
    );
    assert!(all(&plan, Split::Train).is_ok());
}

#[test]
fn faults_of_tensors_are_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("train.safetensors");
    let plan = tensor_folder(folder.path());
    let whole = fs::read(&path).unwrap();
    let int = |values: &[i32]| {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let pair = |images: Dtype, shape: &[usize], bytes: Vec<u8>, labels: Vec<u8>| {
        let list = [
            ("images", images, shape, bytes),
            ("labels", Dtype::I32, &[1], labels),
        ];
        tensors(&path, &list);
        fault(folder.path(), &plan)
    };
    let found = pair(Dtype::U8, &[1, 2, 2], vec![0; 4], int(&[0]));
    assert!(found.contains("the shape of the inputs is [1, 2, 2]; expected [1, 1, 2, 2]: the number of labels, then data.safetensors.inputShape"), "{found}");
    let found = pair(Dtype::U8, &[2, 1, 2, 2], vec![0; 8], int(&[0]));
    assert!(
        found.contains("is [2, 1, 2, 2]; expected [1, 1, 2, 2]"),
        "{found}"
    );
    let found = pair(Dtype::F64, &[1, 1, 2, 2], vec![0; 32], int(&[0]));
    assert!(
        found.contains("the type of the inputs is F64; expected U8 or F32"),
        "{found}"
    );
    let found = pair(Dtype::U8, &[1, 1, 2, 2], vec![0; 4], int(&[-1]));
    assert!(
        found.contains(
            "label -1 of sample 0 is not a class; expected less than data.safetensors.classes = 3"
        ),
        "{found}"
    );
    let found = pair(
        Dtype::F32,
        &[1, 1, 2, 2],
        floats(&[0.0, 1.0, f32::NAN, 0.0]),
        int(&[1]),
    );
    assert!(found.contains("sample 0 has the value NaN"), "{found}");
    tensors(&path, &[("labels", Dtype::F32, &[1], floats(&[0.0]))]);
    assert!(
        fault(folder.path(), &plan).contains("the type of labels is F32; expected U8, I32 or I64")
    );
    tensors(&path, &[("labels", Dtype::U8, &[1, 1], vec![0])]);
    assert!(fault(folder.path(), &plan).contains("the shape of labels is [1, 1]; expected [N]"));
    tensors(&path, &[("labels", Dtype::U8, &[1], vec![0])]);
    let found = fault(folder.path(), &plan);
    assert!(
        found.contains("the list of tensors is [labels]; expected one with images or inputs"),
        "{found}"
    );
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    for (bytes, expected) in [
        (
            &whole[..4],
            "its header announces 8 bytes of content, but a file of this size holds at most 4",
        ),
        (
            &whole[..whole.len() - 1],
            "bytes of content, but a file of this size holds at most",
        ),
        (
            &[&whole[..], b"x"].concat(),
            "bytes of content that its header announces; expected an end there",
        ),
        (
            &huge,
            "the length of the header is 18446744073709551615 bytes; expected at most 1048576",
        ),
        (
            b"\x02\0\0\0\0\0\0\0[]",
            "its header is not that of a safetensors file",
        ),
    ] {
        fs::write(&path, bytes).unwrap();
        let found = fault(folder.path(), &plan);
        assert!(found.contains(expected), "{found}");
    }
}

fn text(folder: &Path, content: &[u8], context: u32, test_fraction: f64) -> DataPlan {
    fs::write(folder.join("text"), content).unwrap();
    let source = DataSource::Text {
        file: file(folder, "text"),
        test_fraction,
    };
    plan(source, &[context], 256)
}

#[test]
fn windows_of_a_text_are_samples() {
    let folder = TempDir::new().unwrap();
    // Five windows of three bytes; the last two bytes fill no window.
    let plan = text(folder.path(), b"abcdefghijklmnopq", 3, 0.4);
    let labels = data::labels(&plan).unwrap();
    assert_eq!((labels.train.len(), labels.test.len()), (3, 2));
    let samples = data::load(&plan, &labels, Split::Train, &[2, 0]).unwrap();
    assert_eq!(
        (samples.len(), samples.targets(), samples.input_len()),
        (2, 3, 3)
    );
    assert_eq!(samples.labels(), b"hijbcd");
    assert_eq!(samples.gather(&[0]), b"ghi".map(f32::from));
    let test = all(&plan, Split::Test).unwrap();
    assert_eq!(test.labels(), b"klmnop");
    assert_eq!(test.gather(&[0, 1]), b"jklmno".map(f32::from));
    let hash = data::label_hash(&plan, &labels);
    let other = text(folder.path(), b"abcdefghijklmnopQ", 3, 0.4);
    assert_ne!(
        data::label_hash(&other, &data::labels(&other).unwrap()),
        hash
    );
}

#[test]
fn faults_of_texts_are_named() {
    let folder = TempDir::new().unwrap();
    for (content, expected) in [
        (
            &b"abcdef"[..],
            "FOLDER/text: 6 bytes are not 2 to 16777216 windows of 3 bytes with one byte more: give a longer text, or correct data.text.context",
        ),
        (
            b"",
            "FOLDER/text: 0 bytes are not 2 to 16777216 windows of 3 bytes with one byte more: give a longer text, or correct data.text.context",
        ),
        (
            b"abc\xffdefg",
            "FOLDER/text: is not UTF-8 after about 0 bytes; expected a text in UTF-8: convert it, for example with iconv -t UTF-8",
        ),
    ] {
        let plan = text(folder.path(), content, 3, 0.1);
        assert_eq!(fault(folder.path(), &plan), expected);
    }
    assert!(data::labels(&text(folder.path(), b"abcdefg", 3, 0.1)).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever the bytes, files give an error or samples that the plan allows, and never a panic.
    #[test]
    fn arbitrary_files_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text_like in "([0-9a-z.,\"\n -]{0,80})",
        place in 0_usize..120,
        byte: u8,
    ) {
        let folder = TempDir::new().unwrap();
        for content in [&bytes, text_like.as_bytes()] {
            let numbers = Columns { label: Column::Number(1), header: false, ..columns() };
            let table = tables(folder.path(), content, b"1,2,3\n", numbers);
            let context = text(folder.path(), content, 3, 0.5);
            for plan in [table, context] {
                if let Ok(samples) = all(&plan, Split::Train) {
                    prop_assert!(samples.labels().iter().all(|&label| u32::from(label) < plan.classes));
                    prop_assert!(samples.gather(&(0..samples.len()).collect::<Vec<_>>()).iter().all(|value| value.is_finite()));
                }
            }
        }
        let plan = tensor_folder(folder.path());
        let path = folder.path().join("train.safetensors");
        let mut whole = fs::read(&path).unwrap();
        whole[place] = byte;
        fs::write(&path, &whole).unwrap();
        if let Ok(samples) = all(&plan, Split::Train) {
            prop_assert_eq!(samples.len(), 3);
        }
        fs::write(&path, &bytes).unwrap();
        prop_assert!(all(&plan, Split::Train).is_err());
    }
}
