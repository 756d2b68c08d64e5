//! What a pod says to its peer: a folder (a ConfigMap), environment variables, a token.

use std::{
    ffi::OsString,
    fmt,
    net::{Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use fltorrent_coordinator::{hub::MAX_TOKEN_BYTES, identity::RunId};
use fltorrent_crds::{Interval, PeerAddress, Plan, manifest, nodes::Nodes};
use fltorrent_peer::{
    checkpoint::{Folder, Resume},
    extend,
    process::Listen,
};
use fltorrent_records::text_file;

use crate::commands::peer::setup::listen;

const MANIFEST: &str = "manifest.yaml";
const PLAN_HASH: &str = "plan-hash";
const AUTHORITY: &str = "authority.pem";
/// The nodes file, for peers that have no names in a cluster's DNS.
const PEERS: &str = "peers.yaml";

const INDEX: &str = "FLTORRENT_INDEX";
const ATTEMPT: &str = "FLTORRENT_ATTEMPT";
const INCARNATION: &str = "FLTORRENT_INCARNATION";
const RUN: &str = "FLTORRENT_RUN";
const COORDINATOR: &str = "FLTORRENT_COORDINATOR";
const DOMAIN: &str = "FLTORRENT_PEERS_DOMAIN";
const RESUME: &str = "FLTORRENT_RESUME_ROUND";
const TOKEN: &str = "FLTORRENT_TOKEN";
const STATE: &str = "FLTORRENT_STATE";
/// Where checkpoints are kept, elsewhere than in the state folder.
const CHECKPOINTS: &str = "FLTORRENT_CHECKPOINTS";
/// Where results are kept, elsewhere than in the state folder.
const OUTPUT: &str = "FLTORRENT_OUTPUT";
const METRICS: &str = "FLTORRENT_METRICS";
const WAIT: &str = "FLTORRENT_WAIT";
/// Where the ending is written.
const TERMINATION: &str = "FLTORRENT_TERMINATION_LOG";

/// The UDP port of every peer in a cluster.
const QUIC_PORT: u16 = 7400;
const METRICS_PORT: u16 = 9400;
/// Pods of one experiment may be scheduled hours apart; whoever waits for a GPU is not lost.
const DEFAULT_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A variable of the environment by its name.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The settings of one peer in a pod.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) index: u32,
    pub(super) attempt: u32,
    /// The number of this pod among those of its peer in the attempt.
    pub(super) incarnation: u32,
    pub(super) run: RunId,
    pub(super) coordinator: PeerAddress,
    pub(super) resume: Option<Resume>,
    pub(super) token: PathBuf,
    pub(super) scratch: PathBuf,
    pub(super) checkpoints: Folder,
    pub(super) output: PathBuf,
    /// Where the peer's figures go.
    pub(super) records: Folder,
    pub(super) metrics: SocketAddr,
    pub(super) wait: Duration,
    pub(super) plan: Plan,
    pub(super) authority: String,
    pub(super) addresses: Vec<PeerAddress>,
    pub(super) listen: Listen,
}

/// Where the ending goes.
pub(super) fn termination_log(variable: Variable<'_>) -> PathBuf {
    variable(TERMINATION).map_or_else(|| "/dev/termination-log".into(), PathBuf::from)
}

