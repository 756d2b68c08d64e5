//! What a pod and its container may do, and whom they run as: what Pod Security's `restricted` asks for, and no file system to write to.

use fltorrent_crds::experiment::kubernetes::{Kubernetes, SecurityContext as Given};
use k8s_openapi::api::core::v1::{Capabilities, PodSecurityContext, SeccompProfile, SecurityContext};

use super::{BuildError, Site, convert::same};
use crate::config::PeerUser;

/// The pod's own: the experiment's users and groups, or the site's.
pub(super) fn of_pod(kubernetes: &Kubernetes, site: &Site) -> Result<PodSecurityContext, BuildError> {
    let of_site = || match site.peer_user {
        PeerUser::Platform => Given::default(),
        PeerUser::Fixed(user) => Given {
            run_as_user: Some(user),
            run_as_group: Some(user),
            fs_group: Some(user),
            ..Given::default()
        },
    };
    let given = kubernetes.security_context.clone().unwrap_or_else(of_site);
    let users: PodSecurityContext = same("securityContext", &given)?;
    let policy = users.fs_group_change_policy;
    Ok(PodSecurityContext {
        // Also for a group that the platform chooses: checkpoints of a large model are not looked through at each start.
        fs_group_change_policy: policy.or_else(|| Some("OnRootMismatch".to_owned())),
        run_as_non_root: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..users
    })
}

pub(super) fn of_container() -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: None,
        }),
        read_only_root_filesystem: Some(true),
        ..SecurityContext::default()
    }
}
