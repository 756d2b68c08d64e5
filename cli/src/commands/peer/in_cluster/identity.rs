//! How a peer in a pod gets its certificate, and a new one in time.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use fltorrent_coordinator::{
    backoff::JitteredBackoff,
    client::certificate::{Applicant, ApplicantError, ApplyError},
    identity::Identity,
    key::{KeyError, PeerKey},
    tls::Credentials,
};
use thiserror::Error;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::settings::{Settings, read_token};

/// The longest wait between two questions while the peer has nothing else to do.
const LONGEST_FIRST: Duration = Duration::from_secs(15);
/// The longest wait between two questions for the next certificate, while the old one still holds.
const LONGEST_RENEWAL: Duration = Duration::from_secs(60);
/// Longest pause that is accepted from the coordinator.
const LONGEST_ASKED: Duration = Duration::from_secs(60);
/// Refusals in a row, each of a token that was read anew, after which there is no hope.
const REFUSALS: u32 = 3;
/// Time between two words on an operator that does not answer.
const NEWS: Duration = Duration::from_secs(30);
/// The longest sleep before the clock is looked at again: it may have been set meanwhile.
const LOOK: Duration = Duration::from_secs(60);

/// Why a peer has no certificate.
#[derive(Debug, Error)]
pub(super) enum IdentityError {
    #[error("this peer has no key")]
    Key(#[from] KeyError),
    #[error("the operator cannot be reached for a certificate")]
    Applicant(#[from] ApplicantError),
    #[error("{why}: another process has taken the place of this one")]
    Replaced { why: String },
    #[error(
        "the operator refuses this pod a certificate: {why}. Only pods that the operator created for the experiment's current attempt get one"
    )]
    Refused { why: String },
}

/// One question's end without a certificate.
enum Unanswered {
    Replaced(String),
    Refused(String),
    Later(String, Option<Duration>),
}

/// Asks for one peer.
pub(super) struct Applying {
    applicant: Applicant,
    address: String,
    token: PathBuf,
    authority: String,
    key: PeerKey,
    request: String,
    expected: Identity,
}

impl Applying {
    /// With a new key.
    pub(super) fn new(settings: &Settings) -> Result<Self, IdentityError> {
        let key = PeerKey::generate()?;
        let address = settings.coordinator.to_string();
        Ok(Self {
            applicant: Applicant::new(&address, settings.run, &settings.authority)?,
            address,
            token: settings.token.clone(),
            authority: settings.authority.clone(),
            request: key.request_pem()?,
            key,
            expected: Identity::peer(settings.run, settings.index, settings.attempt, settings.incarnation),
        })
    }

    /// Asks for as long as it takes.
    pub(super) async fn first(&self) -> Result<Credentials, IdentityError> {
        tracing::info!(operator = %self.address, "requesting a certificate from the operator");
        let mut backoff = self.backoff(LONGEST_FIRST);
        let (mut refusals, mut told) = (0, None::<Instant>);
        loop {
            let (why, asked) = match self.once().await {
                Ok(credentials) => return Ok(credentials),
                Err(Unanswered::Replaced(why)) => return Err(IdentityError::Replaced { why }),
                Err(Unanswered::Refused(why)) => {
                    refusals += 1;
                    if refusals == REFUSALS {
                        return Err(IdentityError::Refused { why });
                    }
                    (why, None)
                }
                Err(Unanswered::Later(why, asked)) => {
                    refusals = 0;
                    (why, asked)
                }
            };
            if told.is_none_or(|told| told.elapsed() >= NEWS) {
                told = Some(Instant::now());
                tracing::warn!(operator = %self.address, why, "no certificate yet; retrying");
            }
            sleep(wait(&mut backoff, asked)).await;
        }
    }