impl Settings {
    /// Reads everything.
    ///
    /// # Errors
    /// All that is missing or wrong, a line each, with what to do.
    pub(super) fn read(folder: &Path, variable: Variable<'_>) -> Result<Self, String> {
        let mut reader = Reader {
            folder,
            variable,
            wrong: Vec::new(),
        };
        let number = |text: &str| text.parse::<u32>().map_err(|_| "a number such as 3".into());
        let index = reader.required(INDEX, number);
        let attempt = reader.required(ATTEMPT, number);
        let incarnation = reader.optional(INCARNATION, number);
        let run = reader.required(RUN, |text| {
            text.parse::<RunId>()
                .map_err(|_| "a run id, 32 lower-case hex digits".into())
        });
        let coordinator = reader.required(COORDINATOR, |text| {
            text.parse::<PeerAddress>().map_err(|error| error.to_string())
        });
        let resume = reader.optional(RESUME, |text| match text.parse() {
            Ok(rounds @ 1..) => Ok(Resume::After(rounds)),
            _ => Err("a number of finished rounds, at least 1; leave it out to start from scratch".into()),
        });
        let wait = reader.optional(WAIT, |text| {
            text.parse::<Interval>()
                .map(Interval::get)
                .map_err(|error| format!("a time such as 30s or 2h ({error})"))
        });
        let metrics = reader.optional(METRICS, |text| {
            text.parse::<SocketAddr>()
                .map_err(|_| "an address such as 127.0.0.1:9400".into())
        });
        let token = reader.path(TOKEN, "/var/run/secrets/fltorrent/token".into());
        if let Err(error) = read_token(&token) {
            reader.wrong.push(error);
        }
        let state = reader.path(STATE, "/var/lib/fltorrent".into());
        let checkpoints = reader.path(CHECKPOINTS, state.join("checkpoints"));
        let output = reader.path(OUTPUT, state.join("output"));
        let authority = reader.file(AUTHORITY);
        let plan = reader.plan();
        let others = plan
            .as_ref()
            .zip(index)
            .and_then(|(plan, index)| reader.others(plan, index));
        let wrong = std::mem::take(&mut reader.wrong);
        match (index, attempt, run, coordinator, plan, authority, others) {
            (
                Some(index),
                Some(attempt),
                Some(run),
                Some(coordinator),
                Some(plan),
                Some(authority),
                Some((addresses, listen)),
            ) if wrong.is_empty() => Ok(Self {
                index,
                attempt,
                incarnation: incarnation.unwrap_or(0),
                run,
                coordinator,
                resume,
                token,
                scratch: state.join("scratch"),
                // What lies below the state folder may be a claim that other pods write into.
                checkpoints: Folder::below(&state, &checkpoints),
                records: Folder::below(&state, &output.join("peers")),
                output,
                metrics: metrics.unwrap_or_else(|| (Ipv6Addr::UNSPECIFIED, METRICS_PORT).into()),
                wait: wait.unwrap_or(DEFAULT_WAIT),
                plan,
                authority,
                addresses,
                listen,
            }),
            _ => Err(wrong.join("\n")),
        }
    }
}

