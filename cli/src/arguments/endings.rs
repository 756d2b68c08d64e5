//! What stands at the end of a command's help, and of its man page.

/// The end of a command's help: sections, each with a heading and indented lines.
pub(super) struct Ending {
    examples: &'static [&'static str],
    /// A paragraph after the examples; empty: none.
    note: &'static str,
    /// Its exit codes; none: 0 is success.
    codes: &'static [Row],
    /// Environment variables, besides those of a pod.
    variables: &'static [Row],
}

/// A code or a variable, and what it means.
type Row = (&'static str, &'static str);

const COMPLETE: Row = ("0", "complete");
const FAILED: Row = ("1", "the run failed, or could not start on this machine");
const WRONG: Row = ("2", "the manifest or the command line is wrong; nothing was started");
const INVALID: Row = ("2", "the manifest or the command line is wrong");
const UNWRITTEN: Row = ("1", "standard output could not be written");
const LAUNCHER_GONE: Row = ("3", "the launcher of this peer has exited");
const LEFT: Row = ("4", "this peer has left the run, as `churn` in the manifest says");
const NO_USE: Row = (
    "5",
    "the run is over or cannot go on, so that the launcher does not restart this peer",
);
const RESTARTS: Row = (
    "6",
    "the launcher is to start another process of this peer, as `churn` in the manifest says",
);
const INTERRUPTED: Row = ("130", "interrupted (Ctrl-C, SIGTERM or SIGHUP)");
/// How a peer's process ends.
const OF_A_PEER: &[Row] = &[
    COMPLETE,
    FAILED,
    WRONG,
    LAUNCHER_GONE,
    LEFT,
    NO_USE,
    RESTARTS,
    INTERRUPTED,
];

const LOG: Row = (
    "FLTORRENT_LOG",
    "level of the peers' logs: error, warn, info (the default), debug or trace",
);
const PROXY: Row = (
    "HTTPS_PROXY",
    "proxy for data URLs; HTTP_PROXY and NO_PROXY are honoured too",
);
const AUTHORITIES: Row = (
    "SSL_CERT_FILE",
    "trusted CA certificates (PEM) for data servers; SSL_CERT_DIR names folders of them",
);
const COLOUR: Row = ("NO_COLOR", "if not empty, disables colours");
const CACHE: Row = (
    "FLTORRENT_CACHE",
    "cache folder of downloaded data; default: ~/.cache/fltorrent",
);
const CUDA: Row = (
    "CUDA_PATH",
    "path of the CUDA toolkit, whose headers the backend cuda needs",
);

impl Ending {
    /// The section as the end of a help text.
    pub(super) fn text(&self) -> String {
        let mut sections = vec![section("Examples", self.examples)];
        if !self.note.is_empty() {
            sections.push(section("Notes", &[self.note]));
        }
        for (heading, rows, width) in [("Exit codes", self.codes, 4), ("Environment", self.variables, 16)] {
            if !rows.is_empty() {
                sections.push(section(heading, &table(rows, width)));
            }
        }
        sections.join("\n\n")
    }
}

fn section(heading: &str, lines: &[impl AsRef<str>]) -> String {
    let lines = lines.iter().map(|line| format!("\n  {}", line.as_ref()));
    format!("{heading}:{}", lines.collect::<String>())
}

fn table(rows: &[Row], width: usize) -> Vec<String> {
    let row = |(name, meaning): &Row| format!("{name:<width$}{meaning}");
    rows.iter().map(row).collect()
}

pub(super) const FIRST_STEPS: Ending = Ending {
    examples: &[
        "fltorrent init --quickstart && fltorrent run quickstart.yaml",
        "fltorrent init && fltorrent plan experiment.yaml && fltorrent run experiment.yaml",
    ],
    note: "",
    codes: OF_A_PEER,
    variables: &[LOG, PROXY, AUTHORITIES, COLOUR, CACHE, CUDA],
};

