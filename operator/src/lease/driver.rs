//! Reads and writes the Lease as [`Election`] says.

use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, ResourceExt, api::PostParams};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{DURATION, Election, Move, RETRY, Record};
use crate::names;

/// The Lease's name in the operator's namespace.
pub const LEASE: &str = "fltorrent-operator";

/// Takes part in the election until the lease is lost after it was won; `leads` is true from when it is ours.
pub async fn run(client: Client, namespace: &str, name: String, leads: &watch::Sender<bool>) {
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    let mut election = Election::new(name.clone());
    loop {
        let patience = election.patience(now());
        let next = match timeout(patience, leases.get_opt(LEASE)).await {
            Ok(Ok(lease)) => {
                let next = election.handle_read(lease.as_ref().map(record), now());
                attempt(&leases, &mut election, next, lease, &name).await
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lease cannot be read");
                election.handle_failure(now())
            }
            Err(_) => election.handle_failure(now()),
        };
        if next == Move::Lost {
            leads.send_replace(false);
            return;
        }
        leads.send_if_modified(|led| {
            let changed = *led != election.leads();
            *led = election.leads();
            changed
        });
        // A leader renews well within its deadline; the others look as often.
        sleep(RETRY).await;
    }
}

/// Gives the lease up, so that another replica need not wait for its end. Nothing is lost when that fails.
pub async fn release(client: Client, namespace: &str, name: &str) {
    let leases: Api<Lease> = Api::namespaced(client, namespace);
    let Ok(Some(mut lease)) = leases.get_opt(LEASE).await else {
        return;
    };
    let Some(spec) = lease.spec.as_mut() else {
        return;
    };
    if spec.holder_identity.as_deref() != Some(name) {
        return;
    }
    spec.holder_identity = None;
    if let Err(error) = leases.replace(LEASE, &PostParams::default(), &lease).await {
        tracing::info!(%error, "the lease could not be released; it will expire");
    }
}

/// By the runtime's clock, so that tests need not wait.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        transitions: spec.lease_transitions.unwrap_or_default(),
        version: lease.resource_version().unwrap_or_default(),
    }
}

async fn attempt(leases: &Api<Lease>, election: &mut Election, next: Move, lease: Option<Lease>, name: &str) -> Move {
    let Move::Write { transitions, renewal } = next else {
        return next;
    };
    let began = now();
    let time = Some(MicroTime(Timestamp::now()));
    let acquired = lease
        .as_ref()
        .and_then(|lease| lease.spec.as_ref()?.acquire_time.clone())
        .filter(|_| renewal);
    let spec = LeaseSpec {
        acquire_time: acquired.or_else(|| time.clone()),
        holder_identity: Some(name.to_owned()),
        lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
        lease_transitions: Some(transitions),
        renew_time: time,
        ..LeaseSpec::default()
    };
    let params = PostParams {
        field_manager: Some(names::MANAGER.to_owned()),
        ..PostParams::default()
    };
    // The resource version goes along: of two writers one is refused.
    let write = async {
        match lease {
            Some(mut lease) => {
                lease.spec = Some(spec);
                leases.replace(LEASE, &params, &lease).await
            }
            None => {
                let metadata = ObjectMeta {
                    name: Some(LEASE.to_owned()),
                    ..ObjectMeta::default()
                };
                let spec = Some(spec);
                leases.create(&params, &Lease { metadata, spec }).await
            }
        }
    };
    match timeout(election.patience(began), write).await {
        Ok(Ok(written)) => {
            let version = written.resource_version().unwrap_or_default();
            election.handle_written(transitions, version, began);
            Move::Wait
        }
        Ok(Err(error)) => {
            tracing::info!(%error, "the lease could not be written");
            election.handle_failure(now())
        }
        Err(_) => election.handle_failure(now()),
    }
}