/// Looks at one thing after the other and collects what is wrong.
struct Reader<'a> {
    folder: &'a Path,
    variable: Variable<'a>,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn required<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        if (self.variable)(name).is_none() {
            self.wrong.push(format!(
                "{name} is missing: the operator sets it in each pod that it makes; set it when you start a peer manually"
            ));
        }
        self.optional(name, parse)
    }

    fn optional<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let value = (self.variable)(name)?;
        let parsed = match value.to_str() {
            Some(text) => parse(text),
            None => Err("text in UTF-8".to_owned()),
        };
        parsed
            .map_err(|expected| {
                let found: String = value.to_string_lossy().chars().take(80).collect();
                self.wrong.push(format!("{name} is `{found}`; expected {expected}"));
            })
            .ok()
    }

    fn path(&self, name: &str, default: PathBuf) -> PathBuf {
        (self.variable)(name).map_or(default, PathBuf::from)
    }

    fn file(&mut self, name: &str) -> Option<String> {
        let path = self.folder.join(name);
        text_file::read(&path, manifest::MAX_BYTES as u64)
            .map_err(|why| {
                self.wrong.push(format!(
                    "{}: {why}; it comes from the ConfigMap of the experiment",
                    path.display()
                ));
            })
            .ok()
    }

    /// The manifest's plan, if it is the one that the operator has made.
    fn plan(&mut self) -> Option<Plan> {
        let (text, expected) = (self.file(MANIFEST), self.file(PLAN_HASH));
        let (_, plan) = Plan::load_with(&text?, &[], extend::installed())
            .map_err(|errors| {
                let errors = errors.in_file(MANIFEST);
                let lines = errors.iter().map(|error| format!("{MANIFEST}: {error}"));
                self.wrong.extend(lines);
            })
            .ok()?;
        let expected = expected?;
        let mut words = expected.split_whitespace();
        let (hash, version) = (words.next().unwrap_or_default(), words.next());
        let own = plan.hash_text();
        if hash == own {
            return Some(plan);
        }
        let theirs = version.map_or_else(
            || "an operator of a different version".to_owned(),
            |version| format!("the operator ({version})"),
        );
        self.wrong.push(format!(
            "the plan of {MANIFEST} is {own} for this peer (fltorrent {}) and `{}` for {theirs}: give the peers an image of the operator's version",
            env!("CARGO_PKG_VERSION"),
            hash.chars().take(64).collect::<String>(),
        ));
        None
    }

    /// Where all peers are, and where this one listens.
    fn others(&mut self, plan: &Plan, index: u32) -> Option<(Vec<PeerAddress>, Listen)> {
        if index as usize >= plan.peers.len() {
            self.wrong.push(format!(
                "{INDEX} is `{index}`; expected 0 to {}: the plan has {} peers",
                plan.peers.len() - 1,
                plan.peers.len()
            ));
            return None;
        }
        if self.folder.join(PEERS).exists() {
            let text = self.file(PEERS)?;
            let nodes = Nodes::parse(&text)
                .and_then(|nodes| nodes.check(plan).map(|()| nodes))
                .map_err(|errors| {
                    let errors = errors.in_file(PEERS);
                    let lines = errors.iter().map(|error| format!("{PEERS}: {error}"));
                    self.wrong.extend(lines);
                })
                .ok()?;
            let listen = listen(&nodes, index);
            let addresses = nodes.peers.into_iter().map(|node| node.address);
            return Some((addresses.collect(), listen));
        }
        let peers = plan.peers.len();
        let addresses = self.required(DOMAIN, |domain| {
            (0..peers)
                .map(|peer| PeerAddress::new(&format!("peer-{peer}.{domain}"), QUIC_PORT))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| "a DNS domain such as mnist.team.svc.cluster.local".into())
        })?;
        Some((addresses, Listen::Port(QUIC_PORT)))
    }
}

