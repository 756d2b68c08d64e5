//! What the operator may do, each rule with its reason. This table is the one source of the chart's roles: `fltorrent-operator rbac` prints it,
//! and the chart has what is printed.

use std::fmt::Write;

use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::{lease, root};

/// The scope of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Place {
    /// Wherever there are experiments: a ClusterRole, or a Role in the one namespace that is watched.
    Experiments,
    /// In the whole cluster, also where one namespace is watched.
    Cluster,
    /// In the operator's namespace.
    Own,
}

/// One thing that the operator may do.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The scope.
    pub place: Place,
    /// The API group.
    pub group: &'static str,
    /// The resources.
    pub resources: &'static [&'static str],
    /// Only objects of this name; none: all.
    pub name: Option<&'static str>,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// The reason for the rule.
    pub why: &'static str,
}

/// Everything that the operator may do.
pub const RULES: [Rule; 14] = [
    Rule {
        place: Place::Experiments,
        group: "fltorrent.io",
        resources: &["fltorrentexperiments"],
        name: None,
        verbs: &["get", "list", "watch"],
        why: "watch experiments, and read one again before deciding after a change of leader",
    },
    Rule {
        place: Place::Experiments,
        group: "fltorrent.io",
        resources: &["fltorrentexperiments/status"],
        name: None,
        verbs: &["patch"],
        why: "report the status of an experiment, by server-side apply",
    },
    Rule {
        place: Place::Experiments,
        group: "",
        resources: &["pods"],
        name: None,
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "create, seal and delete peers, and read the pod of a token; of their spec only the deadline is changed, to stop what outlives a peer",
    },
    Rule {
        place: Place::Experiments,
        group: "",
        resources: &["pods/log"],
        name: None,
        verbs: &["get"],
        why: "show the last log lines of a failed peer in an event",
    },
    Rule {
        place: Place::Experiments,
        group: "",
        resources: &["configmaps", "services"],
        name: None,
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "give peers their manifest and DNS names, by server-side apply; list and delete for leftovers",
    },
    Rule {
        place: Place::Experiments,
        group: "networking.k8s.io",
        resources: &["networkpolicies"],
        name: None,
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "isolate the peers of each experiment; list and delete for leftovers",
    },
    Rule {
        place: Place::Experiments,
        group: "policy",
        resources: &["poddisruptionbudgets"],
        name: None,
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "keep drains of nodes from taking more peers than an experiment can miss; list and delete for leftovers",
    },
    Rule {
        place: Place::Experiments,
        group: "",
        resources: &["persistentvolumeclaims"],
        name: None,
        verbs: &["get", "list", "watch", "create", "delete"],
        why: "create claims for checkpoints and results where an experiment requests them, again when one is gone, and delete those just created when not all fit; others are never changed or deleted",
    },
    Rule {
        place: Place::Experiments,
        group: "events.k8s.io",
        resources: &["events"],
        name: None,
        verbs: &["create"],
        why: "publish events",
    },
    Rule {
        place: Place::Cluster,
        group: "authentication.k8s.io",
        resources: &["tokenreviews"],
        name: None,
        verbs: &["create"],
        why: "verify which pod requests a certificate",
    },
    Rule {
        place: Place::Own,
        group: "",
        resources: &["secrets"],
        name: Some(root::SECRET),
        verbs: &["get"],
        why: "read the root secret, from which all authorities are derived",
    },
    Rule {
        place: Place::Own,
        group: "",
        resources: &["secrets"],
        name: None,
        verbs: &["create"],
        why: "create the root secret if it is missing; create cannot be restricted to a name",
    },
    Rule {
        place: Place::Own,
        group: "coordination.k8s.io",
        resources: &["leases"],
        name: Some(lease::driver::LEASE),
        verbs: &["get", "update"],
        why: "hold and renew the lease of the leader",
    },
    Rule {
        place: Place::Own,
        group: "coordination.k8s.io",
        resources: &["leases"],
        name: None,
        verbs: &["create"],
        why: "create that lease; create cannot be restricted to a name",
    },
];

impl Rule {
    /// As a role has it.
    pub fn policy(&self) -> PolicyRule {
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        PolicyRule {
            api_groups: Some(vec![self.group.to_owned()]),
            resources: Some(all(self.resources)),
            resource_names: self.name.map(|name| vec![name.to_owned()]),
            verbs: all(self.verbs),
            non_resource_urls: None,
        }
    }
}

/// The rules of a place as YAML, each with its reason as a comment.
pub fn yaml(place: Place) -> String {
    let mut text = String::new();
    for rule in RULES.iter().filter(|rule| rule.place == place) {
        let list = |names: &[&str]| {
            let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
            format!("[{}]", quoted.join(", "))
        };
        let mut line = |indent: &str, line: String| writeln!(text, "{indent}{line}");
        // Writing to a text never fails.
        let _ = line("", format!("# {}", rule.why));
        let _ = line("- ", format!("apiGroups: {}", list(&[rule.group])));
        let _ = line("  ", format!("resources: {}", list(rule.resources)));
        if let Some(name) = rule.name {
            let _ = line("  ", format!("resourceNames: {}", list(&[name])));
        }
        let _ = line("  ", format!("verbs: {}", list(rule.verbs)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_the_same_as_the_table() {
        for place in [Place::Experiments, Place::Cluster, Place::Own] {
            let read: Vec<PolicyRule> = serde_saphyr::from_str(&yaml(place)).unwrap();
            let table: Vec<_> = RULES
                .iter()
                .filter(|rule| rule.place == place)
                .map(Rule::policy)
                .collect();
            assert_eq!(read, table);
        }
    }

    #[test]
    fn nothing_is_allowed_wholesale() {
        for rule in RULES {
            let words = [rule.resources, rule.verbs].concat();
            assert!(!words.contains(&"*") && !rule.why.is_empty());
            let secrets = rule.resources.contains(&"secrets");
            assert!(!secrets || rule.place == Place::Own);
        }
    }
}
