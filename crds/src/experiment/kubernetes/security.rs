use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whom the processes of a pod run as and to which groups its volumes are handed, as a pod has it. What is left out the platform chooses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SecurityContext {
    /// The user; without it the platform's, or else the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_user: Option<u32>,
    /// The user's first group; without it the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub run_as_group: Option<u32>,
    /// The group that volumes are handed to; without it the platform's, or else volumes stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub fs_group: Option<u32>,
    /// When a volume's files are handed to that group; without it OnRootMismatch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group_change_policy: Option<FsGroupChangePolicy>,
    /// More groups of the user, such as the owner of a share.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 1, max = 2_147_483_647)))]
    pub supplemental_groups: Vec<u32>,
}

/// When a volume's files are handed to the group: `Always`, `OnRootMismatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum FsGroupChangePolicy {
    Always,
    OnRootMismatch,
}
