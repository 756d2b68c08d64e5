//! Which Go modules are built, and how. Their versions are pinned by the `go.mod` and `go.sum` under `go/`.

use std::env::consts::ARCH;

/// A Go module, and the programs that come of it.
#[derive(Debug)]
pub struct Module {
    /// Folder under `go/`.
    pub name: &'static str,
    /// The module that its version is told by; none where it is our own code.
    main: Option<&'static str>,
    /// Files: names in its folder, and texts.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// Go packages, and the programs that they become.
    pub(super) targets: &'static [(&'static str, &'static str)],
    /// Variables that the linker sets: `{version}` stands for the version, `{minor}` for its second number, `{kubernetes}` for
    /// that of the Kubernetes that is built here.
    variables: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($folder:literal: $($name:literal),+) => {
        &[$(($name, include_str!(concat!("../../go/", $folder, "/", $name)))),+]
    };
}

/// All that is built; the largest first.
pub static MODULES: [Module; 5] = [
    Module {
        name: "kubernetes",
        main: Some("k8s.io/kubernetes"),
        files: files!("kubernetes": "go.mod", "go.sum"),
        targets: &[
            ("k8s.io/kubernetes/cmd/kube-apiserver", "kube-apiserver"),
            (
                "k8s.io/kubernetes/cmd/kube-controller-manager",
                "kube-controller-manager",
            ),
            ("k8s.io/kubernetes/cmd/kube-scheduler", "kube-scheduler"),
            ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
            ("k8s.io/kubernetes/cmd/kube-proxy", "kube-proxy"),
            ("k8s.io/kubernetes/cmd/kubectl", "kubectl"),
        ],
        // Without these, clients see v0.0.0 and refuse to work with it.
        variables: &[
            ("k8s.io/component-base/version.gitVersion", "{version}"),
            ("k8s.io/component-base/version.gitMajor", "1"),
            ("k8s.io/component-base/version.gitMinor", "{minor}"),
            ("k8s.io/client-go/pkg/version.gitVersion", "{version}"),
            ("k8s.io/client-go/pkg/version.gitMajor", "1"),
            ("k8s.io/client-go/pkg/version.gitMinor", "{minor}"),
        ],
    },
    Module {
        name: "etcd",
        main: Some("go.etcd.io/etcd/server/v3"),
        files: files!("etcd": "go.mod", "go.sum"),
        targets: &[("go.etcd.io/etcd/server/v3", "etcd")],
        variables: &[],
    },
    Module {
        name: "coredns",
        main: Some("github.com/coredns/coredns"),
        files: files!("coredns": "go.mod", "go.sum", "main.go"),
        targets: &[(".", "coredns")],
        variables: &[],
    },
    Module {
        name: "helm",
        main: Some("helm.sh/helm/v3"),
        files: files!("helm": "go.mod", "go.sum"),
        targets: &[("helm.sh/helm/v3/cmd/helm", "helm")],
        // Without these, it takes a cluster that it has not asked for one of 2020, and charts refuse that.
        variables: &[
            ("helm.sh/helm/v3/internal/version.version", "{version}"),
            ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor", "1"),
            ("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor", "{kubernetes}"),
            ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor", "1"),
            ("helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor", "{kubernetes}"),
        ],
    },
    Module {
        name: "images",
        main: None,
        files: files!("images": "go.mod", "pause/main.go", "probe/main.go"),
        targets: &[("./pause", "pause"), ("./probe", "probe")],
        variables: &[],
    },
];

impl Module {
    /// The names of its programs.
    pub(super) fn programs(&self) -> impl Iterator<Item = &'static str> {
        self.targets.iter().map(|(_, program)| *program)
    }

    /// The version that its `go.mod` pins; `v0` for our own.
    #[must_use]
    pub fn version(&self) -> &'static str {
        let texts = self.files.iter().filter(|(name, _)| *name == "go.mod");
        let lines = texts.flat_map(|(_, text)| text.lines());
        let mut found = lines.filter_map(|line| {
            let line = line.trim().trim_start_matches("require ");
            let version = line.strip_prefix(self.main?)?.strip_prefix(' ')?;
            version.split(' ').next()
        });
        found.next().unwrap_or("v0")
    }

    /// Folder in the cache: a different one for each change of its files or of its build.
    pub(super) fn folder(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let recipe = format!("{ARCH} {} {:?}", self.flags(), self.targets);
        let files = self.files.iter().flat_map(|(name, text)| [*name, *text]);
        for text in files.chain([recipe.as_str()]) {
            hasher.update(&text.len().to_le_bytes());
            hasher.update(text.as_bytes());
        }
        let hash = hasher.finalize().to_hex();
        format!("{}-{}", self.name, hash.get(..16).unwrap_or_default())
    }

    /// Flags of the linker: no debugging information, and the version.
    pub(super) fn flags(&self) -> String {
        let version = self.version();
        let (own, kubernetes) = (minor(version), minor(MODULES[0].version()));
        let mut flags = "-s -w".to_owned();
        for (variable, value) in self.variables {
            let value = value
                .replace("{version}", version)
                .replace("{minor}", own)
                .replace("{kubernetes}", kubernetes);
            flags += &format!(" -X {variable}={value}");
        }
        flags
    }
}

/// The second number of a version.
fn minor(version: &str) -> &str {
    version.split('.').nth(1).unwrap_or("0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_pinned_modules() {
        for module in &MODULES {
            let version = module.version();
            assert!(version.starts_with('v'), "{}: {version}", module.name);
            assert_eq!(version == "v0", module.main.is_none(), "{}", module.name);
        }
        assert!(MODULES[0].flags().contains("gitVersion=v1."), "{}", MODULES[0].flags());
    }

    #[test]
    fn helm_is_told_which_kubernetes_is_built() {
        let of = |name| MODULES.iter().find(|module| module.name == name).unwrap();
        let minor = minor(of("kubernetes").version());
        let flags = of("helm").flags();
        assert_eq!(flags.matches(&format!("k8sVersionMinor={minor}")).count(), 2, "{flags}");
    }

    #[test]
    fn the_parts_of_kubernetes_are_of_one_version() {
        let kubernetes = MODULES[0].version().replacen("v1.", "v0.", 1);
        let shared = ["k8s.io/api ", "k8s.io/apimachinery ", "k8s.io/client-go "];
        for module in MODULES
            .iter()
            .filter(|module| module.main.is_some() && module.name != "etcd")
        {
            let text = module.files[0].1;
            let lines = text.lines().filter(|line| {
                let line = line.trim();
                shared.iter().any(|name| line.starts_with(name)) && !line.contains("v0.0.0")
            });
            for line in lines {
                assert!(line.contains(&kubernetes), "{}: {line}", module.name);
            }
        }
    }
}
