//! The operator's one secret: read from its Secret, made when that is missing.

use fltorrent_coordinator::secret::{RootSecret, SecretError};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::{Api, Client};

use crate::names;

/// The Secret's name in the operator's namespace.
pub const SECRET: &str = "fltorrent-operator-root";
/// The key in it that has the bytes.
const KEY: &str = "root";

/// Why there is no root secret.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// The API server.
    #[error("the Secret {SECRET} cannot be {doing}; the operator's role has to allow it")]
    Api {
        /// `read` or `made`.
        doing: &'static str,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A Secret without our key.
    #[error("the Secret {SECRET} has no key `{KEY}`; delete it, and a new one is made")]
    Missing,
    /// A secret that is none.
    #[error("the Secret {SECRET} cannot be used")]
    Secret(#[from] SecretError),
}

/// Reads the secret, or makes it. Of several replicas that do so at a time one makes it, and all read that one.
///
/// # Errors
/// When it can be neither read nor made, or is not what it should be.
pub async fn ensure(client: Client, namespace: &str) -> Result<RootSecret, RootError> {
    let secrets: Api<Secret> = Api::namespaced(client, namespace);
    let api = |doing| {
        move |error| RootError::Api {
            doing,
            source: Box::new(error),
        }
    };
    if let Some(secret) = secrets.get_opt(SECRET).await.map_err(api("read"))? {
        return read(&secret);
    }
    let root = RootSecret::generate()?;
    match secrets.create(&PostParams::default(), &made(&root)).await {
        Ok(_) => {
            tracing::info!(secret = SECRET, "the root secret was made");
            Ok(root)
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            read(&secrets.get(SECRET).await.map_err(api("read"))?)
        }
        Err(error) => Err(api("made")(error)),
    }
}

fn made(root: &RootSecret) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            labels: Some(
                [
                    (names::APP, names::APP_NAME),
                    (names::COMPONENT, "operator"),
                    (names::MANAGED_BY, names::MANAGER),
                ]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            ),
            ..ObjectMeta::default()
        },
        data: Some([(KEY.to_owned(), ByteString(root.as_bytes().to_vec()))].into()),
        immutable: Some(true),
        ..Secret::default()
    }
}

fn read(secret: &Secret) -> Result<RootSecret, RootError> {
    let bytes = secret
        .data
        .as_ref()
        .and_then(|data| data.get(KEY))
        .ok_or(RootError::Missing)?;
    Ok(RootSecret::from_bytes(&bytes.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_read_and_what_is_wrong_refused() {
        let root = RootSecret::generate().unwrap();
        assert_eq!(read(&made(&root)).unwrap().as_bytes(), root.as_bytes());
        let mut short = made(&root);
        short.data = Some([(KEY.to_owned(), ByteString(vec![1, 2]))].into());
        assert!(matches!(read(&short), Err(RootError::Secret(_))));
        short.data = None;
        assert!(matches!(read(&short), Err(RootError::Missing)));
    }
}
