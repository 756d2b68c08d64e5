//! What stands at the end of a command's help.

/// A text with the exit codes after it.
macro_rules! with_exit_codes {
    ($text:literal) => {
        concat!(
            $text,
            "Exit codes:
    0  complete
    1  the run failed, or could not start on this machine
    2  the manifest or the command line is wrong; nothing was started
    3  a peer whose launcher has gone
  130  interrupted (Ctrl-C, SIGTERM or SIGHUP)"
        )
    };
}

pub(super) const FIRST_STEPS: &str = with_exit_codes!(
    "Examples:
  fltorrent run examples/quickstart.yaml
  fltorrent init && fltorrent plan experiment.yaml && fltorrent run experiment.yaml

"
);

pub(super) const RUN_EXAMPLES: &str = with_exit_codes!(
    "Examples:
  fltorrent run examples/quickstart.yaml
  fltorrent run exp.yaml --set training.rounds=20 --set 'topology={type: star}'
  fltorrent run exp.yaml --out results/first --output json

"
);

pub(super) const SIMULATE_EXAMPLES: &str = with_exit_codes!(
    "Examples:
  fltorrent simulate exp.yaml --up 20Mbit --down 100Mbit --train-time 30s
  fltorrent simulate exp.yaml --up 10Mbit --down 10Mbit --set groups[0].count=100 --html simulation.html

"
);

pub(super) const VALIDATE_EXAMPLES: &str = with_exit_codes!(
    "Examples:
  fltorrent validate exp.yaml
  fltorrent validate exp.yaml --set groups[0].count=100 --output json

"
);

pub(super) const KEYS_EXAMPLES: &str = "Examples:
  fltorrent keys init exp.yaml
  fltorrent keys init --peers 4 --out keys --days 90";

pub(super) const PEER_EXAMPLES: &str = with_exit_codes!(
    "Examples:
  fltorrent peer --index 3 --bindings nodes.yaml exp.yaml
  fltorrent peer --index 3 --bindings nodes.yaml --keys keys/peer-3 --data /srv/mnist --wait 1h exp.yaml
  fltorrent peer --in-cluster /etc/fltorrent

"
);

pub(super) const BENCH_EXAMPLES: &str = "Examples:
  fltorrent bench quickstart --runs 10
  fltorrent bench train --python .venv/bin/python
  sudo fltorrent bench exchange --case ring --case mesh";

pub(super) const INIT_EXAMPLES: &str = "Examples:
  fltorrent init
  fltorrent init ring.yaml --peers 8 --topology ring --rounds 20
  fltorrent init fashion.yaml --data-path /usr/share/datasets/fashion-mnist

Without a terminal, what no flag says takes its default; one flag is needed at least.";

pub(super) const COMPLETIONS_EXAMPLES: &str = "Examples:
  source <(fltorrent completions bash)
  fltorrent completions zsh > ~/.zfunc/_fltorrent
  fltorrent completions fish > ~/.config/fish/completions/fltorrent.fish";

pub(super) const MAN_EXAMPLES: &str = "Examples:
  fltorrent man ~/.local/share/man/man1 && man fltorrent-plan";

pub(super) const REPORT_EXAMPLES: &str = "Examples:
  fltorrent report runs/quickstart-20261121T122841Z
  fltorrent report results-of-a results-of-b --out report.html";

pub(super) const COMPARE_EXAMPLES: &str = "Examples:
  fltorrent compare runs/ring runs/star
  fltorrent compare runs/ring runs/star --accuracy 0.9 --html both.html";

pub(super) const PLAN_EXAMPLES: &str = "Examples:
  fltorrent plan examples/quickstart.yaml
  fltorrent plan exp.yaml --up 20Mbit --down 100Mbit
  fltorrent plan exp.yaml --set topology.type=star --peers
  fltorrent plan exp.yaml --dot | dot -Tsvg > wiring.svg

Times are the least possible, without delays, headers and losses.";
