//! The examples: each is run in a reduced form, and the commands in its comments fit it.

use std::{
    collections::BTreeSet,
    fs,
    net::UdpSocket,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use fltorrent_crds::Plan;
use serde_json::Value;

use crate::support::{example, fltorrent, read_json, stderr, stdout};

const SEVERAL_MACHINES: &str = "several-machines.yaml";
const CHURN: &str = "churn.yaml";

/// How an example becomes small enough for every change to run it.
struct Reduced {
    file: &'static str,
    sets: &'static [&'static str],
    /// Accuracy that the model must reach: well above chance, well below the usual one.
    accuracy: f64,
}

const REDUCED: [Reduced; 13] = [
    Reduced {
        file: "choking.yaml",
        sets: &["groups[0].count=5", "model.mlp.hidden=[64]", "training.rounds=3"],
        accuracy: 0.55,
    },
    Reduced {
        file: CHURN,
        sets: &[],
        accuracy: 0.8,
    },
    Reduced {
        file: "early-stop.yaml",
        sets: &[
            "groups[0].count=4",
            "topology.torus={rows: 2, cols: 2}",
            "training.earlyStop.targetAccuracy=0.8",
        ],
        accuracy: 0.8,
    },
    Reduced {
        file: "fashion-mnist.yaml",
        sets: &[
            "groups[0].count=3",
            "data.partition={type: explicit, explicit: {shards: [[[0, 1000]], [[1000, 2000]], [[2000, 3000]]]}}",
            "training.rounds=3",
        ],
        accuracy: 0.5,
    },
    Reduced {
        file: "hospitals.yaml",
        sets: &["training.rounds=4"],
        accuracy: 0.9,
    },
    Reduced {
        file: "lenet.yaml",
        sets: &[
            "groups[0].count=2",
            "data.partition={type: explicit, explicit: {shards: [[[0, 1500]], [[1500, 3000]]]}}",
            "training.rounds=3",
        ],
        accuracy: 0.4,
    },
    Reduced {
        file: "quickstart.yaml",
        sets: &["groups[0].count=4", "training.rounds=2"],
        accuracy: 0.8,
    },
    Reduced {
        file: SEVERAL_MACHINES,
        sets: &["training.rounds=2"],
        accuracy: 0.8,
    },
    Reduced {
        file: "slow-links.yaml",
        sets: &["training.rounds=2", "groups[0].count=2"],
        accuracy: 0.6,
    },
    Reduced {
        file: "small-world.yaml",
        sets: &["groups[0].count=12", "training.rounds=2"],
        accuracy: 0.7,
    },
    Reduced {
        file: "specialists.yaml",
        sets: &["training.rounds=4"],
        accuracy: 0.6,
    },
    Reduced {
        file: "text.yaml",
        sets: &["groups[0].count=2", "training.rounds=3"],
        accuracy: 0.24,
    },
    Reduced {
        file: "two-sites.yaml",
        sets: &["training.rounds=4"],
        accuracy: 0.5,
    },
];

/// The repository's root, which the examples' paths start from.
fn root() -> PathBuf {
    example("").parent().unwrap().to_owned()
}

