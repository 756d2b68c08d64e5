//! Room in a namespace's quota. Pods of one experiment are made at a time in a namespace, all of them or none, so that no two experiments
//! hold a part each and wait for each other. Who was refused waits longer each time, at most until pods of another experiment end there.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use tokio::sync::OwnedMutexGuard;

use crate::{Watched, apply::QUOTA_EXCEEDED, backoff, pod_facts::Trouble};

/// The API server counts a pod that has ended for a moment longer.
const SETTLES: Duration = Duration::from_secs(1);
/// When to come again while another experiment's pods are made.
const TAKEN: Duration = Duration::from_secs(1);

/// Whether pods may be made now.
#[derive(Debug)]
pub enum Entry {
    /// They may, as long as this is held.
    Free(OwnedMutexGuard<()>),
    /// Not yet: come again after this time.
    Wait(Duration),
}

/// Experiments that create pods, by namespace, and those that wait for quota.
#[derive(Debug, Default)]
pub struct Rooms {
    gates: Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>,
    waiting: Mutex<HashMap<String, Waiting>>,
}

/// An experiment that was refused.
#[derive(Debug)]
struct Waiting {
    namespace: String,
    name: String,
    message: String,
    refusals: u32,
    until: Instant,
    /// True if it gives back what it has; else it waits with its pods, for room for more.
    gives_back: bool,
}

impl Rooms {
    /// Whether the experiment with this UID may make pods in its namespace now.
    pub fn enter(&self, namespace: &str, uid: &str, now: Instant) -> Entry {
        if let Some(rest) = self.rest(uid, now) {
            return Entry::Wait(rest);
        }
        let gate = {
            let mut gates = lock(&self.gates);
            gates.retain(|_, gate| gate.strong_count() > 0);
            let there = gates.get(namespace).and_then(Weak::upgrade);
            there.unwrap_or_else(|| {
                let gate = Arc::default();
                gates.insert(namespace.to_owned(), Arc::downgrade(&gate));
                gate
            })
        };
        gate.try_lock_owned().map_or(Entry::Wait(TAKEN), Entry::Free)
    }

    /// The experiment was refused; it is tried again after what is returned. `gives_back`: none of its pods stays meanwhile.
    pub fn refused(
        &self,
        object: &ObjectRef<Watched>,
        uid: &str,
        message: &str,
        gives_back: bool,
        now: Instant,
    ) -> Duration {
        let mut waiting = lock(&self.waiting);
        let refusals = waiting.get(uid).map_or(0, |one| one.refusals);
        let wait = backoff::RECONCILE.after(refusals);
        let one = Waiting {
            namespace: object.namespace.clone().unwrap_or_default(),
            name: object.name.clone(),
            message: message.to_owned(),
            refusals: refusals.saturating_add(1),
            until: now + wait,
            gives_back,
        };
        waiting.insert(uid.to_owned(), one);
        wait
    }

    /// Time that the experiment still has to wait.
    pub fn rest(&self, uid: &str, now: Instant) -> Option<Duration> {
        let waiting = lock(&self.waiting);
        let rest = waiting.get(uid)?.until.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }

    /// The problem that keeps the experiment's pods from being created.
    pub fn trouble(&self, uid: &str) -> Option<Trouble> {
        let waiting = lock(&self.waiting);
        waiting.get(uid).map(|one| Trouble {
            reason: QUOTA_EXCEEDED,
            message: one.message.clone(),
        })
    }

    /// All pods of the experiment are made, or it is gone.
    pub fn leave(&self, uid: &str) {
        lock(&self.waiting).remove(uid);
    }

    /// A pod was seen that takes no room any more, as it has ended or is `gone`: who waits in its namespace is to try again, and is
    /// returned. What an experiment that waits itself gives back is nobody's room: others would be woken by it, and it by theirs. One that
    /// keeps its pods and waits for room for a replacement is woken by the pod which that one replaces.
    pub fn freed(&self, pod: &Pod, gone: bool, now: Instant) -> Vec<ObjectRef<Watched>> {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if !gone && !matches!(phase, Some("Succeeded" | "Failed")) {
            return Vec::new();
        }
        let mut waiting = lock(&self.waiting);
        let owners = pod.owner_references();
        let gives_back = |uid: &str| waiting.get(uid).is_some_and(|one| one.gives_back);
        if owners.iter().any(|owner| gives_back(&owner.uid)) {
            return Vec::new();
        }
        let namespace = pod.namespace().unwrap_or_default();
        waiting
            .values_mut()
            .filter(|one| one.namespace == namespace)
            .map(|one| {
                one.refusals = 0;
                one.until = one.until.min(now + SETTLES);
                ObjectRef::new(&one.name).within(&one.namespace)
            })
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::core::v1::PodStatus,
        apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
    };