pub(super) const RUN: Ending = Ending {
    examples: &[
        "fltorrent run quickstart.yaml",
        "fltorrent run exp.yaml --set training.rounds=20 --set 'topology={type: star}'",
        "fltorrent run exp.yaml --out results/first --output json",
    ],
    note: "",
    codes: &[COMPLETE, FAILED, WRONG, INTERRUPTED],
    variables: &[LOG, PROXY, AUTHORITIES, COLOUR, CACHE, CUDA],
};

pub(super) const VALIDATE: Ending = Ending {
    examples: &[
        "fltorrent validate exp.yaml",
        "fltorrent validate exp.yaml --set groups[0].count=100 --output json",
    ],
    note: "",
    codes: &[("0", "the manifest is valid"), UNWRITTEN, INVALID],
    variables: &[],
};

pub(super) const PLAN: Ending = Ending {
    examples: &[
        "fltorrent plan quickstart.yaml",
        "fltorrent plan exp.yaml --up 20Mbit --down 100Mbit",
        "fltorrent plan exp.yaml --set topology.type=star --peers",
        "fltorrent plan exp.yaml --dot | dot -Tsvg > topology.svg",
    ],
    note: "Times are lower bounds, without delays, headers and losses.",
    codes: &[("0", "the plan was printed"), UNWRITTEN, INVALID],
    variables: &[PROXY, AUTHORITIES, CACHE],
};

pub(super) const SIMULATE: Ending = Ending {
    examples: &[
        "fltorrent simulate exp.yaml --up 20Mbit --down 100Mbit --train-time 30s",
        "fltorrent simulate exp.yaml --up 10Mbit --down 10Mbit --set groups[0].count=100 --html simulation.html",
    ],
    note: "",
    codes: &[
        COMPLETE,
        ("1", "the simulation failed, or its output could not be written"),
        INVALID,
        INTERRUPTED,
    ],
    variables: &[],
};

pub(super) const INIT: Ending = Ending {
    examples: &[
        "fltorrent init --quickstart",
        "fltorrent init",
        "fltorrent init ring.yaml --peers 8 --topology ring --rounds 20",
        "fltorrent init fashion.yaml --data-path /usr/share/datasets/fashion-mnist",
    ],
    note: "Without a terminal, at least one flag is required; the rest takes its default.",
    codes: &[],
    variables: &[],
};

pub(super) const COMPLETIONS: Ending = Ending {
    examples: &[
        "source <(fltorrent completions bash)",
        "fltorrent completions zsh > ~/.zfunc/_fltorrent",
        "fltorrent completions fish > ~/.config/fish/completions/fltorrent.fish",
    ],
    note: "",
    codes: &[],
    variables: &[],
};

pub(super) const MAN: Ending = Ending {
    examples: &["fltorrent man ~/.local/share/man/man1 && man fltorrent-plan"],
    note: "",
    codes: &[],
    variables: &[],
};

pub(super) const REPORT: Ending = Ending {
    examples: &[
        "fltorrent report runs/quickstart-20261121T122841Z",
        "fltorrent report results-of-a results-of-b --out report.html",
    ],
    note: "",
    codes: &[],
    variables: &[],
};

pub(super) const COMPARE: Ending = Ending {
    examples: &[
        "fltorrent compare runs/ring runs/star",
        "fltorrent compare runs/ring runs/star --accuracy 0.9 --html both.html",
    ],
    note: "",
    codes: &[],
    variables: &[],
};

pub(super) const KEYS: Ending = Ending {
    examples: &[
        "fltorrent keys init exp.yaml",
        "fltorrent keys init --peers 4 --out keys --days 90",
    ],
    note: "",
    codes: &[],
    variables: &[],
};

pub(super) const PEER: Ending = Ending {
    examples: &[
        "fltorrent peer --index 3 --bindings nodes.yaml exp.yaml",
        "fltorrent peer --index 3 --bindings nodes.yaml --keys keys/peer-3 --data /srv/mnist --wait 1h exp.yaml",
        "fltorrent peer --in-cluster /etc/fltorrent",
    ],
    note: "",
    codes: OF_A_PEER,
    variables: &[LOG, PROXY, AUTHORITIES, CACHE, CUDA],
};