/// All experiments in the folder, whoever has added them.
fn shipped() -> BTreeSet<String> {
    fs::read_dir(example(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .filter(|name| text(name).contains("kind: FLTorrentExperiment"))
        .collect()
}

fn text(file: &str) -> String {
    fs::read_to_string(example(file)).unwrap()
}

#[test]
fn every_example_is_run_here_and_told_of_in_the_docs() {
    let run: BTreeSet<String> = REDUCED.iter().map(|it| it.file.to_owned()).collect();
    assert_eq!(shipped(), run);
    let docs = fs::read_to_string(root().join("docs/examples.md")).unwrap();
    for file in run {
        let name = file.trim_end_matches(".yaml");
        let link = format!("[{name}](../examples/{file})");
        assert!(docs.contains(&link), "{link} is not in docs/examples.md");
        let heading = format!("\n## {name}\n");
        assert!(docs.contains(&heading), "{name} has no paragraph");
    }
}

#[test]
fn every_example_is_a_plan_that_bears_its_name() {
    for file in shipped() {
        let plan = Plan::load(&text(&file), &[]).unwrap();
        assert_eq!(format!("{}.yaml", plan.name), file);
        assert_eq!(plan.warnings, [], "{file}");
    }
}

#[test]
fn every_example_learns_in_a_reduced_form() {
    for reduced in &REDUCED {
        let folder = tempfile::tempdir().unwrap();
        let file = format!("examples/{}", reduced.file);
        let mut command = fltorrent(&["run", &file, "--out"]);
        command.arg(folder.path()).current_dir(root());
        for set in reduced.sets {
            command.args(["--set", set]);
        }
        let output = command.output().unwrap();
        let errors = stderr(&output);
        assert!(output.status.success(), "{file}: {errors}");
        if reduced.file != CHURN {
            assert_eq!(errors, "", "{file}");
        }
        assert_learnt(folder.path(), reduced, &stdout(&output));
    }
}

/// All peers have gone through all rounds, or as many as they wanted, and each ended with the one model, which is a good one.
fn assert_learnt(results: &Path, reduced: &Reduced, shown: &str) {
    let file = reduced.file;
    let summary = read_json(&results.join("summary.json"));
    let plan = read_json(&results.join("plan.json"));
    let rounds = summary["rounds"].as_array().unwrap().len();
    if plan["earlyStop"].is_null() {
        assert_eq!(summary["outcome"], "completed", "{file}\n{shown}");
        assert_eq!(plan["training"]["rounds"], rounds, "{file}");
    } else {
        assert_eq!(summary["outcome"], "converged", "{file}\n{shown}");
        assert!(plan["training"]["rounds"].as_u64().unwrap() > rounds as u64);
    }
    let accuracy = summary["accuracy"].as_f64().unwrap();
    assert!(accuracy >= reduced.accuracy, "{file}\n{shown}");

    assert!(plan["peers"].as_array().unwrap().len() > 1, "{file}");
    let ends = |peer: &Value| {
        let mut events = peer["churn"].as_array().into_iter().flatten();
        events.any(|due| due["event"] == "leave" || due["event"] == "crash")
    };
    for (peer, planned) in plan["peers"].as_array().unwrap().iter().enumerate() {
        if ends(planned) {
            continue;
        }
        let metrics = fs::read_to_string(results.join(format!("peers/peer-{peer}.jsonl"))).unwrap();
        let last = metrics
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .rfind(|line| line["event"] == "round");
        let last = last.unwrap();
        assert_eq!(last["round"], rounds - 1, "{file}: {peer}");
        assert_eq!(last["modelHash"], summary["modelHash"], "{file}: {peer}");
    }
}

/// The commands in comments have valid files and settings.
#[test]
fn the_commands_in_the_comments_are_valid() {
    for file in shipped() {
        let commands = commands(&text(&file));
        assert!(!commands.is_empty(), "{file} shows no command");
        for command in commands {
            let words = words(&command);
            match words[0].as_str() {
                "run" | "plan" | "validate" => assert_valid(&file, &command, &words[1..]),
                // `several_machines_end_with_the_model_of_one` follows them.
                "keys" | "peer" if file == SEVERAL_MACHINES => {}
                "compare" | "report" => {}
                other => panic!("{file}: `{command}`: what is {other}?"),
            }
        }
    }
}

/// The comment's commands, with places and ports of this test's own.
#[test]
fn several_machines_end_with_the_model_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // All are held until each has its own.
    let sockets = [(); 4].map(|()| UdpSocket::bind("0.0.0.0:0").unwrap());
    let mut nodes = text("several-machines.nodes.yaml");
    for (index, socket) in sockets.iter().enumerate() {
        let (shown, free) = (format!(":888{index}\""), socket.local_addr().unwrap().port());
        assert_eq!(nodes.matches(&shown).count(), 1, "{shown} in\n{nodes}");
        nodes = nodes.replace(&shown, &format!(":{free}\""));
    }
    fs::write(at("nodes.yaml"), nodes).unwrap();
    drop(sockets);

    let commands = commands(&text(SEVERAL_MACHINES));
    let of = |name: &str, index: usize| {
        let command = commands.iter().find(|command| command.starts_with(name));
        let words = words(command.unwrap()).into_iter().enumerate();
        let words = words.map(|(place, word)| match &*word {
            "examples/several-machines.nodes.yaml" => at("nodes.yaml"),
            "keys" if place > 0 => at("keys"),
            "machine-0" => at(&format!("machine-{index}")),
            "0" => index.to_string(),
            _ => word,
        });
        let mut command = fltorrent(&[]);
        command.args(words).current_dir(root());
        command
    };
    let made = of("keys", 0).output().unwrap();
    assert!(made.status.success(), "{}", stderr(&made));
    let peers: Vec<Child> = (0..4)
        .map(|index| of("peer", index).stdout(Stdio::null()).spawn().unwrap())
        .collect();
    for mut peer in peers {
        assert!(peer.wait().unwrap().success());
    }

    let one = of("run", 0).args(["--out", &at("one")]).output().unwrap();
    assert!(one.status.success(), "{}", stderr(&one));
    let hash = |name: String| read_json(&Path::new(&at(&name)).join("summary.json"))["modelHash"].clone();
    for index in 0..4 {
        assert_eq!(hash(format!("machine-{index}")), hash("one".to_owned()));
    }
}

/// The commands of a comment, `fltorrent …`, as one line each.
fn commands(manifest: &str) -> Vec<String> {
    let comment: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('#'))
        .collect();
    let comment = comment.join("\n").replace("\\\n", " ");
    comment
        .lines()
        .filter_map(|line| line.strip_prefix("   fltorrent "))
        .map(str::to_owned)
        .collect()
}

/// The words as a shell takes them apart; a pipe's or a redirection's other end is left out.
fn words(command: &str) -> Vec<String> {
    let command = command.split(" | ").next().unwrap();
    let script = format!("show() {{ printf '%s\\n' \"$@\"; }}; show {command}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", stderr(&output));
    stdout(&output).lines().map(str::to_owned).collect()
}

fn assert_valid(file: &str, command: &str, words: &[String]) {
    let mut validate = fltorrent(&["validate"]);
    validate.current_dir(root());
    let mut words = words.iter();
    let mut files = Vec::new();
    let mut resumes = false;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--set" => drop(validate.arg(word).arg(words.next().unwrap())),
            "--out" => drop(words.next()),
            // The folder has the manifest.
            "--resume" => resumes = words.next().is_some(),
            "--dot" | "--peers" => {}
            _ => files.push(word),
        }
    }
    if resumes {
        return;
    }
    assert_eq!(files, [&format!("examples/{file}")], "{command}");
    let output = validate.arg(files[0]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", stderr(&output));
}