/// The token, as it is now: a cluster replaces it long before it ends.
pub(super) fn read_token(path: &Path) -> Result<String, String> {
    let said = |why: &dyn fmt::Display| {
        format!(
            "{}: {why}; it is a projected service account token with the audience fltorrent.io",
            path.display()
        )
    };
    let text = text_file::read(path, MAX_TOKEN_BYTES as u64).map_err(|why| said(&why))?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(said(&"has no token"));
    }
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use tempfile::TempDir;

    use super::*;

    const QUICKSTART: &str = include_str!("../../../../../examples/quickstart.yaml");
    const HEX: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

    /// A pod of the quickstart's experiment.
    struct Pod {
        folder: TempDir,
        variables: BTreeMap<&'static str, String>,
    }

    impl Pod {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let plan = Plan::load(QUICKSTART, &[]).unwrap();
            let token = folder.path().join("token");
            for (name, text) in [
                (MANIFEST, QUICKSTART),
                (PLAN_HASH, &format!("{} 9.9.9\n", plan.hash_text())),
                (AUTHORITY, "a certificate"),
                ("token", " t0ken\n"),
            ] {
                fs::write(folder.path().join(name), text).unwrap();
            }
            let variables = [
                (INDEX, "3".to_owned()),
                (ATTEMPT, "0".to_owned()),
                (RUN, HEX.to_owned()),
                (COORDINATOR, "operator.system.svc:8443".to_owned()),
                (DOMAIN, "mnist.team.svc.cluster.local".to_owned()),
                (TOKEN, token.display().to_string()),
            ];
            Self {
                folder,
                variables: variables.into(),
            }
        }

        fn with(mut self, name: &'static str, value: &str) -> Self {
            self.variables.insert(name, value.to_owned());
            self
        }

        fn without(mut self, name: &str) -> Self {
            self.variables.remove(name);
            self
        }

        fn file(self, name: &str, text: &[u8]) -> Self {
            fs::write(self.folder.path().join(name), text).unwrap();
            self
        }

        fn no_file(self, name: &str) -> Self {
            fs::remove_file(self.folder.path().join(name)).unwrap();
            self
        }

        fn read(&self) -> Result<Settings, String> {
            let variable = |name: &str| self.variables.get(name).map(OsString::from);
            Settings::read(self.folder.path(), &variable)
        }
    }

    #[test]
    fn a_pod_of_the_operator_is_understood() {
        let pod = Pod::new();
        let settings = pod.read().unwrap();
        assert_eq!((settings.index, settings.attempt), (3, 0));
        assert_eq!(settings.run.to_string(), HEX);
        assert_eq!(settings.coordinator.to_string(), "operator.system.svc:8443");
        assert_eq!(settings.resume, None);
        assert_eq!(settings.metrics.to_string(), "[::]:9400");
        assert_eq!(settings.scratch, Path::new("/var/lib/fltorrent/scratch"));
        let checkpoints = Path::new("/var/lib/fltorrent/checkpoints");
        assert_eq!(settings.checkpoints.path(), checkpoints);
        assert_eq!(settings.output, Path::new("/var/lib/fltorrent/output"));
        assert_eq!(settings.listen, Listen::Port(7400));
        assert_eq!(settings.addresses.len(), settings.plan.peers.len());
        assert_eq!(
            settings.addresses[5].to_string(),
            "peer-5.mnist.team.svc.cluster.local:7400"
        );
        assert_eq!(read_token(&settings.token).unwrap(), "t0ken");
    }

    #[test]
    fn what_may_be_set_is_taken() {
        let settings = Pod::new()
            .with(RESUME, "7")
            .with(WAIT, "90s")
            .with(METRICS, "127.0.0.1:0")
            .with(STATE, "/srv")
            .with(CHECKPOINTS, "/claim/x/peer-3/checkpoints")
            .read()
            .unwrap();
        assert_eq!(settings.resume, Some(Resume::After(7)));
        assert_eq!(settings.wait, Duration::from_secs(90));
        assert_eq!(settings.metrics.to_string(), "127.0.0.1:0");
        assert_eq!(settings.scratch, Path::new("/srv/scratch"));
        let checkpoints = Path::new("/claim/x/peer-3/checkpoints");
        assert_eq!(settings.checkpoints.path(), checkpoints);
        assert_eq!(settings.output, Path::new("/srv/output"));
        let settings = Pod::new().with(OUTPUT, "/claim").read().unwrap();
        assert_eq!(settings.output, Path::new("/claim"));
        let none = |_: &str| None;
        assert_eq!(termination_log(&none), Path::new("/dev/termination-log"));
        let there = |name: &str| (name == TERMINATION).then(|| OsString::from("/x"));
        assert_eq!(termination_log(&there), Path::new("/x"));
    }

    #[test]
    fn a_nodes_file_takes_the_place_of_names() {
        let peers: Vec<String> = (0..8)
            .map(|peer| format!("{{index: {peer}, address: \"127.0.0.1:{}\"}}", 9000 + peer))
            .collect();
        let text = format!("peers: [{}]", peers.join(", "));
        let pod = Pod::new().without(DOMAIN).file(PEERS, text.as_bytes());
        let settings = pod.read().unwrap();
        assert_eq!(settings.listen, Listen::Port(9003));
        assert_eq!(settings.addresses[7].to_string(), "127.0.0.1:9007");
        for (wrong, message) in [
            ("peers: []", "peers.yaml: peers"),
            ("peers: [{index: 0, address: a:1}]", "the file has 1 peers"),
            ("hello", "peers.yaml: "),
        ] {
            let error = Pod::new().file(PEERS, wrong.as_bytes()).read().unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn each_missing_thing_is_named_with_what_to_do() {
        for name in [INDEX, ATTEMPT, RUN, COORDINATOR, DOMAIN] {
            let error = Pod::new().without(name).read().unwrap_err();
            assert!(
                error.starts_with(&format!("{name} is missing: the operator sets it")),
                "{error}"
            );
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        for name in [MANIFEST, PLAN_HASH, AUTHORITY] {
            let error = Pod::new().no_file(name).read().unwrap_err();
            assert!(error.contains(&format!("{name}: cannot be read")), "{error}");
            assert!(error.contains("ConfigMap"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        let error = Pod::new().no_file("token").read().unwrap_err();
        assert!(error.contains("audience fltorrent.io"), "{error}");
        let nothing = Pod::new().without(INDEX).without(RUN).no_file(AUTHORITY).read();
        assert_eq!(nothing.unwrap_err().lines().count(), 3);
    }

    #[test]
    fn each_wrong_value_is_named_with_what_would_do() {
        for (name, value, message) in [
            (INDEX, "-1", "FLTORRENT_INDEX is `-1`; expected a number"),
            (INDEX, "8", "expected 0 to 7: the plan has 8 peers"),
            (INDEX, "", "FLTORRENT_INDEX is ``"),
            (ATTEMPT, "one", "FLTORRENT_ATTEMPT is `one`"),
            (ATTEMPT, "4294967296", "expected a number"),
            (INCARNATION, "-1", "FLTORRENT_INCARNATION is `-1`; expected a number"),
            (INCARNATION, "", "FLTORRENT_INCARNATION is ``"),
            (INCARNATION, "4294967296", "expected a number"),
            (RUN, "5A", "expected a run id"),
            (COORDINATOR, "operator", "has no port"),
            (COORDINATOR, "operator:0", "has no port"),
            (DOMAIN, "a..b", "expected a DNS domain"),
            (DOMAIN, "a b", "expected a DNS domain"),
            (RESUME, "0", "at least 1"),
            (RESUME, "newest", "at least 1"),
            (METRICS, "9400", "expected an address"),
            (WAIT, "soon", "expected a time"),
            (TOKEN, "/nowhere/token", "cannot be read"),
        ] {
            let error = Pod::new().with(name, value).read().unwrap_err();
            assert!(error.contains(message), "{name}={value}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        for (name, text, message) in [
            (MANIFEST, &b"kind: Pod"[..], "manifest.yaml: "),
            (MANIFEST, b"\xff", "offset 0, in line 1, is not UTF-8"),
            (AUTHORITY, b"\xff", "offset 0, in line 1, is not UTF-8"),
            ("token", b"", "has no token"),
            ("token", b"two words", "has no token"),
            ("token", &[b'x'; MAX_TOKEN_BYTES + 1], "more than 8192 bytes"),
        ] {
            let error = Pod::new().file(name, text).read().unwrap_err();
            assert!(error.contains(message), "{name}: {error}");
        }
    }

    #[test]
    fn a_plan_of_another_version_is_refused_with_both() {
        let own = Plan::load(QUICKSTART, &[]).unwrap().hash_text();
        let other = "1".repeat(64);
        for (text, theirs) in [
            (format!("{other} 9.9.9\n"), "the operator (9.9.9)"),
            (other.clone(), "an operator of a different version"),
        ] {
            let error = Pod::new().file(PLAN_HASH, text.as_bytes()).read();
            let error = error.unwrap_err();
            for part in [&own, &other, theirs, env!("CARGO_PKG_VERSION"), "image"] {
                assert!(error.contains(part), "{error} has not {part}");
            }
        }
        let empty = Pod::new().file(PLAN_HASH, b"").read().unwrap_err();
        assert!(empty.contains(&own), "{empty}");
    }
}