    use super::*;

    fn pod(namespace: &str, owner: &str, phase: &str) -> Pod {
        Pod {
            metadata: ObjectMeta {
                namespace: Some(namespace.into()),
                owner_references: Some(vec![OwnerReference {
                    uid: owner.into(),
                    ..OwnerReference::default()
                }]),
                ..ObjectMeta::default()
            },
            status: Some(PodStatus {
                phase: Some(phase.into()),
                ..PodStatus::default()
            }),
            ..Pod::default()
        }
    }

    fn object(name: &str) -> ObjectRef<Watched> {
        ObjectRef::new(name).within("team")
    }

    #[test]
    fn pods_of_one_experiment_are_made_at_a_time_in_a_namespace() {
        let (rooms, now) = (Rooms::default(), Instant::now());
        let Entry::Free(held) = rooms.enter("team", "a", now) else {
            panic!("nobody is there");
        };
        let waits = |entry, rest| matches!(entry, Entry::Wait(wait) if wait == rest);
        assert!(waits(rooms.enter("team", "b", now), TAKEN));
        assert!(matches!(rooms.enter("other", "c", now), Entry::Free(_)));
        drop(held);
        assert!(matches!(rooms.enter("team", "b", now), Entry::Free(_)));
    }

    #[test]
    fn who_was_refused_waits_longer_each_time() {
        let (rooms, now) = (Rooms::default(), Instant::now());
        let waits: Vec<u64> = (0..9)
            .map(|_| rooms.refused(&object("a"), "a", "no room", true, now).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 120, 120]);
        let rest = Duration::from_secs(120);
        assert!(matches!(rooms.enter("team", "a", now), Entry::Wait(wait) if wait == rest));
        assert!(matches!(rooms.enter("team", "a", now + rest), Entry::Free(_)));
        assert_eq!(rooms.trouble("a").unwrap().message, "no room");
        rooms.leave("a");
        assert_eq!((rooms.trouble("a"), rooms.rest("a", now)), (None, None));
    }

    #[test]
    fn a_replacement_is_woken_by_the_pod_that_it_replaces() {
        let (rooms, now) = (Rooms::default(), Instant::now());
        for _ in 0..9 {
            rooms.refused(&object("a"), "a", "no room", false, now);
        }
        let freed = rooms.freed(&pod("team", "a", "Running"), true, now);
        assert_eq!((freed, rooms.rest("a", now)), (vec![object("a")], Some(SETTLES)));
    }

    #[test]
    fn a_pod_that_ends_wakes_who_waits_for_its_room() {
        let (rooms, now) = (Rooms::default(), Instant::now());
        for _ in 0..9 {
            rooms.refused(&object("a"), "a", "no room", true, now);
        }
        let rest = || rooms.rest("a", now).unwrap();
        for (pod, gone) in [
            (pod("team", "b", "Running"), false),
            (pod("other", "b", "Succeeded"), false),
            // Its own, given back: that is no room for it.
            (pod("team", "a", "Running"), true),
        ] {
            assert_eq!(rooms.freed(&pod, gone, now), []);
            assert_eq!(rest(), Duration::from_secs(120));
        }
        let freed = rooms.freed(&pod("team", "b", "Succeeded"), false, now);
        assert_eq!((freed, rest()), (vec![object("a")], SETTLES));
        let freed = rooms.freed(&pod("team", "b", "Pending"), true, now);
        assert_eq!((freed, rest()), (vec![object("a")], SETTLES));
        // And from there on the waits are short again.
        assert_eq!(rooms.refused(&object("a"), "a", "no room", true, now), SETTLES);
        // Two that wait do not wake each other by what they give back.
        rooms.refused(&object("b"), "b", "no room", true, now);
        assert_eq!(rooms.freed(&pod("team", "b", "Failed"), true, now), []);
    }
}
