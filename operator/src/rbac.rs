//! What the operator may do, each rule with its reason. This table is the one source of the chart's roles: `fltorrent-operator rbac` prints it,
//! and the chart has what is printed.

use std::fmt::Write;

use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::{lease, root};

/// Where a rule holds.
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
    /// Where.
    pub place: Place,
    /// The API group.
    pub group: &'static str,
    /// The resources.
    pub resources: &'static [&'static str],
    /// Only objects of this name; none: all.
    pub name: Option<&'static str>,
    /// The verbs.
    pub verbs: &'static [&'static str],
    /// What it is needed for.
    pub why: &'static str,
}

/// Everything that the operator may do.
pub const RULES: [Rule; 13] = [
    Rule {
        place: Place::Experiments,
        group: "fltorrent.io",
        resources: &["fltorrentexperiments"],
        name: None,
        verbs: &["get", "list", "watch"],
        why: "follow experiments, and read one anew before anything is decided after a change of leader",
    },
    Rule {
        place: Place::Experiments,
        group: "fltorrent.io",
        resources: &["fltorrentexperiments/status"],
        name: None,
        verbs: &["patch"],
        why: "tell how an experiment gets on, by server-side apply",
    },
    Rule {
        place: Place::Experiments,
        group: "",
        resources: &["pods"],
        name: None,
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "make, seal and remove peers, and read the pod that a token belongs to; of their specification only the deadline is changed, to end what outlives a peer",
    },
    Rule {
        place: Place::Experiments,
        group: "",
        resources: &["pods/log"],
        name: None,
        verbs: &["get"],
        why: "show the last lines of a peer that failed in an event",
    },
    Rule {
        place: Place::Experiments,
        group: "",
        resources: &["configmaps", "services"],
        name: None,
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "tell peers their manifest and give them names, by server-side apply; list and delete for what is left over",
    },
    Rule {
        place: Place::Experiments,
        group: "networking.k8s.io",
        resources: &["networkpolicies"],
        name: None,
        verbs: &["get", "list", "watch", "create", "patch", "delete"],
        why: "let only the peers of one experiment talk to each other; list and delete for what is left over",
    },
    Rule {
        place: Place::Experiments,
        group: "",
        resources: &["persistentvolumeclaims"],
        name: None,
        verbs: &["get", "create", "delete"],
        why: "make claims for checkpoints and results where an experiment asks for them, and delete those just made when there is no room for all; others are never changed or deleted",
    },
    Rule {
        place: Place::Experiments,
        group: "events.k8s.io",
        resources: &["events"],
        name: None,
        verbs: &["create"],
        why: "tell what happened",
    },
    Rule {
        place: Place::Cluster,
        group: "authentication.k8s.io",
        resources: &["tokenreviews"],
        name: None,
        verbs: &["create"],
        why: "learn which pod asks for a certificate",
    },
    Rule {
        place: Place::Own,
        group: "",
        resources: &["secrets"],
        name: Some(root::SECRET),
        verbs: &["get"],
        why: "read the root secret, from which all authorities follow",
    },
    Rule {
        place: Place::Own,
        group: "",
        resources: &["secrets"],
        name: None,
        verbs: &["create"],
        why: "make the root secret when it is missing; a name cannot be given for create",
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
        why: "make that lease; a name cannot be given for create",
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
