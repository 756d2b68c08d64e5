//! Why something was not applied, and what to do about it.

use crate::build::BuildError;

/// The stable name of a namespace whose quota is used up.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// To read.
    Read,
    /// To create.
    Create,
    /// To apply.
    Apply,
    /// To delete.
    Delete,
    /// To be ended, which is a patch.
    End,
    /// To be sealed, which is a patch.
    Seal,
}

impl Doing {
    const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "created",
            Self::Apply => "applied",
            Self::Delete => "deleted",
            Self::End => "ended",
            Self::Seal => "sealed",
        }
    }
}

/// Why something was not applied.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ApplyError {
    #[error(
        "the {kind} {name} exists and does not belong to this experiment; it is left unchanged. Delete it, or rename the experiment"
    )]
    Foreign { kind: &'static str, name: String },
    #[error("an earlier {kind} {name} is still being deleted; this experiment starts when it is gone")]
    Former { kind: &'static str, name: String },
    #[error(
        "the Pod {name} was created without its labels or its owner reference: an admission plugin removed them. Exempt pods with the label app.kubernetes.io/managed-by=fltorrent-operator from it"
    )]
    Altered { name: String },
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("the {kind} {name} could not be {}{}", doing.word(), advice(kind, source))]
    Api {
        doing: Doing,
        kind: &'static str,
        name: String,
        source: Box<kube::Error>,
    },
}

impl ApplyError {
    /// A request that failed.
    pub fn api(doing: Doing, kind: &'static str, name: &str, error: kube::Error) -> Self {
        Self::Api {
            doing,
            kind,
            name: name.to_owned(),
            source: Box::new(error),
        }
    }

    /// The stable name, for conditions, events and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Foreign { .. } => "NameTaken",
            Self::Former { .. } => "FormerObjects",
            Self::Altered { .. } => "PodAltered",
            Self::Build(error) => error.reason(),
            Self::Api { source, .. } => classify(source),
        }
    }

    /// True if the namespace has no room for another pod or claim.
    pub fn is_no_room(&self) -> bool {
        matches!(
            self,
            Self::Api {
                doing: Doing::Create,
                kind: "Pod" | "PersistentVolumeClaim",
                ..
            }
        ) && self.reason() == QUOTA_EXCEEDED
    }

    /// True if it is published as an event: not what passes by itself.
    pub fn is_published(&self) -> bool {
        !matches!(
            self.reason(),
            "FormerObjects" | "Conflict" | "ApiUnavailable" | "ApiUnreachable"
        )
    }
}

/// The stable name of what an API server said.
pub fn classify(error: &kube::Error) -> &'static str {
    let kube::Error::Api(status) = error else {
        return "ApiUnreachable";
    };
    let says = |part: &str| status.message.contains(part);
    match status.code {
        403 if says("exceeded quota") || says("failed quota") => QUOTA_EXCEEDED,
        403 if says("violates PodSecurity") => "PodSecurityViolated",
        403 if says("is being terminated") => "NamespaceTerminating",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        400 | 422 => "InvalidObject",
        _ => "ApiUnavailable",
    }
}

/// The API server's message and a remedy, as the end of a sentence.
fn advice(kind: &str, error: &kube::Error) -> String {
    let said = match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    };
    let help = match classify(error) {
        QUOTA_EXCEEDED => match kind {
            "Pod" => {
                "raise the namespace's ResourceQuota, or lower spec.kubernetes.resources; the operator retries, and an attempt begins only when all fit"
            }
            "PersistentVolumeClaim" => {
                "raise the namespace's ResourceQuota, lower spec.kubernetes.storage, or delete unused claims; the operator retries, and keeps no new claim until all fit"
            }
            _ => "raise the namespace's ResourceQuota; the operator retries",
        },
        "PodSecurityViolated" => {
            "peers comply with the Pod Security Standard `restricted`; a setting in spec.kubernetes does not, or an admission plugin changed the pod"
        }
        "NamespaceTerminating" => "the namespace is being deleted",
        "Forbidden" => "the operator's role must allow it, or an admission plugin refuses it",
        "InvalidObject" => "correct spec.kubernetes, then suspend and resume",
        _ => "the operator retries",
    };
    format!(": {said}; {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: u16, message: &str) -> ApplyError {
        said_of("Pod", code, message)
    }

    fn said_of(kind: &'static str, code: u16, message: &str) -> ApplyError {
        let status = kube::core::Status {
            code,
            message: message.to_owned(),
            ..kube::core::Status::default()
        };
        let error = kube::Error::Api(Box::new(status));
        ApplyError::api(Doing::Create, kind, "x-0-0", error)
    }

    #[test]
    fn what_to_do_about_a_quota_follows_from_what_it_has_no_room_for() {
        for (kind, part, is_no_room) in [
            ("Pod", "spec.kubernetes.resources", true),
            ("PersistentVolumeClaim", "spec.kubernetes.storage", true),
            ("Service", "ResourceQuota; the operator retries", false),
        ] {
            let error = said_of(kind, 403, "exceeded quota: few");
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.is_no_room(), is_no_room);
        }
    }

    #[test]
    fn what_the_api_server_says_has_a_stable_name() {
        for (code, message, reason, told) in [
            (
                403,
                "pods \"x-0-0\" is forbidden: exceeded quota: few, requested: pods=1",
                "QuotaExceeded",
                true,
            ),
            (
                403,
                "pods \"x-0-0\" is forbidden: violates PodSecurity \"restricted:latest\"",
                "PodSecurityViolated",
                true,
            ),
            (
                403,
                "unable to create new content in namespace a because it is being terminated",
                "NamespaceTerminating",
                true,
            ),
            (
                403,
                "pods is forbidden: User \"o\" cannot create resource",
                "Forbidden",
                true,
            ),
            (422, "Pod \"x-0-0\" is invalid", "InvalidObject", true),
            (409, "the object has been modified", "Conflict", false),
            (429, "too many requests", "ApiUnavailable", false),
            (500, "etcdserver: leader changed", "ApiUnavailable", false),
        ] {
            let error = said(code, message);
            assert_eq!((error.reason(), error.is_published()), (reason, told));
            assert!(error.to_string().starts_with("the Pod x-0-0 could not be created: "));
            assert!(error.to_string().contains(message));
        }
    }
}
