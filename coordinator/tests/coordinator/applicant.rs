//! The question for a certificate, from a peer's side.

use std::time::Duration;

use fltorrent_coordinator::{
    client::{
        TargetError,
        certificate::{Applicant, ApplicantError, ApplyError},
    },
    hub::{Rate, Settings},
    identity::Identity,
    key::PeerKey,
};

use crate::{
    fixture::{HOUR, OTHER_RUN, RUN, authority},
    hub::{Operator, TOKEN},
};

#[tokio::test]
async fn a_token_brings_a_certificate() {
    let operator = Operator::start().await;
    let applicant = operator.applicant(RUN);
    let key = PeerKey::generate().unwrap();
    let certificate = applicant.ask(TOKEN, &key.request_pem().unwrap()).await;
    let credentials = operator.credentials(RUN, &certificate.unwrap(), key);
    assert_eq!(credentials.identity(), Identity::peer(RUN, 3, 0, 0));
}

/// Whoever renews too late learns that another process has its place.
#[tokio::test]
async fn a_process_that_was_replaced_gets_no_certificate() {
    let operator = Operator::start().await;
    let applicant = operator.applicant(RUN);
    let key = PeerKey::generate().unwrap();
    let request = key.request_pem().unwrap();
    for _ in 0..2 {
        applicant.ask(TOKEN, &request).await.unwrap();
    }
    let next = applicant.ask("token-of-the-next", &request).await.unwrap();
    let credentials = operator.credentials(RUN, &next, key);
    assert_eq!(credentials.identity(), Identity::peer(RUN, 3, 0, 1));
    let error = applicant.ask(TOKEN, &request).await.unwrap_err();
    let reason = "peer 3, attempt 0, incarnation 1 has a certificate";
    assert_eq!(error, ApplyError::Replaced { reason: reason.into() });
    applicant.ask("token-of-the-next", &request).await.unwrap();
}

#[tokio::test]
async fn refusals_and_delays_are_told_apart() {
    let settings = Settings {
        asking: Rate { burst: 4, every: HOUR },
        ..Settings::default()
    };
    let operator = Operator::with(settings).await;
    let request = PeerKey::generate().unwrap().request_pem().unwrap();
    let ask = async |run, token: &str, request: &str| {
        let applicant = operator.applicant(run);
        applicant.ask(token, request).await.unwrap_err()
    };
    let refused = async |run, token: &str, request: &str| match ask(run, token, request).await {
        ApplyError::Refused { status, reason } => (status, reason),
        other => panic!("{other:?}"),
    };
    let (status, reason) = refused(RUN, "foreign", &request).await;
    assert_eq!((status, reason.as_str()), (401, "the token is not valid: unknown"));
    assert_eq!(refused(OTHER_RUN, TOKEN, &request).await.0, 403);
    assert_eq!(refused(RUN, TOKEN, "hello").await.0, 400);
    let later = ask(RUN, "later", &request).await;
    assert!(
        matches!(&later, ApplyError::Later { retry_after, .. } if *retry_after == Some(Duration::from_secs(7))),
        "{later:?}"
    );
    // One question too many.
    let later = ask(RUN, TOKEN, &request).await;
    assert!(
        matches!(&later, ApplyError::Later { reason, retry_after: Some(_) } if reason.contains("too many requests")),
        "{later:?}"
    );
}

#[tokio::test]
async fn an_operator_that_is_away_or_false_is_asked_again() {
    let operator = Operator::start().await;
    let request = PeerKey::generate().unwrap().request_pem().unwrap();
    let address = operator.hub.address().to_string();
    // It has another authority than the one that this peer believes: the token is not sent.
    let stranger = authority(RUN);
    let applicant = Applicant::new(&address, RUN, stranger.certificate_pem()).unwrap();
    let ask = applicant.ask(TOKEN, &request).await;
    assert!(matches!(ask, Err(ApplyError::Later { .. })), "{ask:?}");
    let applicant = operator.applicant(RUN);
    operator.hub.stop(HOUR).await;
    let ask = applicant.ask(TOKEN, &request).await;
    assert!(matches!(ask, Err(ApplyError::Later { .. })), "{ask:?}");
}

#[test]
fn addresses_and_authorities_are_checked_beforehand() {
    let good = authority(RUN);
    let wrong = Applicant::new("operator", RUN, good.certificate_pem());
    assert!(matches!(wrong, Err(ApplicantError::Target(TargetError::Address(_)))));
    let wrong = Applicant::new("operator:8443", RUN, "hello");
    assert!(matches!(wrong, Err(ApplicantError::Authority(_))));
}
