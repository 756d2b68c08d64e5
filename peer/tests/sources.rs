//! Tables, safetensors folders and texts, and everything that can be wrong with them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]
#![allow(clippy::too_many_lines, reason = "tables of cases")]

use std::{fs, io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use fltorrent_crds::{
    Plan,
    data::{Columns, CsvPlan, DataFile, DataSource, SafetensorsPlan, TextPlan},
    experiment::Column,
    partition::{ByColumn, Partition},
    plan::DataPlan,
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

fn plan(source: impl Into<DataSource>, input_shape: &[u32], classes: u32) -> DataPlan {
    DataPlan {
        source: source.into(),
        input_shape: input_shape.to_vec(),
        classes,
        partition: Partition::default(),
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
    let source = CsvPlan { train, test, columns };
    plan(source, &[2], 3)
}

fn all(plan: &DataPlan, split: Split) -> Result<Samples, data::DataError> {
    let labels = data::labels(plan)?;
    data::check(plan, &labels)?;
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
    assert_eq!(samples.gather(&[0, 1, 2]), [0.0, 0.25, 1.5, -2.0, 0.0, 0.25]);
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
    let plan = tables(folder.path(), train, b"kind,a,b\n0,3,9\n0,7,10\n", normalised);
    assert_eq!(all(&plan, Split::Train).unwrap().gather(&[0, 1]), [-1.0, 0.0, 1.0, 0.0]);
    assert_eq!(all(&plan, Split::Test).unwrap().gather(&[0, 1]), [0.0, 0.0, 2.0, 1.0]);
}

/// The tables of two sites, and how they are divided by `column`.
fn sites(folder: &Path, train: &[u8], column: Column) -> DataPlan {
    let partition = Partition::from(ByColumn { column });
    DataPlan {
        partition,
        ..tables(folder, train, b"site,a,kind,b\n,7,1,8\n", columns())
    }
}

#[test]
fn the_partitions_column_says_whose_a_row_is_and_is_no_input() {
    let folder = TempDir::new().unwrap();
    let train = b"site,a,kind,b\nx,1,0,2\nw,3,1,4\nx,5,2,6\n";
    let by_name = sites(folder.path(), train, Column::Name("site".to_owned()));
    let by_number = sites(folder.path(), train, Column::Number(0));
    for plan in [&by_name, &by_number] {
        let samples = all(plan, Split::Train).unwrap();
        assert_eq!(samples.labels(), [0, 1, 2]);
        assert_eq!(samples.gather(&[0, 1, 2]), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(all(plan, Split::Test).unwrap().gather(&[0]), [7.0, 8.0]);
    }
    let mut whole = Plan::load(include_str!("../../examples/quickstart.yaml"), &[]).unwrap();
    whole.peers.truncate(2);
    whole.data = by_name;
    assert_eq!(data::divide(&whole).unwrap().shards, [vec![1], vec![0, 2]]);
    whole.peers.truncate(1);
    let error = data::divide(&whole).unwrap_err().to_string();
    assert!(
        error.contains("site has 2 different values (`x`, `w`) for 1 peers"),
        "{error}"
    );
    // Peers whose rows belong to others do not exchange.
    let swapped = b"site,a,kind,b\nw,1,0,2\nx,3,1,4\nx,5,2,6\n";
    let hash = |plan: &DataPlan| data::label_hash(plan, &data::labels(plan).unwrap());
    let before = hash(&by_number);
    assert_ne!(hash(&sites(folder.path(), swapped, Column::Number(0))), before);
}

#[test]
fn faults_of_the_partitions_column_are_told() {
    let folder = TempDir::new().unwrap();
    let named = |name: &str| Column::Name(name.to_owned());
    for (train, column, expected) in [
        (
            &b"site,a,kind,b\n ,1,0,2\n"[..],
            named("site"),
            "FOLDER/train.csv, line 2, column `site`: ``; expected whose the row is, as data.partition wants, in at most 256 bytes: a value is missing",
        ),
        (
            b"site,a,kind,b\nx,1,0,2\n",
            named("clinic"),
            "FOLDER/train.csv: there is no column clinic; the header has site, a, kind, b: correct data.partition, or",
        ),
        (
            b"site,a,kind,b\nx,1,0,2\n",
            Column::Number(2),
            "FOLDER/train.csv, line 1: column 2 (counted from 0) has the labels; expected another one for data.partition",
        ),
        (
            b"site,a,kind,b\nx,1,0,2\n",
            Column::Number(4),
            "FOLDER/train.csv: the names of peers are in column 4, but data.csv.inputShape makes rows of 4 fields, 0–3: correct data.partition or",
        ),
        (
            b"site,a,kind\nx,1,0\n",
            named("site"),
            "FOLDER/train.csv, line 1: 3 fields; expected 4, a label, the column of data.partition and the values of data.csv.inputShape",
        ),
    ] {
        let found = fault(folder.path(), &sites(folder.path(), train, column));
        assert!(found.starts_with(expected), "{found}");
    }
    // A peer's name in a first row does not make it one of names.
    let label = Column::Number(2);
    let headless = DataPlan {
        partition: Partition::from(ByColumn {
            column: Column::Number(0),
        }),
        ..tables(
            folder.path(),
            b"w,1,0,2\nx,3,1,4\n",
            b"w,7,1,8\n",
            Columns { label, ..columns() },
        )
    };
    let found = fault(folder.path(), &headless);
    let expected = "FOLDER/train.csv, line 1: the first row has only numbers (w, 1, 0, 2) and looks like a sample";
    assert!(found.starts_with(expected), "{found}");
    let long = ["site,a,kind,b\n", &"x".repeat(257), ",1,0,2\n"].concat();
    let found = fault(folder.path(), &sites(folder.path(), long.as_bytes(), named("site")));
    assert!(found.contains("`257 bytes`; expected whose the row is"), "{found}");
}

#[test]
fn a_gzipped_table_is_read_by_its_name() {
    let folder = TempDir::new().unwrap();
    let mut plan = tables(folder.path(), TRAIN, b"a,kind,b\n7,1,8\n", columns());
    let plain = all(&plan, Split::Train).unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(TRAIN).unwrap();
    fs::write(folder.path().join("train.csv.gz"), encoder.finish().unwrap()).unwrap();
    if let DataSource::Csv(CsvPlan { train, .. }) = &mut plan.source {
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
            "FOLDER/train.csv, line 3, column `kind`: `3`; expected a label, a whole number below data.csv.classes = 3: correct data.csv.classes, or the file",
        ),
        (
            b"a,kind,b\n1,cat,2\n",
            "FOLDER/train.csv, line 2, column `kind`: `cat`; expected a label, a whole number below data.csv.classes = 3: replace words by numbers from 0, for example with pandas' factorize, or correct data.csv.labelColumn",
        ),
        (
            b"a,kind,b\n1,0,\n",
            "FOLDER/train.csv, line 2, column `b`: ``; expected a finite number: a value is missing: fill it in, or leave the row out",
        ),
        (
            b"a,kind,b\nNaN,0,1\n",
            "FOLDER/train.csv, line 2, column `a`: `NaN`; expected a finite number: a value is missing: fill it in, or leave the row out",
        ),
        (
            b"a,kind,b\n1,0,1e39\n",
            "FOLDER/train.csv, line 2, column `b`: `1e39`; expected a number that a 32-bit float can hold: correct the file, or data.csv",
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
            "FOLDER/train.csv, line 2: the row has more than 65664 bytes; expected a label and the values of data.csv.inputShape: correct the file or data.csv.inputShape",
        ),
    ] {
        let plan = tables(folder.path(), train, b"a,kind,b\n7,1,8\n", columns());
        assert_eq!(fault(folder.path(), &plan), expected);
    }
    fs::remove_file(folder.path().join("train.csv")).unwrap();
    let mut plan = tables(folder.path(), TRAIN, b"", columns());
    fs::remove_file(folder.path().join("train.csv")).unwrap();
    let absent = "FOLDER/train.csv: is not there; correct the path in data or put the file in place";
    assert_eq!(fault(folder.path(), &plan), absent);
    if let DataSource::Csv(CsvPlan { train, .. }) = &mut plan.source {
        train.sha256 = Some("0".repeat(64));
    }
    assert_eq!(fault(folder.path(), &plan), absent);
    fs::write(folder.path().join("train.csv"), b"abc").unwrap();
    // The SHA-256 of `abc` in FIPS 180-4's example.
    let found = fault(folder.path(), &plan);
    assert!(
        found.contains("is ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad; expected 0000"),
        "{found}"
    );
}

/// The error of reading all training samples of a table.
fn fault_of(train: &[u8], columns: Columns) -> String {
    let folder = TempDir::new().unwrap();
    let test: &[u8] = match columns.header {
        true => b"a,kind,b\n7,1,8\n",
        false => b"7,1,8\n",
    };
    let plan = tables(folder.path(), train, test, columns);
    fault(folder.path(), &plan)
}

fn numbered(label: u32, header: bool) -> Columns {
    Columns {
        label: Column::Number(label),
        header,
        ..columns()
    }
}

#[test]
fn the_line_of_a_fault_is_that_of_an_editor() {
    let header = "a,kind,b\n";
    for (train, columns, place) in [
        (
            "a,kind,b\n1,0,2\n\n\n\noops,1,3\n".to_owned(),
            columns(),
            "line 6, column `a`",
        ),
        (
            "\r\na,kind,b\r\n\r\n1,0,oops".to_owned(),
            columns(),
            "line 4, column `b`",
        ),
        (
            format!("\u{feff}{header}\"1\n\",0,oops"),
            columns(),
            "line 3, column `b`",
        ),
        (
            format!("{header}\"1\n\n\",0,2\n1,7,2\n"),
            columns(),
            "line 5, column `kind`",
        ),
        (format!("{header}1,0,2\n1,0,2,3\n"), columns(), "line 3: 4 fields"),
        (
            "1,0,2\n\noops,0,2\n".to_owned(),
            numbered(1, false),
            "line 3, column 0 (counted from 0)",
        ),
    ] {
        let found = fault_of(train.as_bytes(), columns);
        assert!(
            found.starts_with(&format!("FOLDER/train.csv, {place}")),
            "{train:?}: {found}"
        );
    }
}

#[test]
fn a_quote_that_is_not_closed_is_named() {
    let rows: String = (0..9).map(|row| format!("{row},0,1\n")).collect();
    let found = fault_of(format!("a,kind,b\n{rows}9,1,\"9.5\n").as_bytes(), columns());
    assert!(
        found.starts_with("FOLDER/train.csv: the quote that opens in line 11 is not closed"),
        "{found}"
    );
    let found = fault_of(format!("a,kind,b\n9,1,\"9.5\n{rows}{rows}").as_bytes(), columns());
    assert!(
        found.starts_with("FOLDER/train.csv: the quote that opens in line 2 is not closed"),
        "{found}"
    );
    // Another quote closes it far below.
    let found = fault_of(format!("a,kind,b\n9,\"1,9.5\n{rows}1,\"0\",1\n").as_bytes(), columns());
    assert!(found.contains("a quote in line 2 closes only in line 12"), "{found}");
}

#[test]
fn a_first_row_is_what_the_manifest_takes_it_for() {
    for (train, columns, expected) in [
        (
            "0,0,0\n1,1,1\n",
            numbered(0, true),
            "line 1: the first row has only numbers (0, 0, 0) and looks like a sample; expected the names of the columns: write `header: false`",
        ),
        ("5.1,0,3.5\n", numbered(1, true), "looks like a sample"),
        ("5.1,cat,3.5\n", numbered(1, true), "looks like a sample"),
        // A missing value is none of the names of columns.
        ("0,nan,1.5\n", numbered(0, true), "looks like a sample"),
        ("1.5,,1\n", numbered(2, true), "looks like a sample"),
        ("0.5,1.5,2.5\n", numbered(0, true), "looks like a sample"),
        ("5,6,7\n", numbered(0, true), "looks like a sample"),
        (
            "",
            columns(),
            "train.csv: the number of rows is 0; expected the names of the columns and a row a sample",
        ),
        (
            "a,b,kind\n1,2,0\n",
            numbered(2, false),
            "line 1: the first row has no number (a, b, kind) and looks like names of columns; expected a sample, since data.csv.header is false: write `header: true`",
        ),
        (
            "a,kind,a\n1,0,1\n",
            columns(),
            "line 1: columns 0 and 2, counted from 0, are both named `a`",
        ),
        (
            "kind,kind,a\n1,0,1\n",
            columns(),
            "line 1: columns 0 and 1, counted from 0, are both named `kind`",
        ),
        (
            "sep=;\na;kind;b\n",
            columns(),
            "line 1: `sep=`, which only Excel understands",
        ),
        (
            "sep=,\n1,0,1\n",
            numbered(1, false),
            "line 1: `sep=`, which only Excel understands",
        ),
        (
            "a;kind;b\n1;0;1\n",
            columns(),
            "there is no column kind; the header has a;kind;b: its fields seem to be separated by semicolons",
        ),
        (
            "a\tkind\tb\n",
            numbered(1, true),
            "line 1: 1 fields; expected 3, a label and the values of data.csv.inputShape: its fields seem to be separated by tabs",
        ),
        (
            "1;0,5;2,5\n",
            numbered(0, false),
            "its fields seem to be separated by semicolons",
        ),
        (
            "\"0,5\",1,2\n",
            numbered(1, false),
            "`0,5`; expected a finite number: it seems to have a decimal comma",
        ),
        (
            "\"1,000\",1,2\n",
            numbered(1, false),
            "`1,000`; expected a finite number: is its comma one for decimals, or for thousands?",
        ),
        (
            ",a,kind,b\n0,1,0,2\n",
            columns(),
            "the first column is the index of a pandas table",
        ),
        ("1,0,2,\n", numbered(1, false), "remove the comma at the end of the row"),
    ] {
        let found = fault_of(train.as_bytes(), columns);
        assert!(found.contains(expected), "{train:?}: {found}");
    }
    // By such names pandas and people call columns.
    let folder = TempDir::new().unwrap();
    for (names, columns) in [
        ("0,1,2", numbered(1, true)),
        ("1,2,3", numbered(1, true)),
        (",1990,2000", numbered(0, true)),
        ("kind,400.5,401", numbered(0, true)),
        ("1990,kind,2000", columns()),
        ("1990,kind,2000", numbered(1, true)),
        (",kind,", columns()),
    ] {
        let file = format!("{names}\n1,0,2\n");
        let plan = tables(folder.path(), file.as_bytes(), file.as_bytes(), columns);
        assert_eq!(all(&plan, Split::Train).unwrap().len(), 1, "{names}");
    }
    let plan = tables(folder.path(), b"a,kind,b\n1,0,2\n", b"b,kind,a\n1,0,2\n", columns());
    let found = fault(folder.path(), &plan);
    let german = tables(
        folder.path(),
        "größe,kind,b\n1,0,2\n".as_bytes(),
        b"gr\xf6\xdfe,kind,b\n1,0,2\n",
        columns(),
    );
    let not_utf8 = fault(folder.path(), &german);
    assert!(
        not_utf8.starts_with(r"FOLDER/test.csv, line 1: column 0, counted from 0, is `gr\xf6\xdfe`, which is not UTF-8; expected a table in UTF-8: convert it, for example with `iconv"),
        "{not_utf8}"
    );
    assert!(
        found.starts_with("FOLDER/test.csv, line 1: column 0, counted from 0, is `b`; expected the inputs of the training file in its order: it has `a` there"),
        "{found}"
    );
}

#[test]
fn the_label_may_be_in_another_column_of_the_test_file_but_inputs_have_their_order() {
    let folder = TempDir::new().unwrap();
    let of = |train: &str, test: &str, columns| tables(folder.path(), train.as_bytes(), test.as_bytes(), columns);
    let plan = of("kind,a,b\n2,1,0\n", "a,b,kind\n7,8,1\n", columns());
    let test = all(&plan, Split::Test).unwrap();
    assert_eq!((test.labels(), test.gather(&[0])), (&[1][..], vec![7.0, 8.0]));
    // What the label is called matters to nobody who says its number.
    let plan = of("kind,a,b\n2,1,0\n", "sort,a,b\n1,7,8\n", numbered(0, true));
    assert_eq!(all(&plan, Split::Test).unwrap().gather(&[0]), [7.0, 8.0]);
    // Names that begin alike are not the same.
    let long = "the mean of everything that was measured at place ";
    let head = |first, second| format!("kind,{long}{first},{long}{second}\n0,1,2\n");
    let plan = of(&head("één", "été"), &head("été", "één"), columns());
    let found = fault(folder.path(), &plan);
    assert!(
        found.contains("column 1, counted from 0, is `…place été`; expected the inputs")
            && found.contains("it has `…place één` there"),
        "{found}"
    );
}

#[test]
fn both_parts_are_what_each_is_by_itself() {
    let folder = TempDir::new().unwrap();
    let normalised = Columns {
        normalise: true,
        ..columns()
    };
    let plan = tables(folder.path(), TRAIN, b"a,kind,b\n7,1,8\n", normalised);
    let labels = data::labels(&plan).unwrap();
    let of = |split, indices: &[u32]| data::load(&plan, &labels, split, indices).unwrap();
    let parts = data::load_parts(&plan, &labels, &[2, 0], &[0]).unwrap();
    assert_eq!(parts, (of(Split::Train, &[2, 0]), of(Split::Test, &[0])));
}

#[test]
fn labels_are_numbers_from_0_however_they_are_written() {
    let folder = TempDir::new().unwrap();
    let train = b"a,kind,b\n1,0.0,2\n1,2.,2\n1,1e0,2\n";
    let plan = tables(folder.path(), train, b"a,kind,b\n1,0,2\n", columns());
    assert_eq!(data::labels(&plan).unwrap().train, [0, 2, 1]);
    for (labels, expected) in [
        (
            "1 2 3",
            "`3`; expected a label, a whole number below data.csv.classes = 3: labels seem to count from 1: subtract 1 from each",
        ),
        ("0 1 3", ": correct data.csv.classes, or the file"),
        ("1 -1", ": number the classes from 0"),
        (
            "0 0.5",
            ": correct data.csv.labelColumn, if another column has the labels",
        ),
        ("0 ?", ": a label is missing"),
        ("0 yes", ": replace words by numbers from 0"),
    ] {
        let rows: String = labels.split(' ').map(|label| format!("1,{label},2\n")).collect();
        let found = fault_of(format!("a,kind,b\n{rows}").as_bytes(), columns());
        assert!(found.contains(expected), "{labels}: {found}");
    }
}

#[test]
fn what_a_file_says_is_shown_without_control_characters() {
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    for train in [
        format!("a,kind,b\n1,0,{hostile}\n"),
        format!("a,kind,b\n1,{hostile},1\n"),
        format!("a,kind,{hostile}\n1,0,x\n"),
        format!("a,{hostile},b\n1,0,1\n"),
        format!("{hostile},kind,{hostile}\n1,0,1\n"),
        format!("a,kind,b\n1,0,\"1\n{hostile}\"\n"),
    ] {
        let found = fault_of(train.as_bytes(), columns());
        assert!(!found.contains(|c: char| c.is_control()), "{found:?}");
        assert!(found.contains("\\u001b]0;owned\\u0007"), "{found:?}");
    }
}

#[test]
fn files_of_another_kind_are_told_as_such() {
    let folder = TempDir::new().unwrap();
    let table = tables(folder.path(), TRAIN, TRAIN, columns());
    let tensor = tensor_folder(folder.path());
    let windows = text(folder.path(), b"abcdefghijk", 2, 0.5);
    let utf16: Vec<u8> = "a,kind,b\n1,0,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, name) in [
        (
            &b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 12345\n"[..],
            "a pointer of Git LFS",
        ),
        (
            b"PK\x03\x04\x14\0archive/data.pkl\0\0\0",
            "a model or tensors as PyTorch saves them",
        ),
        (b"\x80\x04\x95\0\0\0\0\0\0\0\0}\x94.", "a pickle of Python"),
        (&utf16, "UTF-16"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\0", "gzip"),
    ] {
        for (file, plan) in [
            ("train.csv", &table),
            ("train.safetensors", &tensor),
            ("text", &windows),
        ] {
            fs::write(folder.path().join(file), bytes).unwrap();
            let found = fault(folder.path(), plan);
            assert!(found.starts_with(&format!("FOLDER/{file}: is {name}")), "{found}");
        }
    }
    let mut zipped = table;
    if let DataSource::Csv(CsvPlan { train, .. }) = &mut zipped.source {
        *train = file(folder.path(), "train.csv.gz");
    }
    fs::write(folder.path().join("train.csv.gz"), TRAIN).unwrap();
    assert!(fault(folder.path(), &zipped).starts_with("FOLDER/train.csv.gz: is not gzip, though its name ends in .gz"));
}

#[test]
fn large_values_are_seen_as_the_model_sees_them() {
    let folder = TempDir::new().unwrap();
    let train = b"time,kind,b\n1600000000,0,-2\n1700000000,1,3\n";
    let spans = |columns| {
        let plan = tables(folder.path(), train, b"time,kind,b\n1,0,1\n", columns);
        let labels = data::labels(&plan).unwrap();
        data::check(&plan, &labels).unwrap()
    };
    let raw = spans(columns());
    assert_eq!(
        (raw[0].name.as_str(), raw[0].least, raw[0].greatest),
        ("column `time`", 1.6e9, 1.7e9)
    );
    assert_eq!(
        (raw[1].name.as_str(), raw[1].least, raw[1].greatest),
        ("column `b`", -2.0, 3.0)
    );
    let normalised = spans(Columns {
        normalise: true,
        ..columns()
    });
    assert_eq!((normalised[0].least, normalised[0].greatest), (-1.0, 1.0));
}

/// A file of tensors by name, type, shape and little-endian content.
fn tensors(path: &Path, list: &[(&str, Dtype, &[usize], Vec<u8>)]) {
    let views: Vec<(&str, TensorView<'_>)> = list
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()))
        .collect();
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// A folder of three training samples of 1×2×2 bytes and two test samples.
fn tensor_folder(folder: &Path) -> DataPlan {
    let labels = [0_i64, 2, 1].iter().flat_map(|label| label.to_le_bytes()).collect();
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
    let (train, test) = (file(folder, "train.safetensors"), file(folder, "test.safetensors"));
    plan(SafetensorsPlan { train, test }, &[1, 2, 2], 3)
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
    let int = |values: &[i32]| values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let pair = |images: Dtype, shape: &[usize], bytes: Vec<u8>, labels: Vec<u8>| {
        let list = [("images", images, shape, bytes), ("labels", Dtype::I32, &[1], labels)];
        tensors(&path, &list);
        fault(folder.path(), &plan)
    };
    let found = pair(Dtype::U8, &[1, 2, 2], vec![0; 4], int(&[0]));
    assert!(found.contains("the shape of the inputs is [1, 2, 2]; expected [1, 1, 2, 2]: the number of labels, then data.safetensors.inputShape"), "{found}");
    let found = pair(Dtype::U8, &[2, 1, 2, 2], vec![0; 8], int(&[0]));
    assert!(found.contains("is [2, 1, 2, 2]; expected [1, 1, 2, 2]"), "{found}");
    let found = pair(Dtype::F64, &[1, 1, 2, 2], vec![0; 32], int(&[0]));
    assert!(
        found.contains(
            "the type of the inputs is F64; expected U8 or F32: write them as such: inputs.astype(numpy.float32)"
        ),
        "{found}"
    );
    let found = pair(Dtype::U8, &[1, 1, 2, 2], vec![0; 4], int(&[-1]));
    assert!(
        found.contains("label -1 of sample 0 is not a class; expected less than data.safetensors.classes = 3"),
        "{found}"
    );
    let found = pair(Dtype::F32, &[1, 1, 2, 2], floats(&[0.0, 1.0, f32::NAN, 0.0]), int(&[1]));
    assert!(found.contains("sample 0 has the value NaN"), "{found}");
    tensors(&path, &[("labels", Dtype::F32, &[1], floats(&[0.0]))]);
    assert!(fault(folder.path(), &plan).contains(
        "the type of labels is F32; expected U8, I32, I64 or another one of whole numbers: write them as such"
    ));
    tensors(&path, &[("labels", Dtype::U8, &[1, 1], vec![0])]);
    assert!(fault(folder.path(), &plan).contains("the shape of labels is [1, 1]; expected [N]"));
    tensors(&path, &[("labels", Dtype::U8, &[1], vec![0])]);
    let found = fault(folder.path(), &plan);
    assert!(
        found.contains("the list of tensors is [labels]; expected one with images or inputs"),
        "{found}"
    );
    let flat = pair(Dtype::U8, &[1, 4], vec![0; 4], int(&[0]));
    assert!(
        flat.ends_with("write data.safetensors.inputShape: [4], or reshape the inputs"),
        "{flat}"
    );
    let last = pair(Dtype::U8, &[1, 2, 2, 1], vec![0; 4], int(&[0]));
    assert!(
        last.ends_with("put the channels first: transpose(0, 3, 1, 2), or permute(0, 3, 1, 2)"),
        "{last}"
    );
    let from_1 = pair(Dtype::U8, &[1, 1, 2, 2], vec![0; 4], int(&[3]));
    assert!(
        from_1.ends_with("labels seem to count from 1: subtract 1 from each"),
        "{from_1}"
    );
    tensors(&path, &[("\u{1b}[2J", Dtype::U8, &[1], vec![0])]);
    let found = fault(folder.path(), &plan);
    assert!(found.contains("the list of tensors is [\\u001b[2J]"), "{found}");
    let largest = ("labels", Dtype::U64, &[1][..], vec![255; 8]);
    tensors(&path, &[("images", Dtype::U8, &[1, 1, 2, 2], vec![0; 4]), largest]);
    let found = fault(folder.path(), &plan);
    assert!(found.contains("label 18446744073709551615 of sample 0"), "{found}");
    for (dtype, label) in [
        (Dtype::U16, vec![2, 0]),
        (Dtype::I8, vec![2]),
        (Dtype::U64, vec![2, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let images = ("images", Dtype::U8, &[1, 1, 2, 2][..], vec![0; 4]);
        tensors(&path, &[images, ("labels", dtype, &[1], label)]);
        assert_eq!(data::labels(&plan).unwrap().train, [2]);
    }
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    for (bytes, expected) in [
        (
            &whole[..4],
            "ends after 4 bytes of content; expected 8: fetch the file again",
        ),
        (
            &whole[..whole.len() - 1],
            "expected an intact copy: fetch the file again",
        ),
        (
            &[&whole[..], b"x"].concat(),
            "bytes of content that its header announces; expected an end there",
        ),
        (
            &huge,
            "the length of the header is 18446744073709551615 bytes; expected at most 1048576",
        ),
        (b"\x02\0\0\0\0\0\0\0[]", "its header is not that of a safetensors file"),
    ] {
        fs::write(&path, bytes).unwrap();
        let found = fault(folder.path(), &plan);
        assert!(found.contains(expected), "{found}");
    }
}

fn text(folder: &Path, content: &[u8], context: u32, test_fraction: f64) -> DataPlan {
    fs::write(folder.join("text"), content).unwrap();
    let source = TextPlan {
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
    assert_eq!((samples.len(), samples.targets(), samples.input_len()), (2, 3, 3));
    assert_eq!(samples.labels(), b"hijbcd");
    assert_eq!(samples.gather(&[0]), b"ghi".map(f32::from));
    let test = all(&plan, Split::Test).unwrap();
    assert_eq!(test.labels(), b"klmnop");
    assert_eq!(test.gather(&[0, 1]), b"jklmno".map(f32::from));
    let hash = data::label_hash(&plan, &labels);
    let other = text(folder.path(), b"abcdefghijklmnopQ", 3, 0.4);
    assert_ne!(data::label_hash(&other, &data::labels(&other).unwrap()), hash);
}

#[test]
fn a_byte_order_mark_is_not_learnt() {
    let folder = TempDir::new().unwrap();
    let plan = text(folder.path(), "\u{feff}abcdefghijklmnopq".as_bytes(), 3, 0.4);
    let marked = (data::labels(&plan).unwrap(), all(&plan, Split::Train).unwrap());
    let plan = text(folder.path(), b"abcdefghijklmnopq", 3, 0.4);
    assert_eq!(
        marked,
        (data::labels(&plan).unwrap(), all(&plan, Split::Train).unwrap())
    );
    // Offsets are those of the file.
    let plan = text(folder.path(), b"\xef\xbb\xbfab\n\ncd\xffefg", 3, 0.4);
    let found = fault(folder.path(), &plan);
    assert!(
        found.starts_with("FOLDER/text: the byte at offset 9, in line 3, is not UTF-8"),
        "{found}"
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
            "FOLDER/text: the byte at offset 3, in line 1, is not UTF-8; expected a text in UTF-8: convert it, for example with `iconv -f WINDOWS-1252 -t UTF-8`",
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