    /// Asks for the next certificate at two thirds of each one's lifetime, and hands it over. Whatever else the operator says, the peer goes
    /// on as long as its certificate holds; once it says that another process has this one's place, that is given.
    pub(super) async fn renew(self, current: watch::Sender<Arc<Credentials>>) -> IdentityError {
        let mut got = SystemTime::now();
        loop {
            let end = current.borrow().not_after();
            let due = renewal(got, end);
            while let Some(rest) = rest(due, SystemTime::now()) {
                sleep(rest).await;
            }
            let mut backoff = self.backoff(LONGEST_RENEWAL);
            let credentials = loop {
                let (why, asked) = match self.once().await {
                    Ok(credentials) => break credentials,
                    Err(Unanswered::Replaced(why)) => return IdentityError::Replaced { why },
                    Err(Unanswered::Refused(why)) => (why, None),
                    Err(Unanswered::Later(why, asked)) => (why, asked),
                };
                let left = rest(end, SystemTime::now());
                if left.is_none() {
                    tracing::error!(operator = %self.address, why, "the certificate has expired and was not renewed; neighbours will refuse this peer");
                } else if backoff.failures() == 0 {
                    tracing::warn!(operator = %self.address, why, "the certificate could not be renewed yet; retrying");
                }
                sleep(wait(&mut backoff, asked)).await;
            };
            got = SystemTime::now();
            tracing::info!("the certificate was renewed");
            current.send_replace(Arc::new(credentials));
        }
    }

    fn backoff(&self, longest: Duration) -> JitteredBackoff {
        // Two peers do not wait alike.
        let name = self.expected.to_string();
        let seed = name
            .bytes()
            .fold(0_u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        JitteredBackoff::new(longest, seed)
    }

    async fn once(&self) -> Result<Credentials, Unanswered> {
        let later = |why: String| Unanswered::Later(why, None);
        let token = read_token(&self.token).map_err(later)?;
        let certificate = match self.applicant.ask(&token, &self.request).await {
            Ok(certificate) => certificate,
            Err(ApplyError::Replaced { reason }) => return Err(Unanswered::Replaced(reason)),
            Err(error @ ApplyError::Refused { .. }) => {
                return Err(Unanswered::Refused(error.to_string()));
            }
            Err(error) => {
                let asked = match &error {
                    ApplyError::Later { retry_after, .. } => *retry_after,
                    _ => None,
                };
                return Err(Unanswered::Later(error.to_string(), asked));
            }
        };
        let key = self.key.duplicate().map_err(|error| later(crate::chain(&error)))?;
        let credentials = Credentials::new(&self.authority, &certificate, key)
            .map_err(|error| later(format!("the response is not a certificate: {}", crate::chain(&error))))?;
        if credentials.identity() != self.expected {
            return Err(Unanswered::Refused(format!(
                "its certificate is for {}, but this is {}",
                credentials.identity(),
                self.expected
            )));
        }
        credentials
            .check_own(SystemTime::now())
            .map_err(|error| later(crate::chain(&error)))?;
        Ok(credentials)
    }
}

fn wait(backoff: &mut JitteredBackoff, asked: Option<Duration>) -> Duration {
    backoff.next_wait().max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// When a certificate that was got at `got` and ends at `end` is renewed.
fn renewal(got: SystemTime, end: SystemTime) -> SystemTime {
    got + end.duration_since(got).unwrap_or_default() * 2 / 3
}

/// How long to sleep until `due`, as far as one look at the clock tells; none when it is time.
fn rest(due: SystemTime, now: SystemTime) -> Option<Duration> {
    let rest = due.duration_since(now).ok().filter(|rest| !rest.is_zero())?;
    Some(rest.min(LOOK))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
        let got = SystemTime::UNIX_EPOCH + 20_000 * DAY;
        assert_eq!(renewal(got, got + DAY), got + 2 * DAY / 3);
        // One that has ended is renewed at once.
        assert_eq!(renewal(got, got - DAY), got);
    }

    #[test]
    fn the_clock_is_looked_at_often() {
        let due = SystemTime::UNIX_EPOCH + DAY;
        assert_eq!(rest(due, due - DAY / 2), Some(LOOK));
        let second = Duration::from_secs(1);
        assert_eq!(rest(due, due - second), Some(second));
        assert_eq!(rest(due, due), None);
        assert_eq!(rest(due, due + DAY), None);
    }

    #[test]
    fn an_operator_cannot_send_a_peer_to_sleep() {
        let mut backoff = JitteredBackoff::new(LONGEST_FIRST, 0);
        assert_eq!(wait(&mut backoff, Some(DAY)), LONGEST_ASKED);
        assert_eq!(wait(&mut backoff, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert!(wait(&mut backoff, None) < Duration::from_secs(1));
    }
}
