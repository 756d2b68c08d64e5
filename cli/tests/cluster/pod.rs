//! Peers' processes with what a pod has: a ConfigMap's folder, an environment, a token, folders of their own.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
};

use fltorrent_cli::manifest::Resolved;
use fltorrent_coordinator::{ending::Ending, identity::RunId, secret::RootSecret};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    sync::mpsc,
};

pub(crate) const RUN: RunId = RunId::from_bytes([7; 16]);

pub(crate) fn root() -> RootSecret {
    RootSecret::from_bytes(&[9; 32]).unwrap()
}

/// A loopback address that no other test uses, of this process or of another one.
fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let next = u8::try_from(NEXT.fetch_add(1, Ordering::Relaxed)).unwrap();
    Ipv4Addr::new(127, 64 + high % 128, low, next)
}

/// The objects that an operator creates for an experiment, except its pods.
pub(crate) struct Experiment {
    folder: TempDir,
    hosts: Vec<Ipv4Addr>,
    pub(crate) peers: u32,
    pub(crate) rounds: u32,
    pub(crate) coordinator: String,
}

impl Experiment {
    /// The quickstart with settings.
    pub(crate) fn new(sets: &[&str]) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/quickstart.yaml");
        let sets: Vec<_> = sets
            .iter()
            .map(|set| set.split_once('=').unwrap())
            .map(|(path, value)| (path.to_owned(), value.to_owned()))
            .collect();
        let resolved = Resolved::read(&path, &sets).unwrap();
        let plan = &resolved.plan;
        let folder = tempfile::tempdir().unwrap();
        let hosts: Vec<Ipv4Addr> = plan.peers.iter().map(|_| own_address()).collect();
        let nodes: Vec<String> = (0..)
            .zip(&hosts)
            .map(|(index, host)| format!("{{index: {index}, address: \"{host}:7400\", bind: \"{host}:7400\"}}"))
            .collect();
        let config = folder.path().join("config");
        fs::create_dir(&config).unwrap();
        let authority = root().authority(RUN).unwrap();
        for (name, text) in [
            ("manifest.yaml", resolved.yaml().unwrap().as_str()),
            ("plan-hash", &plan.hash_text()),
            ("authority.pem", authority.certificate_pem()),
            ("peers.yaml", &format!("peers: [{}]", nodes.join(", "))),
        ] {
            fs::write(config.join(name), text).unwrap();
        }
        let experiment = Self {
            folder,
            peers: u32::try_from(hosts.len()).unwrap(),
            rounds: plan.training.rounds,
            coordinator: format!("{}:8443", own_address()),
            hosts,
        };
        for index in 0..experiment.peers {
            fs::create_dir(experiment.pod(index)).unwrap();
            experiment.write_token(index, &format!("token-of-{index}"));
        }
        experiment
    }

    fn pod(&self, index: u32) -> PathBuf {
        self.folder.path().join(format!("pod-{index}"))
    }

    /// The folder that stays from one attempt to the next.
    pub(crate) fn state(&self, index: u32) -> PathBuf {
        self.pod(index).join("state")
    }

    pub(crate) fn config(&self, name: &str) -> PathBuf {
        self.folder.path().join("config").join(name)
    }

    pub(crate) fn write_token(&self, index: u32, token: &str) {
        // As a kubelet does: the file is never seen half.
        let path = self.pod(index).join("token");
        let draft = path.with_extension("new");
        fs::write(&draft, token).unwrap();
        fs::rename(draft, path).unwrap();
    }

    /// The first attempt of a peer.
    pub(crate) fn start(&self, index: u32) -> Pod {
        self.spawn(index, (0, 0), None)
    }

    /// A later attempt of a peer, which begins with round 0.
    pub(crate) fn anew(&self, index: u32, attempt: u32) -> Pod {
        self.spawn(index, (attempt, 0), None)
    }

    /// A later attempt of a peer, which goes on after so many finished rounds.
    pub(crate) fn resume(&self, index: u32, attempt: u32, rounds: u32) -> Pod {
        self.spawn(index, (attempt, 0), Some(rounds))
    }

    /// The next process of a peer in the first attempt, with a token of its own.
    pub(crate) fn replace(&self, index: u32, incarnation: u32) -> Pod {
        self.write_token(index, &format!("token-of-{index}-{incarnation}"));
        self.spawn(index, (0, incarnation), None)
    }

    fn spawn(&self, index: u32, (attempt, incarnation): (u32, u32), resume: Option<u32>) -> Pod {
        let (pod, host) = (self.pod(index), self.hosts[index as usize]);
        let ending = pod.join("termination-log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_fltorrent"));
        command
            .args(["peer", "--in-cluster"])
            .arg(self.folder.path().join("config"))
            .env("FLTORRENT_INDEX", index.to_string())
            .env("FLTORRENT_ATTEMPT", attempt.to_string())
            .env("FLTORRENT_INCARNATION", incarnation.to_string())
            .env("FLTORRENT_RUN", RUN.to_string())
            .env("FLTORRENT_COORDINATOR", &self.coordinator)
            .env("FLTORRENT_TOKEN", pod.join("token"))
            .env("FLTORRENT_STATE", pod.join("state"))
            .env("FLTORRENT_METRICS", format!("{host}:9400"))
            .env("FLTORRENT_TERMINATION_LOG", &ending);
        if let Some(rounds) = resume {
            command.env("FLTORRENT_RESUME_ROUND", rounds.to_string());
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, lines) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Pod {
            child,
            lines,
            log: String::new(),
            ending,
        }
    }

    /// Status and body of a response of a peer's HTTP server.
    pub(crate) async fn get(&self, index: u32, path: &str) -> (u16, String) {
        let host = self.hosts[index as usize];
        let mut stream = TcpStream::connect((host, 9400)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// The hash of the model that `fltorrent run` ends with.
    pub(crate) async fn run_alone(&self) -> String {
        let out = self.folder.path().join("alone");
        let output = Command::new(env!("CARGO_BIN_EXE_fltorrent"))
            .args(["run", "--quiet"])
            .arg(self.config("manifest.yaml"))
            .arg("--out")
            .arg(&out)
            .output()
            .await
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let summary = fs::read_to_string(out.join("summary.json")).unwrap();
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        summary["modelHash"].as_str().unwrap().to_owned()
    }
}

/// One peer's process.
pub(crate) struct Pod {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    log: String,
    ending: PathBuf,
}

impl Pod {
    /// Reads the log up to a line that has a text in it.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            let Some(line) = self.lines.recv().await else {
                panic!("the log has ended without `{text}`:\n{}", self.log);
            };
            self.log.push_str(&line);
            self.log.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The index of a round that ends from now on, not one of which the log has told already.
    pub(crate) async fn round_after_now(&mut self) -> u32 {
        while let Ok(line) = self.lines.try_recv() {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        let line = self.until("finished a round").await;
        let (_, rest) = line.split_once("round=").unwrap();
        let done: u32 = rest.split('/').next().unwrap().parse().unwrap();
        done - 1
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end of one that was killed, and leaves nothing.
    pub(crate) async fn died(mut self) {
        while self.lines.recv().await.is_some() {}
        self.child.wait().await.unwrap();
    }

    /// Waits for the end: exit code, log, and the message that it left.
    pub(crate) async fn end(mut self) -> (Option<i32>, String, Ending) {
        while let Some(line) = self.lines.recv().await {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        let status = self.child.wait().await.unwrap();
        let message = fs::read_to_string(&self.ending).expect(&self.log);
        let ending = Ending::from_message(&message).unwrap();
        (status.code(), self.log, ending)
    }
}
