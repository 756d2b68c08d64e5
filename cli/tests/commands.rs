//! Commands that start nothing: plan, simulate, init, completions, man and what they say when something is wrong.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests may panic and have no users")]

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_fltorrent");
const QUICKSTART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/quickstart.yaml");

/// Runs it without a terminal.
fn fltorrent(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).current_dir(folder);
    command.stdin(Stdio::null()).output().unwrap()
}

fn here(arguments: &[&str]) -> Output {
    fltorrent(Path::new("."), arguments)
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs a program with text on its standard input.
fn fed(command: &mut Command, text: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn graphviz_draws_every_wiring() {
    for topology in [
        "ring",
        "{type: star, star: {hub: 3}}",
        "mesh",
        "{type: tree, tree: {arity: 3}}",
        "{type: randomRegular, randomRegular: {degree: 3}}",
        "{type: smallWorld, smallWorld: {degree: 4, rewire: 0.5}}",
        "exponential",
        "torus",
        "{type: erdosRenyi, erdosRenyi: {probability: 0.6}}",
        "hypercube",
        "{type: custom, custom: {edges: [[0,1],[1,2],[2,3],[3,4],[4,5],[5,6],[6,7]]}}",
    ] {
        let set = match topology.starts_with('{') {
            true => format!("topology={topology}"),
            false => format!("topology={{type: {topology}}}"),
        };
        let graph = here(&["plan", QUICKSTART, "--dot", "--set", &set]);
        assert!(graph.status.success(), "{}", stderr(&graph));
        let svg = fed(Command::new("dot").arg("-Tsvg"), &graph.stdout);
        assert!(svg.status.success(), "{topology}: {}", stderr(&svg));
        assert_eq!(stderr(&svg), "", "{topology}");
        let edges = stdout(&graph).matches(" -- ").count();
        assert_eq!(stdout(&svg).matches("class=\"node\"").count(), 8, "{topology}");
        assert_eq!(stdout(&svg).matches("class=\"edge\"").count(), edges, "{topology}");
    }
}

#[test]
fn a_plan_is_one_json_object() {
    let plan = here(&[
        "plan", QUICKSTART, "--output", "json", "--up", "20Mbit", "--down", "100Mbit",
    ]);
    assert_eq!(plan.status.code(), Some(0));
    let plan: Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(plan["event"], "plan");
    assert_eq!(plan["wiring"]["diameter"], 4);
    assert_eq!(plan["details"].as_array().unwrap().len(), 8);
    assert_eq!(plan["details"][3]["neighbours"], serde_json::json!([2, 4]));
    assert_eq!(plan["receivedByEach"], 7 * 4810 * 4);
    // Seven updates into each peer from two uplinks; all uplinks together are slower.
    let seconds = plan["bounds"][0]["seconds"].as_f64().unwrap();
    let expected = 7.0 * 4810.0 * 4.0 / 2.5e6;
    assert!((seconds / expected - 1.0).abs() < 1e-9, "{seconds}");
}

#[test]
fn wrong_command_lines_say_what_would_do() {
    for (arguments, expected) in [
        (&["plan", QUICKSTART, "--up", "20MB"][..], "such as 100Mbit"),
        (&["plan", QUICKSTART, "--up", "1bit"], "from 1kbit to 10Tbit"),
        (&["plan", QUICKSTART, "--dot", "--peers"], "cannot be used with"),
        (&["plan", "nowhere.yaml"], "name a manifest"),
        (
            &[
                "plan",
                QUICKSTART,
                "--set",
                "topology.type=hypercube",
                "--set",
                "groups[0].count=6",
            ],
            "topology.type: a hypercube of 6 peers is not possible",
        ),
        (
            &["simulate", QUICKSTART],
            "the links have no rates, so the simulation would take no time; set --up",
        ),
        (&["simulate", QUICKSTART, "--up", "fast"], "a rate is a number"),
        (
            &["simulate", QUICKSTART, "--up", "1Mbit", "--train-time", "long"],
            "--train-time",
        ),
        (&["simulate", QUICKSTART, "--up", "1Mbit", "--seed", "one"], "--seed"),
        (
            &["simulate", QUICKSTART, "--up", "1Mbit", "--set", "exchange.numChunks=0"],
            "exchange.numChunks",
        ),
        (&["init"], "use --quickstart, or specify --peers, --topology"),
        (&["init", "--data", "idx"], "--data-path DIR"),
        (&["init", "--peers", "0"], "expected a whole number from 1 to 10000"),
        (&["init", "--topology", "circle"], "possible values: star, ring"),
        (&["completions", "tcsh"], "possible values: bash"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = fltorrent(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{arguments:?}: {}", stderr(&output));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// Of the example, everything that happens to peers there.
#[test]
fn a_simulation_says_what_becomes_of_a_run_that_loses_peers() {
    let folder = tempfile::tempdir().unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/churn.yaml");
    let arguments = ["simulate", example, "--up", "10Mbit", "--train-time", "200ms"];
    let output = fltorrent(folder.path(), &[&arguments[..], &["--output", "json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let figures: Value = serde_json::from_str(stdout(&output)).unwrap();
    let lost = figures["lost"].as_array().unwrap();
    let lost: Vec<_> = lost
        .iter()
        .map(|it| (it["peer"].as_u64().unwrap(), it["why"].as_str().unwrap()))
        .collect();
    assert_eq!(lost, [(3, "crash"), (6, "it left")]);
    let churn = figures["churn"].as_array().unwrap();
    let happened: Vec<_> = churn
        .iter()
        .map(|it| (it["round"].as_u64().unwrap(), it["what"].as_str().unwrap()))
        .collect();
    assert_eq!(
        happened,
        [(4, "pause"), (4, "pause"), (6, "leave"), (8, "crash"), (12, "wedge")]
    );
    let rounds = figures["eachRound"].as_array().unwrap();
    assert_eq!(rounds.len(), 20);
    assert!(rounds[0]["missing"].is_null());
    assert_eq!(
        (&rounds[19]["missing"], &rounds[19]["cause"]),
        (&serde_json::json!([3, 6]), &"quorum".into())
    );
    let output = fltorrent(folder.path(), &arguments);
    let text = stdout(&output);
    for part in [
        "; without 3, 6\n",
        "  churn       5 events\n",
        "  lost        peer 3 after ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let more = "churn=[{event: restart, peers: [1], round: 5, for: 2s}, {event: join, peers: [4], round: 3}]";
    let output = fltorrent(
        folder.path(),
        &[&arguments[..], &["--set", more, "--output", "json"]].concat(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let figures: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert!(figures.get("lost").is_none(), "{figures}");
    let happened = figures["churn"].as_array().unwrap().iter();
    let happened: Vec<_> = happened.map(|it| it["what"].as_str().unwrap()).collect();
    assert_eq!(happened, ["join", "restart"]);
    let missing = |round: usize| figures["eachRound"][round]["missing"].as_array().cloned();
    assert_eq!(missing(0), Some(vec![4.into()]));
    assert_eq!(missing(19), None);
    let output = fltorrent(folder.path(), &[&arguments[..], &["--cohort", "2"]].concat());
    assert!(stderr(&output).contains("--cohort: in a cohort nothing can happen to a peer alone"));
}

#[test]
fn a_simulation_shows_what_a_run_would_and_a_seed_gives_the_same_one() {
    let folder = tempfile::tempdir().unwrap();
    let simulate = |more: &[&str]| {
        let arguments = ["simulate", QUICKSTART, "--up", "1Mbit", "--train-time", "2s"];
        let output = fltorrent(folder.path(), &[&arguments, more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output).to_owned()
    };
    let text = simulate(&["--html", "page.html"]);
    for part in ["÷ bound", "bottleneck", "duplicates 0.00 %", "0 chokes"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("<svg") && !page.contains("<script") && page.contains("Link utilisation"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let json = |more: &[&str]| simulate(&[&["--output", "json"], more].concat());
    let first = json(&[]);
    assert_eq!(first, json(&[]));
    assert_eq!(json(&["--seed", "7"]), json(&["--set", "seed=7"]));
    // Suppliers follow from the wiring alone, so a seed is seen where missing chunks come in any order.
    let rarest = ["--set", "exchange.chunkSelection=rarestFirst"];
    assert_ne!(json(&rarest), json(&[&rarest[..], &["--seed", "7"]].concat()));
    let figures: Value = serde_json::from_str(&first).unwrap();
    // By hand: seven updates of 19,240 bytes at 125,000 bytes a second.
    assert!((figures["bound"]["seconds"].as_f64().unwrap() - 1.077).abs() < 1e-3);
    assert_eq!(figures["payload"], 10 * 8 * 7 * 19_240);
    let rounds = figures["eachRound"].as_array().unwrap();
    assert_eq!(rounds.len(), 10);
    for round in rounds {
        let [seconds, exchange] = ["seconds", "exchange"].map(|key| round[key].as_f64().unwrap());
        assert!((seconds - exchange - 2.0).abs() < 1e-6 && exchange > 1.0);
    }
    // Whole chunks take other times, and nearly the same.
    let chunks: Value = serde_json::from_str(&json(&["--detail", "chunks"])).unwrap();
    let ratio = chunks["overBound"].as_f64().unwrap() / figures["overBound"].as_f64().unwrap();
    assert!((0.85..1.15).contains(&ratio) && ratio != 1.0, "{ratio}");
    // Two cohorts of four: whoever has no update of its own receives both.
    let cohorts = json(&[&rarest[..], &["--cohort", "4", "--exact-too"]].concat());
    let cohorts: Value = serde_json::from_str(&cohorts).unwrap();
    assert_eq!(cohorts["cohort"], 4);
    assert_eq!(cohorts["payload"], 10 * (2 * 4 + 6 * 8) * 19_240);
    let exact: Value = serde_json::from_str(&json(&rarest)).unwrap();
    assert_eq!(cohorts["exact"]["overBound"], exact["overBound"]);
    let ratio = cohorts["overBound"].as_f64().unwrap() / exact["overBound"].as_f64().unwrap();
    let error = cohorts["exact"]["error"].as_f64().unwrap();
    assert!(error.abs() < 0.5 && (ratio - 1.0 - error).abs() < 1e-9, "{error}");
    assert!(figures["cohort"].is_null() && figures["exact"].is_null());
    for (wrong, why) in [
        (vec!["--exact-too"], "--cohort"),
        (vec!["--cohort", "4"], "--set exchange.chunkSelection=rarestFirst"),
        (vec!["--cohort", "1"], "expected a whole number from 2 to"),
        (
            [&rarest[..], &["--cohort", "8"]].concat(),
            "cohorts of 8 leave fewer than two of 8 peers",
        ),
    ] {
        let refused = fltorrent(
            folder.path(),
            &[&["simulate", QUICKSTART, "--up", "1Mbit"], &wrong[..]].concat(),
        );
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
    // A peer that nobody waits for.
    let alone: Value = serde_json::from_str(&json(&["--set", "groups[0].count=1"])).unwrap();
    assert!(alone["overBound"].is_null() && alone["payload"] == 0);
}

#[test]
fn init_writes_a_manifest_that_plans() {
    let folder = tempfile::tempdir().unwrap();
    let init = |arguments: &[&str]| fltorrent(folder.path(), &[&["init"], arguments].concat());
    let made = init(&["my ring.yaml", "--peers", "5"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    assert!(
        stdout(&made).starts_with("my-ring: 5 peers, ring, 10 rounds"),
        "{}",
        stdout(&made)
    );
    let planned = fltorrent(folder.path(), &["plan", "my ring.yaml"]);
    assert_eq!(planned.status.code(), Some(0), "{}", stderr(&planned));

    let first = fs::read(folder.path().join("my ring.yaml")).unwrap();
    let again = init(&["my ring.yaml", "--peers", "6"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        stderr(&again).contains("my ring.yaml: already exists"),
        "{}",
        stderr(&again)
    );
    assert_eq!(fs::read(folder.path().join("my ring.yaml")).unwrap(), first);
    let forced = init(&["my ring.yaml", "--peers", "6", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    assert_ne!(fs::read(folder.path().join("my ring.yaml")).unwrap(), first);

    let impossible = init(&["cube.yaml", "--peers", "6", "--topology", "hypercube"]);
    assert_eq!(impossible.status.code(), Some(2));
    assert!(
        stderr(&impossible).contains("take 4 or 8 peers"),
        "{}",
        stderr(&impossible)
    );
    assert!(!folder.path().join("cube.yaml").exists());
    let nowhere = init(&["no/folder.yaml", "--peers", "6"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(stderr(&nowhere).contains("cannot be written"), "{}", stderr(&nowhere));
}

/// `init` on a real terminal, which `script` makes, with keys.
fn init_on_a_terminal(folder: &Path, arguments: &str, keys: &[u8]) -> Output {
    fed(&mut on_a_terminal(folder, &format!("init {arguments}")), keys)
}

fn on_a_terminal(folder: &Path, arguments: &str) -> Command {
    let mut script = Command::new("script");
    script
        .args(["--quiet", "--return", "--command"])
        .arg(format!("'{PROGRAM}' {arguments}"))
        .arg("/dev/null")
        .current_dir(folder)
        .env("TERM", "xterm");
    script
}

/// Peers (a word first, which is asked for again), wiring (one up from ring: star), data, division, model, rounds.
#[test]
fn init_asks_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let keys = b"eight\r\x15\x7f\x7f\x7f\x7f\x7f12\r\x1b[A\r\r\r\r";
    let asked = init_on_a_terminal(folder.path(), "asked.yaml --rounds 4", keys);
    assert!(asked.status.success(), "{}", stdout(&asked));
    let expected = "expected a whole number from 1 to 10000, written in digits";
    assert!(stdout(&asked).contains(expected), "{}", stdout(&asked));
    let manifest = fs::read_to_string(folder.path().join("asked.yaml")).unwrap();
    for line in ["      count: 12", "    type: star", "    rounds: 4"] {
        assert!(manifest.contains(line), "{line} in {manifest}");
    }
}

#[test]
fn init_offers_the_quickstart() {
    let folder = tempfile::tempdir().unwrap();
    let asked = init_on_a_terminal(folder.path(), "", b"\r");
    assert!(asked.status.success(), "{}", stdout(&asked));
    let named = fltorrent(folder.path(), &["init", "--quickstart", "other.yaml"]);
    assert_eq!(named.status.code(), Some(0), "{}", stderr(&named));
    let shipped = fs::read_to_string(QUICKSTART).unwrap();
    let written = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(written("quickstart.yaml"), shipped);
    assert_eq!(
        written("other.yaml"),
        shipped.replace("name: quickstart", "name: other")
    );
    for word in ["on", "y", "null", "true"] {
        let file = format!("{word}.yaml");
        let named = fltorrent(folder.path(), &["init", "--quickstart", &file]);
        assert_eq!(named.status.code(), Some(0), "{}", stderr(&named));
        let valid = fltorrent(folder.path(), &["validate", &file]);
        assert!(stdout(&valid).starts_with(word), "{}", stdout(&valid));
    }
}

/// The cursor, which a list hides, is there again, and the exit code says why it ended.
#[test]
fn ctrl_c_in_a_list_leaves_the_terminal_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = on_a_terminal(folder.path(), "init --peers 4")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    // Before there is a list, the key would end the program as it ends any other.
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("Which topology?") {
        let mut byte = [0];
        screen.read_exact(&mut byte).unwrap();
        shown.extend(byte);
    }
    keys.write_all(b"\x03").unwrap();
    screen.read_to_end(&mut shown).unwrap();
    let shown = String::from_utf8_lossy(&shown);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130), "{shown}");
    let (hidden, back) = (shown.rfind("\x1b[?25l"), shown.rfind("\x1b[?25h"));
    assert!(hidden.is_some() && hidden < back, "{shown:?}");
    assert!(!folder.path().join("experiment.yaml").exists());
}

#[test]
fn a_seed_has_a_flag_wherever_fields_can_be_set() {
    let json = |seed: &[&str]| {
        let planned = here(&[&["plan", QUICKSTART, "--output", "json"], seed].concat());
        assert_eq!(planned.status.code(), Some(0), "{}", stderr(&planned));
        stdout(&planned).to_owned()
    };
    assert_eq!(json(&["--seed", "7"]), json(&["--set", "seed=7"]));
    assert_ne!(json(&["--seed", "7"]), json(&[]));
    let wrong = here(&["run", QUICKSTART, "--seed", "x"]);
    assert_eq!(wrong.status.code(), Some(2));
    let expected = "'--seed <N>': expected a whole number from 0";
    assert!(stderr(&wrong).contains(expected), "{}", stderr(&wrong));
}

#[test]
fn a_setting_in_the_wrong_place_is_shown_its_own() {
    let wrong = here(&["validate", QUICKSTART, "--set", "rounds=3"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        stderr(&wrong).contains("rounds: unknown field; did you mean `training.rounds`?"),
        "{}",
        stderr(&wrong)
    );
}

#[test]
fn completions_are_scripts_of_the_shell() {
    let bash = here(&["completions", "bash"]);
    assert!(fed(Command::new("bash").arg("-n"), &bash.stdout).status.success());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = here(&["completions", shell]);
        assert!(stdout(&script).contains("validate"), "{shell}");
        assert!(
            stdout(&script).contains("--up") || stdout(&script).contains("-l up"),
            "{shell}"
        );
    }
}

#[test]
fn man_pages_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let man = fltorrent(folder.path(), &["man", "pages"]);
    assert_eq!(man.status.code(), Some(0), "{}", stderr(&man));
    let page = fs::read_to_string(folder.path().join("pages/fltorrent-plan.1")).unwrap();
    let headings: Vec<_> = page.lines().filter(|line| line.starts_with(".SH")).collect();
    assert_eq!(
        headings,
        [
            ".SH NAME",
            ".SH SYNOPSIS",
            ".SH DESCRIPTION",
            ".SH OPTIONS",
            ".SH EXAMPLES",
            ".SH NOTES",
            ".SH \"EXIT STATUS\"",
            ".SH ENVIRONMENT"
        ]
    );
    // A command is told what it reads and how it ends, and nothing of others.
    let page = |command| {
        let path = format!("pages/fltorrent-{command}.1");
        let text = fs::read_to_string(folder.path().join(path)).unwrap();
        let (_, rest) = text.split_once(".SH EXAMPLES").unwrap();
        rest.to_owned()
    };
    for (command, there, missing) in [
        ("run", &["130 interrupted", "NO_COLOR"][..], &["\n3 "][..]),
        ("peer", &["\n3 ", "FLTORRENT_LOG"], &["NO_COLOR"]),
        ("validate", &["0   the manifest is valid"], &["130", "ENVIRONMENT"]),
        ("plan", &["HTTPS_PROXY"], &["130", "FLTORRENT_LOG"]),
        ("simulate", &["130 interrupted"], &["ENVIRONMENT"]),
        ("report", &[], &["EXIT STATUS", "ENVIRONMENT"]),
    ] {
        let page = page(command);
        for part in there {
            assert!(page.contains(part), "{command} lacks {part}: {page}");
        }
        for part in missing {
            assert!(!page.contains(part), "{command} has {part}: {page}");
        }
    }
    let page = fs::read_to_string(folder.path().join("pages/fltorrent-run.1")).unwrap();
    let (_, status) = page.split_once(".SH \"EXIT STATUS\"\n.nf\n").unwrap();
    assert!(status.starts_with("0   complete\n1   the run failed"), "{status}");
    assert!(status.contains(".SH ENVIRONMENT\n.nf\nFLTORRENT_LOG"), "{status}");
    let file = fltorrent(folder.path(), &["man", "/proc/pages"]);
    assert_eq!(file.status.code(), Some(1));
    assert!(
        stderr(&file).contains("/proc/pages: cannot be written"),
        "{}",
        stderr(&file)
    );
}

#[test]
fn what_a_full_disk_swallows_is_no_success() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["--version"],
        &["completions", "bash"],
        &["validate", QUICKSTART, "--output", "json"],
        &["plan", QUICKSTART],
        &["simulate", QUICKSTART, "--up", "20Mbit", "--output", "json"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Command::new(PROGRAM).args(arguments).stdout(full).output().unwrap();
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(
            errors.contains("cannot write to standard output: No space left"),
            "{arguments:?}: {errors}"
        );
    }
}

#[test]
fn a_tilde_or_a_variable_in_a_path_is_refused_with_the_word() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, part) in [
        (&["run", QUICKSTART, "--out=~/x"][..], "~ is not expanded"),
        (&["run", "~/x.yaml"], "~ is not expanded"),
        (&["run", "--resume=$HOME/x"], "$HOME is not expanded"),
        (
            &["run", QUICKSTART, "--set", "output.directory=~/results"],
            "output.directory: `~/results` has ~, which is not expanded",
        ),
        (&["init", "${HOME}/x.yaml", "--peers=2"], "${HOME} is not"),
        (&["report", "~me/x"], "~me is not expanded"),
        (&["man", "~/man"], "~ is not expanded"),
        (&["peer", "--index=0", "--bindings=~/nodes.yaml"], "~ is not expanded"),
    ] {
        let output = fltorrent(folder.path(), arguments);
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert!(errors.contains(part), "{arguments:?}: {errors}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn commands_that_init_prints_can_be_typed() {
    let folder = tempfile::tempdir().unwrap();
    let output = fltorrent(folder.path(), &["init", "my ring.yaml", "--peers=2"]);
    let text = stdout(&output);
    assert!(text.contains("fltorrent run 'my ring.yaml'"), "{text}");
}

#[test]
fn a_page_that_cannot_be_written_is_refused_before_the_simulation() {
    let folder = tempfile::tempdir().unwrap();
    // A file system that takes no files, a folder that is not there, and a folder where the page should be.
    for page in ["/proc/x", "no/such/page.html", "."] {
        let output = fltorrent(folder.path(), &["simulate", QUICKSTART, "--html", page]);
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{errors}");
        let message = format!("{page}: the page cannot be written; create its folder");
        assert!(errors.contains(&message), "{errors}");
        assert_eq!(stdout(&output), "");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// A folder with a manifest about two tables; rows are `label,a,b`.
fn with_tables(peers: u32, train: &str, test: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let manifest = format!(
        "apiVersion: fltorrent.io/v1alpha1
kind: FLTorrentExperiment
metadata: {{name: tables}}
spec:
  groups: [{{name: peers, count: {peers}}}]
  topology: {{type: ring}}
  training: {{rounds: 2, epochs: 1, batchSize: 8, learningRate: 0.05}}
  model: {{type: mlp, mlp: {{hidden: [8]}}}}
  data: {{type: csv, csv: {{train: train.csv, test: test.csv, labelColumn: label, classes: 2, inputShape: [2]}}}}
"
    );
    for (name, text) in [
        ("m.yaml", manifest.as_str()),
        ("train.csv", &format!("label,a,b\n{train}")),
        ("test.csv", &format!("label,a,b\n{test}")),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn is_harmless(output: &Output) -> bool {
    let is_harmless = |text: &str| !text.contains(|c: char| c.is_control() && c != '\n');
    is_harmless(stdout(output)) && is_harmless(stderr(output))
}

#[test]
fn control_characters_never_reach_a_terminal_as_they_are() {
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[2J";
    let folder = with_tables(2, &format!("0,1,2\n1,2,3\n0,{hostile},1\n"), "0,1,2\n1,2,3\n");
    let set = format!("data.csv.train={}", Value::from(hostile));
    let file = format!("{hostile}.yaml");
    for (arguments, code) in [
        (&["run", "m.yaml"][..], 1),
        (&["run", "m.yaml", "--output", "json"], 1),
        (&["run", "m.yaml", "--set", &set], 1),
        (&["plan", "m.yaml", "--set", &set], 0),
        (&["plan", "m.yaml", "--set", &set, "--output", "json"], 0),
        (&["validate", "m.yaml", "--set", &set], 0),
        (&["validate", "m.yaml", "--set", &format!("{hostile}=1")], 2),
        (&["validate", &file], 2),
        (&["run", "m.yaml", "--backend", hostile], 2),
    ] {
        let output = fltorrent(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(
            is_harmless(&output),
            "{arguments:?}: {:?} {:?}",
            stdout(&output),
            stderr(&output)
        );
    }
    let output = fltorrent(folder.path(), &["run", "m.yaml"]);
    assert!(
        stderr(&output).contains("line 4, column `a`: `\\u001b]0;owned\\u0007\\u001b[2J`"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn too_few_test_samples_and_features_that_cannot_train_are_warned_of() {
    let rows: String = (0..40)
        .map(|row| format!("{},{},{row}\n", row % 2, 1_600_000_000 + row))
        .collect();
    let folder = with_tables(4, &rows, "0,1600000000,1\n");
    let few = "warning: data: there is 1 test sample for 4 peers: 3 of them have none and show no accuracy";
    for command in ["plan", "validate", "run"] {
        let output = fltorrent(
            folder.path(),
            &[
                command,
                "m.yaml",
                "--set",
                "training.rounds=1",
                "--set",
                "training.learningRate=1e-9",
            ],
        );
        assert!(stderr(&output).contains(few), "{command}: {}", stderr(&output));
    }
    let output = fltorrent(folder.path(), &["run", "m.yaml", "--set", "training.learningRate=1e-9"]);
    let large = "warning: data.csv: column `a` from 1600000000 to 1600000000: values so large drown the others";
    assert!(
        stderr(&output).contains(large) && stderr(&output).contains("write `normalise: true`"),
        "{}",
        stderr(&output)
    );
    let json = fltorrent(folder.path(), &["validate", "m.yaml", "--output", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["warnings"][0]["path"], "data");
    let normal = fltorrent(
        folder.path(),
        &["run", "m.yaml", "--set", "data.csv.normalise=true", "--output", "json"],
    );
    assert!(
        normal.status.success() && !stderr(&normal).contains("drown"),
        "{}",
        stderr(&normal)
    );
    let last: Value = serde_json::from_str(stdout(&normal).lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["testSamples"], &last["classes"].as_array().unwrap().len()),
        (&1.into(), &1)
    );
    assert_eq!(last["classes"][0]["samples"], 1);
    // Three peers have nothing to evaluate on, and say nothing of it.
    let results = last["results"].as_str().unwrap();
    let classes = (0..4).filter(|peer| {
        let metrics = folder.path().join(results).join(format!("peers/peer-{peer}.jsonl"));
        fs::read_to_string(metrics).unwrap().contains("\"counts\":[[0,")
    });
    assert_eq!(classes.count(), 1);
    let page = fs::read_to_string(folder.path().join(results).join("report.html")).unwrap();
    assert!(page.contains("accuracy-by-class"));
    // What is wrong with data that is here is said before anything runs.
    fs::write(folder.path().join("train.csv"), "label,a,b\n0,1,\"2\n").unwrap();
    let output = fltorrent(folder.path(), &["validate", "m.yaml"]);
    assert!(
        stderr(&output).contains("the quote that opens in line 2 is not closed"),
        "{}",
        stderr(&output)
    );
    fs::remove_file(folder.path().join("train.csv")).unwrap();
    let output = fltorrent(folder.path(), &["validate", "m.yaml"]);
    assert_eq!(stderr(&output), "", "files may be where the peers are");
}
