//! The report of a run: in a real browser, from damaged files, from several folders, and of runs side by side.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    chromium::Chromium,
    support::{Endless, example, fltorrent, read_json, run, stderr, stdout},
};

const SHORT: [&str; 2] = ["groups[0].count=5", "training.rounds=3"];
/// The plots of every run with more than one round.
const PLOTS: [&str; 16] = [
    "accuracy-by-round",
    "loss-by-round",
    "accuracy-by-bytes",
    "loss-by-bytes",
    "accuracy-by-seconds",
    "loss-by-seconds",
    "accuracy-by-class",
    "time-of-a-round",
    "bytes-by-peer",
    "completion-1",
    "completion-3",
    "availability",
    "topology",
    "last-update",
    "last-complete",
    "bottlenecks",
];

fn short_run(folder: &Path, sets: &[&str]) {
    let sets: Vec<&str> = SHORT.into_iter().chain(sets.iter().copied()).collect();
    let output = run("quickstart.yaml", folder, &sets).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let page = folder.join("report.html");
    assert!(stdout(&output).contains(&format!("report    {}", page.display())));
    assert!(page.is_file());
}

fn report(folders: &[&Path], out: &Path) -> std::process::Output {
    let mut command = fltorrent(&["report"]);
    command.args(folders).arg("--out").arg(out).output().unwrap()
}

#[test]
fn the_page_works_in_a_browser_without_a_complaint() {
    let folder = tempfile::tempdir().unwrap();
    // What a manifest brings along is text, whatever it looks like.
    let hostile = "output.directory=</style><script>console.error(1)</script><img src=x>";
    short_run(folder.path(), &[hostile]);
    let histogram = json!({"classes": 10, "peers": [[1, 0, 3, 0, 0, 0, 0, 0, 0, 9], [5], [5], [5], [7]]});
    let path = folder.path().join("histogram.json");
    if !path.exists() {
        fs::write(path, histogram.to_string()).unwrap();
    }
    let page = folder.path().join("report.html");
    assert!(report(&[folder.path()], &page).status.success());

    let mut browser = Chromium::open(&page, 1280, 900);
    // Every plot has marks that are really drawn, a name and a description.
    let plots = browser.value(
        "Object.fromEntries([...document.querySelectorAll('figure svg')].map(svg => [svg.closest('figure').id, {
            marks: [...svg.querySelectorAll('.mark')].filter(mark => { const box = mark.getBBox(); return box.width + box.height > 0 }).length,
            named: svg.getAttribute('aria-labelledby').split(' ').every(id => document.getElementById(id).textContent.length > 3),
            rows: svg.closest('figure').querySelectorAll('tbody tr').length,
            inside: [...svg.querySelectorAll('text')].every(text => {
                const box = text.getBBox(), view = svg.viewBox.baseVal;
                return box.x >= -1 && box.x + box.width <= view.width + 1 && box.y >= -1 && box.y + box.height <= view.height + 1 }),
         }]))",
    );
    let plots = plots.as_object().unwrap();
    for plot in PLOTS.iter().chain(&["histogram"]) {
        let facts = &plots[*plot];
        assert!(facts["marks"].as_u64().unwrap() > 0, "{plot}: {facts}");
        assert!(facts["rows"].as_u64().unwrap() > 0, "{plot}: {facts}");
        assert_eq!(facts["named"], true, "{plot}");
        assert_eq!(facts["inside"], true, "{plot}: a text is cut");
    }
    assert_eq!(plots.len(), PLOTS.len() + 1, "{plots:?}");
    let twice = "(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))";
    assert_eq!(browser.value(twice), 0);
    assert_eq!(browser.value("document.scripts.length + document.images.length"), 0);
    assert!(
        browser
            .value("document.body.innerText.includes('<script>console.error(1)')")
            .as_bool()
            .unwrap()
    );

    // The keyboard reaches the tables and opens them, and one sees where one is.
    let focus = "document.activeElement.tagName + ' ' + getComputedStyle(document.activeElement).outlineStyle";
    let mut reached = Vec::new();
    for _ in 0..12 {
        browser.press("Tab", 9, "");
        reached.push(browser.value(focus).as_str().unwrap().to_owned());
        if reached.last().unwrap().starts_with("SUMMARY") {
            break;
        }
    }
    assert_eq!(reached.last().unwrap(), "SUMMARY solid", "{reached:?}");
    assert!(reached.iter().any(|element| element == "A solid"), "{reached:?}");
    browser.press("Enter", 13, "\r");
    assert_eq!(browser.value("document.activeElement.parentElement.open"), true);

    // It fits a phone, and prints.
    browser.resize(390, 844);
    assert_eq!(browser.value("document.documentElement.scrollWidth <= 390"), true);
    let pdf = browser.send("Page.printToPDF", json!({}));
    let pdf = pdf["data"].as_str().unwrap();
    assert!(pdf.starts_with("JVBERi0"), "no PDF");
    assert!(pdf.len() > 50_000, "{} characters", pdf.len());

    // Dark and light differ.
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(ground);
    let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
    browser.send("Emulation.setEmulatedMedia", dark);
    assert_ne!(browser.value(ground), light);
    assert_eq!(browser.complaints(), [] as [String; 0]);
}

