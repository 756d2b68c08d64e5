//! The live view in a real terminal: tmux draws it, and its screen is read.

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{example, read_json};

/// Longest time that anything on the screen may take, so that a test that fails does not hang.
const PATIENCE: Duration = Duration::from_secs(60);
const PROMPT: &str = "ready>";

/// A terminal with a shell in it; a tmux server of its own that goes with it.
struct Terminal {
    folder: TempDir,
    width: usize,
}

impl Terminal {
    fn open(width: usize, height: usize) -> Self {
        let terminal = Self {
            folder: tempfile::tempdir().unwrap(),
            width,
        };
        // Without UTF-8 tmux replaces what it cannot show.
        let mut start = terminal.command(&["-u", "-f", "/dev/null", "new-session", "-d"]);
        start.args(["-x", &width.to_string(), "-y", &height.to_string()]);
        start.args(["env", &format!("PS1={PROMPT}"), "LC_ALL=C.UTF-8", "sh"]);
        succeeded(start.output());
        terminal.wait_for("a prompt", |screen| last_line(screen) == PROMPT);
        terminal
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("socket"));
        command.args(arguments);
        command.env_remove("TMUX");
        command
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = succeeded(self.command(arguments).output());
        String::from_utf8(output.stdout).unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Types a run of the quickstart; `before` and `after` are more of the command line.
    fn run(&self, before: &str, after: &str) {
        let line = format!(
            "{before} {} run {} --out {} {after}",
            env!("CARGO_BIN_EXE_fltorrent"),
            example("quickstart.yaml").display(),
            self.results().display()
        );
        self.tmux(&["send-keys", "-l", &line]);
        self.keys(&["Enter"]);
    }

    fn results(&self) -> std::path::PathBuf {
        self.folder.path().join("run")
    }

    /// The screen's lines, without blanks at their ends.
    fn screen(&self) -> Vec<String> {
        let text = self.tmux(&["capture-pane", "-p"]);
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The screen and all lines above it; a wrapped line is one line.
    fn scrollback(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J", "-S", "-"])
    }

    /// The lines that programs are told; tmux tells them a moment after it knows itself.
    fn height(&self) -> String {
        let terminal = self.tmux(&["display-message", "-p", "#{pane_tty}"]);
        let mut command = Command::new("stty");
        command.args(["-F", terminal.trim(), "size"]);
        let size = String::from_utf8(succeeded(command.output()).stdout).unwrap();
        size.split(' ').next().unwrap().to_owned()
    }

    /// Looks at the screen until it is as wanted.
    fn wait_for(&self, what: &str, is_there: impl Fn(&[String]) -> bool) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is_there(&screen) {
                return screen;
            }
            assert!(Instant::now() < end, "no {what} on\n{}", screen.join("\n"));
            std::thread::yield_now();
        }
    }

    /// Waits until the table shows peers that are in a round after the first.
    fn wait_for_rows(&self, first: usize, count: usize) -> Vec<String> {
        let screen = self.wait_for("rows", |screen| {
            let rows = rows(screen);
            rows == (first..first + count).collect::<Vec<_>>() && screen.iter().any(|line| line.starts_with("round "))
        });
        for line in &screen {
            let width = line.chars().count();
            assert!(width <= self.width, "{width} characters in {line:?}");
        }
        screen
    }

    fn wait_for_prompt(&self) {
        self.wait_for("prompt", |screen| last_line(screen) == PROMPT);
    }

    /// Whether typed characters are echoed and lines are edited, as a shell's user expects.
    fn assert_usable(&self) {
        self.tmux(&[
            "send-keys",
            "-l",
            "stty -a | grep -cw -e '-echo' -e '-icanon' -e '-isig'; echo is''sane",
        ]);
        self.keys(&["Enter"]);
        let screen = self.wait_for("end of stty", |screen| screen.iter().any(|line| line == "issane"));
        let at = screen.iter().position(|line| line == "issane").unwrap();
        assert_eq!(screen[at - 1], "0", "{screen:#?}");
        let cursor = self.tmux(&["display-message", "-p", "#{cursor_flag} #{alternate_on}"]);
        assert_eq!(cursor.trim(), "1 0", "cursor and alternate screen");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.command(&["kill-server"]).output().ok();
    }
}

fn succeeded(output: std::io::Result<Output>) -> Output {
    let output = output.unwrap_or_else(|error| panic!("tmux, from the package of that name: {error}"));
    assert!(output.status.success(), "{output:?}");
    output
}

fn last_line(screen: &[String]) -> &str {
    screen.iter().rfind(|line| !line.is_empty()).map_or("", String::as_str)
}

/// The peers of the table from top to bottom.
fn rows(screen: &[String]) -> Vec<usize> {
    let table = screen
        .iter()
        .skip_while(|line| !line.starts_with("  peer state"))
        .skip(1);
    table.map_while(|line| line.get(1..6)?.trim().parse().ok()).collect()
}

