use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CLAIM_PREFIX_PATTERN, MOUNT_PATH_PATTERN, OBJECT_NAME_PATTERN, SUB_PATH_PATTERN};

/// Where the files that `data` (and `model.initFrom`) names are. A URL needs nothing of it. A relative path counts from
/// mountPath, or with type image from the image's working folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("(self.type == 'claim') == has(self.claim)")
        .message(Message::Message("claim must be there exactly when type is claim".into())),
    validation = Rule::new("(self.type == 'claimByIndex') == has(self.claimByIndex)")
        .message(Message::Message("claimByIndex must be there exactly when type is claimByIndex".into())),
)]
#[serde(rename_all = "camelCase")]
pub struct KubernetesData {
    /// Which member holds the settings; image, the files that the image has, has none.
    #[serde(rename = "type", default)]
    pub kind: KubernetesDataType,
    /// One claim, which all peers read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<MountedClaim>,
    /// A claim for each peer, named by its index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_by_index: Option<MountedClaimByIndex>,
}

/// Where a pod's data files are: `image`, `claim`, `claimByIndex`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub enum KubernetesDataType {
    #[default]
    Image,
    Claim,
    ClaimByIndex,
}

/// A claim of the experiment's namespace, read by all peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MountedClaim {
    /// The claim's name.
    #[schemars(length(min = 1, max = 253), regex(pattern = OBJECT_NAME_PATTERN))]
    pub claim_name: String,
    /// The folder in it; without it all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = SUB_PATH_PATTERN))]
    pub sub_path: Option<String>,
    /// The folder where a peer finds it.
    #[serde(default = "data_folder")]
    #[schemars(length(min = 2, max = 1024), regex(pattern = MOUNT_PATH_PATTERN))]
    pub mount_path: String,
}

/// Claims of the experiment's namespace, each read by one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MountedClaimByIndex {
    /// What stands before the peer's index in a claim's name: with `data-`, peer 3 reads the claim `data-3`.
    #[schemars(length(min = 1, max = 200), regex(pattern = CLAIM_PREFIX_PATTERN))]
    pub prefix: String,
    /// The folder in each; without it all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = SUB_PATH_PATTERN))]
    pub sub_path: Option<String>,
    /// The folder where a peer finds it.
    #[serde(default = "data_folder")]
    #[schemars(length(min = 2, max = 1024), regex(pattern = MOUNT_PATH_PATTERN))]
    pub mount_path: String,
}

fn data_folder() -> String {
    "/data".to_owned()
}

/// Claims of the experiment's namespace, one for each peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimByIndex {
    /// What stands before the peer's index in a claim's name: with `out-`, peer 3 has the claim `out-3`.
    #[schemars(length(min = 1, max = 200), regex(pattern = CLAIM_PREFIX_PATTERN))]
    pub prefix: String,
}