#[test]
fn a_stopped_run_has_a_report_too() {
    let mut endless = Endless::start(3);
    endless.wait_for("round");
    endless.signal(Signal::INT);
    let (_, folder) = endless.end();
    let page = fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("Stopped after"), "{page}");
}

/// A results folder with some of the peers of another one.
fn part(of: &Path, peers: &[u32], into: &Path) {
    fs::create_dir_all(into.join("peers")).unwrap();
    for file in ["manifest.yaml", "plan.json", "histogram.json", "summary.json"] {
        fs::copy(of.join(file), into.join(file)).unwrap();
    }
    for peer in peers {
        let file = format!("peers/peer-{peer}.jsonl");
        fs::copy(of.join(&file), into.join(&file)).unwrap();
    }
}

/// The part of the page between head and manifest: all figures, without names of folders.
fn figures(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let (from, to) = ("<section id=\"learning\"", "<section id=\"manifest\"");
    text[text.find(from).unwrap()..text.find(to).unwrap()].to_owned()
}

#[test]
fn folders_of_several_machines_make_one_report_and_others_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { root.path().join(name) };
    short_run(&path("whole"), &[]);
    part(&path("whole"), &[0, 1, 2], &path("a"));
    part(&path("whole"), &[2, 3, 4], &path("b"));
    let out = path("merged.html");

    // Peer 2 is in both, with the same figures: it counts once.
    let output = report(&[&path("a"), &path("b")], &out);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("Peer 2 is present twice"),
        "{}",
        stderr(&output)
    );
    assert_eq!(figures(&out), figures(&path("whole/report.html")));

    let output = report(&[&path("a")], &out);
    assert!(
        stderr(&output).contains("The metrics of 2 of 5 peers are missing"),
        "{}",
        stderr(&output)
    );

    let metrics = path("b/peers/peer-2.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, &text[..text.len() / 2]).unwrap();
    let output = report(&[&path("a"), &path("b")], &out);
    assert_eq!(output.status.code(), Some(1));
    let errors = stderr(&output);
    assert!(
        errors.contains("peer 2 is in") && errors.contains("different figures"),
        "{errors}"
    );

    short_run(&path("other"), &["seed=7"]);
    short_run(&path("again"), &[]);
    for (other, what) in [("other", "plan hash"), ("again", "run id")] {
        let errors = stderr(&report(&[&path("a"), &path(other)], &out));
        assert!(errors.contains("different runs") && errors.contains(what), "{errors}");
    }
    let errors = stderr(&report(&[&path("nothing")], &out));
    assert!(
        errors.contains("nothing") && errors.contains("results folder"),
        "{errors}"
    );
}

#[test]
fn cut_and_damaged_lines_are_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    short_run(folder.path(), &[]);
    let metrics = folder.path().join("peers/peer-1.jsonl");
    let text = fs::read_to_string(&metrics).unwrap();
    let cut = &text[..text.len() - 40];
    let impossible = "{\"event\":\"exchange\",\"time\":1,\"round\":0,\"completion\":[[1e300,1]],\"flows\":[],\"origins\":[[77,0]],\"cause\":\"all chunks of all peers\"}";
    let later = "{\"event\":\"of a later version\",\"time\":1}";
    fs::write(&metrics, format!("\0\u{7f}{{\n{impossible}\n{later}\n{cut}")).unwrap();
    let page = folder.path().join("report.html");
    let output = report(&[folder.path()], &page);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("3 unreadable lines in the metrics of peer 1"),
        "{}",
        stderr(&output)
    );
    let text = fs::read_to_string(&page).unwrap();
    for plot in PLOTS.iter().filter(|plot| **plot != "completion-3") {
        assert!(text.contains(&format!("<figure id=\"{plot}\"")), "{plot}");
    }
    assert!(!text.contains("NaN") && !text.contains("inf "));
}

