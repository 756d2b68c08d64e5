//! The operator's one secret: read from its Secret, made when that is missing.

use std::time::Duration;

use fltorrent_coordinator::secret::{RootSecret, SecretError};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};
use tokio::time::{sleep, timeout};

use crate::{apply::classify, backoff, names};

/// The Secret's name in the operator's namespace.
pub const SECRET: &str = "fltorrent-operator-root";
/// The key in it that has the bytes.
const KEY: &str = "root";
/// Time to wait for an answer before asking again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why there is no root secret.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum RootError {
    #[error("the Secret {SECRET} cannot be {doing}{}", advice(source))]
    Api {
        doing: &'static str,
        source: Box<kube::Error>,
    },
    #[error("the Secret {SECRET} cannot be read: the API server has not answered for {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the Secret {SECRET} has no key `{KEY}`; delete it to have a new one created")]
    Missing,
    #[error("the Secret {SECRET} cannot be used")]
    Secret(#[from] SecretError),
}

impl RootError {
    /// True if it may be otherwise in a while. A role may come after the operator, as its authorizer's cache does after an API server's
    /// start.
    fn passes(&self) -> bool {
        match self {
            Self::Api { source, .. } => !matches!(classify(source), "NotFound" | "InvalidObject"),
            Self::Silent => true,
            Self::Missing | Self::Secret(_) => false,
        }
    }
}

/// A remedy, as the end of a sentence.
fn advice(error: &kube::Error) -> &'static str {
    match classify(error) {
        "Forbidden" => "; the operator's role must allow it",
        "NotFound" => "; the operator's namespace must exist",
        "ApiUnreachable" => ": the API server does not answer",
        _ => ": the API server cannot do it now",
    }
}

/// Reads the secret, or makes it. Of several replicas that do so at a time one makes it, and all read that one. An API server that is away
/// is waited for.
///
/// # Errors
/// When it is not what it should be, or can never be read or made.
pub async fn ensure(client: Client, namespace: &str) -> Result<RootSecret, RootError> {
    let mut failures = 0;
    loop {
        let tried = timeout(PATIENCE, once(client.clone(), namespace)).await;
        let error = match tried.unwrap_or(Err(RootError::Silent)) {
            Err(error) if error.passes() => error,
            ended => return ended,
        };
        let wait = backoff::API.after(failures);
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::warn!(%error, cause, "retrying in {} s", wait.as_secs());
        failures = failures.saturating_add(1);
        sleep(wait).await;
    }
}

async fn once(client: Client, namespace: &str) -> Result<RootSecret, RootError> {
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
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use hyper::StatusCode;

    use super::*;
    use crate::test_api;

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

    /// Away for more than 30 s, then not yet sure of anybody's rights, as an API server is when it starts; the clock is virtual.
    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_is_away_is_waited_for() {
        let asked = Arc::new(AtomicU32::new(0));
        let root = RootSecret::generate().unwrap();
        let secret = serde_json::to_value(made(&root)).unwrap();
        let count = Arc::clone(&asked);
        let client = test_api::client(move |_| {
            let answer = match count.fetch_add(1, Ordering::Relaxed) {
                0..10 => None,
                10 => test_api::refusal(StatusCode::FORBIDDEN, "Forbidden"),
                11 => test_api::refusal(StatusCode::SERVICE_UNAVAILABLE, "starting"),
                _ => Some((StatusCode::OK, secret.clone())),
            };
            std::future::ready(answer)
        });
        let began = tokio::time::Instant::now();
        let found = ensure(client, "home").await.unwrap();
        assert_eq!(found.as_bytes(), root.as_bytes());
        assert_eq!(asked.load(Ordering::Relaxed), 13);
        // By the virtual clock: it was not asked in a hot loop.
        assert_eq!(began.elapsed().as_secs(), 1 + 2 + 4 + 8 + 8 * 15);
    }

    /// Only who is forbidden is told of the role.
    #[test]
    fn what_is_wrong_is_what_is_said() {
        let said = |source| {
            RootError::Api {
                doing: "read",
                source: Box::new(source),
            }
            .to_string()
        };
        let status = |code| {
            kube::Error::Api(Box::new(kube::core::Status {
                code,
                ..kube::core::Status::default()
            }))
        };
        assert!(said(status(403)).ends_with("the operator's role must allow it"));
        assert!(said(status(503)).ends_with("the API server cannot do it now"));
        let away = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let away = said(kube::Error::Service(Box::new(away)));
        assert!(away.ends_with("the API server does not answer"), "{away}");
    }

    #[tokio::test]
    async fn what_does_not_pass_ends_it() {
        let client = test_api::client(|_| std::future::ready(test_api::refusal(StatusCode::NOT_FOUND, "NotFound")));
        let error = ensure(client, "home").await.unwrap_err();
        assert!(error.to_string().contains("namespace must exist"));
    }
}