/// Processes that were given this run's folder, by their command lines.
fn processes(results: &Path) -> Vec<(String, String)> {
    let folder = results.to_str().unwrap();
    let entries = std::fs::read_dir("/proc").unwrap().map(Result::unwrap);
    let lines = entries.filter_map(|entry| {
        // A process may go while it is looked at.
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let pid = entry.file_name().into_string().ok()?;
        Some((pid, String::from_utf8(line).ok()?))
    });
    // The terminal's own has the folder's parent only.
    lines.filter(|(_, line)| line.contains(folder)).collect()
}

#[test]
fn a_small_terminal_shows_the_run_and_its_lines_stay() {
    let terminal = Terminal::open(80, 24);
    terminal.run("", "--set training.rounds=100");
    let screen = terminal.wait_for_rows(0, 8);
    assert!(screen[0].starts_with("quickstart  8 peers, ring"), "{screen:#?}");
    assert!(screen[22].contains(" of 100 rounds  ETA "), "{screen:#?}");
    assert!(screen[23].ends_with("Ctrl-C: stop"), "{screen:#?}");
    terminal.wait_for_prompt();
    let lines = terminal.scrollback();
    for round in 1..=100 {
        let begin = format!("{round}/100 ");
        let found = lines.lines().filter(|line| line.trim_start().starts_with(&begin));
        assert_eq!(found.count(), 1, "round {round} in\n{lines}");
    }
    assert!(lines.contains(", the same on all 8 peers"), "{lines}");
    assert!(!lines.contains("peer state"), "{lines}");
    terminal.assert_usable();
    assert_eq!(
        read_json(&terminal.results().join("summary.json"))["rounds"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
}

#[test]
fn a_wide_terminal_shows_more_and_follows_its_size() {
    let terminal = Terminal::open(200, 50);
    terminal.run("", "--set training.rounds=1000000");
    let screen = terminal.wait_for_rows(0, 8);
    for title in ["loss", "received", "wasted", "links", "wanted", "memory"] {
        assert!(screen[1].contains(title), "{title} in {:?}", screen[1]);
    }
    assert!(screen[2].contains(['█', '░']), "{:?}", screen[2]);
    terminal.tmux(&["resize-window", "-x", "60", "-y", "12"]);
    terminal.wait_for("smaller picture", |screen| {
        screen.len() <= 12 && screen.last().is_some_and(|line| line.starts_with("1-6 of 8 "))
    });
    // Without the view the run goes on, and what it says comes as lines.
    terminal.keys(&["q"]);
    terminal.wait_for("lines", |screen| screen.iter().any(|line| line.contains(" 640/640 ")));
    terminal.keys(&["C-c"]);
    terminal.wait_for_prompt();
    assert!(terminal.scrollback().contains("error: interrupted by SIGINT"));
    terminal.assert_usable();
}

#[test]
fn keys_scroll_and_ctrl_c_leaves_a_clean_terminal() {
    let terminal = Terminal::open(80, 14);
    terminal.run("", "--set training.rounds=1000000 --set groups[0].count=12");
    terminal.wait_for_rows(0, 8);
    for (key, first) in [("Down", 1), ("PageDown", 4), ("Up", 3), ("Home", 0), ("End", 4)] {
        terminal.keys(&[key]);
        terminal.wait_for_rows(first, 8);
    }
    terminal.keys(&["s"]);
    terminal.wait_for("another order", |screen| last_line(screen).contains("s: by index"));
    // Stopped, and gone on with: the peers do not notice. More than once, as what they say meanwhile waits to be read when the
    // view wants to come back.
    for _ in 0..4 {
        terminal.keys(&["C-z"]);
        terminal.wait_for_prompt();
        terminal.keys(&["fg", "Enter"]);
        terminal.wait_for("view again", |screen| rows(screen).len() == 8);
    }
    terminal.keys(&["C-c"]);
    terminal.wait_for_prompt();
    let lines = terminal.scrollback();
    assert!(
        lines.contains("error: interrupted by Ctrl-C; all peers have ended"),
        "{lines}"
    );
    terminal.assert_usable();
    assert_eq!(processes(&terminal.results()), []);
    let outcome = &read_json(&terminal.results().join("summary.json"))["outcome"];
    assert_eq!(outcome, "stopped");
}

/// A new size and a key that come at the same moment are both seen: neither waits for the next key.
#[test]
fn no_key_is_lost_to_a_new_size() {
    let terminal = Terminal::open(80, 14);
    terminal.run("", "--set training.rounds=1000000 --set groups[0].count=12");
    terminal.wait_for_rows(0, 8);
    for turn in 0..20 {
        let (height, key, first) = [("13", "Down", 1), ("14", "Up", 0)][turn % 2];
        terminal.tmux(&["resize-window", "-y", height]);
        terminal.wait_for("the new size", |_| terminal.height() == height);
        terminal.keys(&[key]);
        terminal.wait_for("the row of the key", |screen| rows(screen).first() == Some(&first));
    }
    terminal.keys(&["C-c"]);
    terminal.wait_for_prompt();
}

/// With hangups ignored, as under nohup, a run outlives the terminal that shows it.
#[test]
fn a_run_outlives_its_terminal() {
    let terminal = Terminal::open(80, 24);
    terminal.run("trap '' HUP;", "--set training.rounds=60");
    terminal.wait_for_rows(0, 8);
    terminal.tmux(&["kill-server"]);
    let end = Instant::now() + PATIENCE;
    while !processes(&terminal.results()).is_empty() {
        assert!(Instant::now() < end, "the run does not end");
        std::thread::yield_now();
    }
    let summary = read_json(&terminal.results().join("summary.json"));
    assert_eq!(summary["outcome"], "completed", "{summary}");
    assert_eq!(summary["rounds"].as_array().unwrap().len(), 60);
}

#[test]
fn a_terminated_launcher_gives_the_terminal_back() {
    let terminal = Terminal::open(80, 24);
    terminal.run("", "--set training.rounds=1000000");
    terminal.wait_for_rows(0, 8);
    let pane = terminal.tmux(&["display-message", "-p", "#{pane_pid}"]);
    let shell = format!("/proc/{0}/task/{0}/children", pane.trim());
    let launcher = std::fs::read_to_string(shell).unwrap();
    let killed = Command::new("kill").arg(launcher.trim()).status().unwrap();
    assert!(killed.success());
    terminal.wait_for_prompt();
    assert!(terminal.scrollback().contains("error: interrupted by SIGTERM"));
    terminal.assert_usable();
}

#[test]
fn a_run_that_fails_gives_the_terminal_back_with_the_reason() {
    let terminal = Terminal::open(80, 24);
    terminal.run("", "--set training.rounds=1000000 --set failurePolicy.onPeerLoss=fail");
    terminal.wait_for_rows(0, 8);
    kill_peer(&terminal, 2);
    terminal.wait_for_prompt();
    let lines = terminal.scrollback();
    assert!(lines.contains("error: peer 2 was killed by signal 9"), "{lines}");
    assert!(lines.contains("1/1000000 "), "{lines}");
    terminal.assert_usable();
    assert_eq!(processes(&terminal.results()), []);
}

#[test]
fn a_lost_peer_is_shown_and_told_of_when_the_terminal_is_given_back() {
    let terminal = Terminal::open(80, 24);
    terminal.run(
        "",
        "--set training.rounds=1000000 --set restarts=0 --set liveness.heartbeatInterval=100ms --set liveness.heartbeatTimeout=1s",
    );
    terminal.wait_for_rows(0, 8);
    kill_peer(&terminal, 2);
    terminal.wait_for("the loss", |screen| {
        screen.iter().any(|line| line.contains("peer 2 is lost"))
    });
    terminal.keys(&["C-c"]);
    terminal.wait_for_prompt();
    let lines = terminal.scrollback();
    assert!(lines.contains("warning: peer 2 was killed by signal 9"), "{lines}");
}

fn kill_peer(terminal: &Terminal, index: u32) {
    let peers = processes(&terminal.results());
    let argument = format!("--index={index}\0");
    let (pid, _) = peers.iter().find(|(_, line)| line.contains(&argument)).unwrap();
    let killed = Command::new("kill").args(["-KILL", pid]).status().unwrap();
    assert!(killed.success());
}

#[test]
fn lines_are_printed_where_a_view_is_not_wanted_or_not_possible() {
    for (before, after) in [
        ("", "--plain"),
        ("", "--output json"),
        ("TERM=dumb", ""),
        // A job in the background would be stopped for touching the terminal.
        ("", "& true"),
    ] {
        let terminal = Terminal::open(200, 50);
        terminal.run(before, &format!("--set training.rounds=1000000 {after}"));
        terminal.wait_for("lines", |screen| {
            let is_round = |line: &String| line.trim_start().starts_with("1/1000000 ") || line.contains("\"round\":0,");
            screen.iter().any(is_round)
        });
        assert_eq!(terminal.tmux(&["display-message", "-p", "#{alternate_on}"]).trim(), "0");
        if after.ends_with("true") {
            terminal.keys(&["Enter", "kill $!; wait", "Enter"]);
        } else {
            terminal.keys(&["C-c"]);
        }
        terminal.wait_for("end", |screen| {
            let is_said = screen.iter().any(|line| line.contains("interrupted by SIG"));
            is_said && last_line(screen) == PROMPT
        });
        assert_eq!(processes(&terminal.results()), []);
    }
}