/// Metrics as 50 peers write them in 1,000 rounds, of figures that differ.
fn metrics(peer: u32, rounds: u32) -> String {
    let mut text = String::new();
    for round in 0..rounds {
        let time = 1e9 + f64::from(round) + f64::from(peer) / 100.0;
        let hash = format!("{:02x}", round % 256).repeat(32);
        let points: Vec<String> = (1..=32)
            .map(|at| format!("[{:.4},{}]", f64::from(at) * 0.01, (at * 500 / 32)))
            .collect();
        let origins: Vec<String> = (0..50)
            .map(|origin| format!("[{origin},{:.4}]", f64::from(origin * peer % 31) / 99.0))
            .collect();
        let correct = 5 + round * 2 / rounds;
        writeln!(text, "{{\"event\":\"training\",\"time\":{time},\"round\":{round}}}").unwrap();
        writeln!(text, "{{\"event\":\"exchange\",\"time\":{time},\"round\":{round},\"completion\":[{}],\"flows\":[{{\"neighbour\":{},\"bytesSent\":9,\"bytesReceived\":7}}],\"origins\":[{}],\"cause\":\"all chunks of all peers\"}}",
            points.join(","), (peer + 1) % 50, origins.join(",")).unwrap();
        writeln!(text, "{{\"event\":\"round\",\"time\":{time},\"peer\":{peer},\"attempt\":0,\"round\":{round},\"samples\":10,\"chunksHeld\":500,\"chunksTotal\":500,\"modelHash\":\"{hash}\",\
            \"train\":{{\"loss\":1.0,\"seconds\":0.5}},\"exchangeSeconds\":0.3,\"aggregateSeconds\":0.01,\"evaluation\":{{\"correct\":{correct},\"total\":7,\"lossSum\":{:.3},\"seconds\":0.1}},\
            \"bytesSent\":1000,\"bytesReceived\":2000,\"wasted\":{{\"duplicate\":0,\"corrupt\":0}},\"peakRssBytes\":1000}}", 2.0 + f64::from(round * 7 % 13)).unwrap();
    }
    text
}

#[test]
fn fifty_peers_and_a_thousand_rounds_stay_a_small_page() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = fs::read_to_string(example("quickstart.yaml")).unwrap();
    let manifest = manifest
        .replace("count: 8", "count: 50")
        .replace("rounds: 10", "rounds: 1000");
    fs::write(folder.path().join("manifest.yaml"), manifest).unwrap();
    fs::create_dir(folder.path().join("peers")).unwrap();
    for peer in 0..50 {
        let path = folder.path().join(format!("peers/peer-{peer}.jsonl"));
        fs::write(path, metrics(peer, 1000)).unwrap();
    }
    let page = folder.path().join("report.html");
    let output = report(&[folder.path()], &page);
    assert!(output.status.success(), "{}", stderr(&output));
    let size = fs::metadata(&page).unwrap().len();
    assert!(size < 2 << 20, "{size} bytes");
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("No summary") && text.contains("completion-1000"));
}

#[test]
fn runs_are_laid_side_by_side() {
    let root = tempfile::tempdir().unwrap();
    let (a, b, page) = (
        root.path().join("a"),
        root.path().join("b"),
        root.path().join("both.html"),
    );
    short_run(&a, &[]);
    short_run(&b, &["topology.type=star", "training.learningRate=0.05"]);
    let compare = |arguments: &[&str]| fltorrent(&["compare"]).args([&a, &b]).args(arguments).output().unwrap();

    let output = compare(&["--output", "json", "--accuracy", "0.5"]);
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let summary = read_json(&a.join("summary.json"));
    let first = &found["runs"][0];
    assert_eq!(first["accuracy"], summary["accuracy"]);
    assert_eq!(first["loss"], summary["loss"]);
    assert_eq!(first["modelHash"], summary["modelHash"]);
    assert_eq!(first["wallSeconds"], summary["wallSeconds"]);
    let received: u64 = summary["rounds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|round| round["bytesReceived"].as_u64().unwrap())
        .sum();
    assert_eq!(first["bytesReceived"], received);
    assert_eq!(first["roundsToTarget"], 1);
    assert_eq!(found["sameModel"], false);
    let paths: Vec<&Value> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| &difference["path"])
        .collect();
    assert_eq!(paths, ["topology.type", "training.learningRate"]);
    assert_eq!(found["differences"][0]["values"], json!(["ring", "star"]));

    let output = compare(&["--html", page.to_str().unwrap()]);
    let text = stdout(&output);
    for word in ["accuracy", "topology.type", "ring", "star", "same model"] {
        assert!(text.contains(word), "{text}");
    }
    let mut browser = Chromium::open(&page, 1280, 900);
    let marks =
        "[...document.querySelectorAll('figure svg')].map(svg => svg.querySelectorAll('path.mark.line').length)";
    assert_eq!(browser.value(marks), json!([2, 2, 2, 2, 2, 2]));
    assert_eq!(browser.complaints(), [] as [String; 0]);

    let alone = fltorrent(&["compare"]).arg(&a).output().unwrap();
    assert_eq!(alone.status.code(), Some(2), "{}", stderr(&alone));
}
