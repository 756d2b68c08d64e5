//! What peers are told: the manifest, the hash of the plan that follows from it, and the certificate of their authority.

use fltorrent_coordinator::secret::RootSecret;
use k8s_openapi::api::core::v1::ConfigMap;

use super::{BuildError, owned};
use crate::validate::{Validated, manifest};

pub(super) fn build(validated: &Validated, root: &RootSecret) -> Result<ConfigMap, BuildError> {
    let authority = root.authority(validated.run)?;
    let data = [
        ("manifest.yaml", manifest(&validated.experiment)?),
        ("plan-hash", validated.plan.hash_text().to_owned()),
        ("authority.pem", authority.certificate_pem().to_owned()),
    ];
    Ok(ConfigMap {
        metadata: owned(validated, validated.name.clone()),
        data: Some(data.map(|(key, value)| (key.to_owned(), value)).into()),
        ..ConfigMap::default()
    })
}
