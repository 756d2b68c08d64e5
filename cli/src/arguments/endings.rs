//! What stands at the end of a command's help, and of its man page.

/// The end of a command's help: sections, each with a heading and indented lines.
pub(super) struct Ending {
    examples: &'static [&'static str],
    /// A paragraph after the examples; empty: none.
    note: &'static str,
    /// Whether it runs peers, so that it has their exit codes and variables.
    runs: bool,
}

const EXIT_CODES: [(&str, &str); 5] = [
    ("0", "complete"),
    ("1", "the run failed, or could not start on this machine"),
    (
        "2",
        "the manifest or the command line is wrong; nothing was started",
    ),
    ("3", "a peer whose launcher has gone"),
    ("130", "interrupted (Ctrl-C, SIGTERM or SIGHUP)"),
];

/// The variables that this program and its peers read, besides those of a pod.
const ENVIRONMENT: [(&str, &str); 6] = [
    (
        "FLTORRENT_LOG",
        "level of the peers' logs: error, warn, info (the default), debug or trace",
    ),
    (
        "HTTPS_PROXY",
        "a proxy for data by URL; HTTP_PROXY and NO_PROXY are read, too",
    ),
    (
        "SSL_CERT_FILE",
        "authorities that servers of data are trusted by (PEM), or folders of them in SSL_CERT_DIR",
    ),
    ("NO_COLOR", "if not empty, the live view has no colours"),
    (
        "FLTORRENT_CACHE",
        "the folder that keeps fetched data; without it ~/.cache/fltorrent",
    ),
    (
        "CUDA_PATH",
        "the CUDA toolkit, whose headers the backend cuda needs",
    ),
];

impl Ending {
    /// It as the end of a help.
    pub(super) fn text(&self) -> String {
        let mut sections = vec![section("Examples", self.examples)];
        if !self.note.is_empty() {
            sections.push(section("Notes", &[self.note]));
        }
        if self.runs {
            sections.push(section("Exit codes", &table(&EXIT_CODES, 4)));
            sections.push(section("Environment", &table(&ENVIRONMENT, 16)));
        }
        sections.join("\n\n")
    }
}

fn section(heading: &str, lines: &[impl AsRef<str>]) -> String {
    let lines = lines.iter().map(|line| format!("\n  {}", line.as_ref()));
    format!("{heading}:{}", lines.collect::<String>())
}

fn table(rows: &[(&str, &str)], width: usize) -> Vec<String> {
    let row = |(name, meaning): &(&str, &str)| format!("{name:<width$}{meaning}");
    rows.iter().map(row).collect()
}

pub(super) const FIRST_STEPS: Ending = Ending {
    examples: &[
        "fltorrent init --quickstart && fltorrent run quickstart.yaml",
        "fltorrent init && fltorrent plan experiment.yaml && fltorrent run experiment.yaml",
    ],
    note: "",
    runs: true,
};

pub(super) const RUN: Ending = Ending {
    examples: &[
        "fltorrent run quickstart.yaml",
        "fltorrent run exp.yaml --set training.rounds=20 --set 'topology={type: star}'",
        "fltorrent run exp.yaml --out results/first --output json",
    ],
    note: "",
    runs: true,
};

pub(super) const VALIDATE: Ending = Ending {
    examples: &[
        "fltorrent validate exp.yaml",
        "fltorrent validate exp.yaml --set groups[0].count=100 --output json",
    ],
    note: "",
    runs: true,
};

pub(super) const PLAN: Ending = Ending {
    examples: &[
        "fltorrent plan quickstart.yaml",
        "fltorrent plan exp.yaml --up 20Mbit --down 100Mbit",
        "fltorrent plan exp.yaml --set topology.type=star --peers",
        "fltorrent plan exp.yaml --dot | dot -Tsvg > wiring.svg",
    ],
    note: "Times are the least possible, without delays, headers and losses.",
    runs: false,
};

pub(super) const SIMULATE: Ending = Ending {
    examples: &[
        "fltorrent simulate exp.yaml --up 20Mbit --down 100Mbit --train-time 30s",
        "fltorrent simulate exp.yaml --up 10Mbit --down 10Mbit --set groups[0].count=100 --html simulation.html",
    ],
    note: "",
    runs: true,
};

pub(super) const INIT: Ending = Ending {
    examples: &[
        "fltorrent init --quickstart",
        "fltorrent init",
        "fltorrent init ring.yaml --peers 8 --topology ring --rounds 20",
        "fltorrent init fashion.yaml --data-path /usr/share/datasets/fashion-mnist",
    ],
    note: "Without a terminal, what no flag says takes its default; one flag is needed at least.",
    runs: false,
};

pub(super) const COMPLETIONS: Ending = Ending {
    examples: &[
        "source <(fltorrent completions bash)",
        "fltorrent completions zsh > ~/.zfunc/_fltorrent",
        "fltorrent completions fish > ~/.config/fish/completions/fltorrent.fish",
    ],
    note: "",
    runs: false,
};

pub(super) const MAN: Ending = Ending {
    examples: &["fltorrent man ~/.local/share/man/man1 && man fltorrent-plan"],
    note: "",
    runs: false,
};

pub(super) const REPORT: Ending = Ending {
    examples: &[
        "fltorrent report runs/quickstart-20261121T122841Z",
        "fltorrent report results-of-a results-of-b --out report.html",
    ],
    note: "",
    runs: false,
};

pub(super) const COMPARE: Ending = Ending {
    examples: &[
        "fltorrent compare runs/ring runs/star",
        "fltorrent compare runs/ring runs/star --accuracy 0.9 --html both.html",
    ],
    note: "",
    runs: false,
};

pub(super) const BENCH: Ending = Ending {
    examples: &[
        "fltorrent bench quickstart --runs 10",
        "fltorrent bench train --python .venv/bin/python",
        "sudo fltorrent bench exchange --case ring --case mesh",
    ],
    note: "",
    runs: false,
};

pub(super) const KEYS: Ending = Ending {
    examples: &[
        "fltorrent keys init exp.yaml",
        "fltorrent keys init --peers 4 --out keys --days 90",
    ],
    note: "",
    runs: false,
};

pub(super) const PEER: Ending = Ending {
    examples: &[
        "fltorrent peer --index 3 --bindings nodes.yaml exp.yaml",
        "fltorrent peer --index 3 --bindings nodes.yaml --keys keys/peer-3 --data /srv/mnist --wait 1h exp.yaml",
        "fltorrent peer --in-cluster /etc/fltorrent",
    ],
    note: "",
    runs: true,
};
