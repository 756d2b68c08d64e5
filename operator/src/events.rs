//! Events, each published once: an event's name follows from the experiment and its content, so that publishing it again, by another
//! replica or after a restart, is a conflict of names.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};

use crate::{metrics::Metrics, names};

/// The longest note, in bytes: the API server refuses more.
pub const MAX_NOTE: usize = 1024;

/// An event of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSpec {
    /// Stable reason, in UpperCamelCase.
    pub reason: &'static str,
    /// True for type Warning.
    pub warning: bool,
    /// A sentence for people.
    pub note: String,
    /// Tells it apart from another of the same reason; equal ones are published once.
    pub key: String,
}

/// Publishes events through the API.
#[derive(Clone)]
pub struct EventPublisher {
    client: Client,
    instance: String,
    metrics: Arc<Metrics>,
}

impl EventPublisher {
    /// Publishes under the name of this replica.
    pub const fn new(client: Client, instance: String, metrics: Arc<Metrics>) -> Self {
        Self {
            client,
            instance,
            metrics,
        }
    }

    /// Publishes an event, unless it was published before. A failure is logged; nothing waits for it.
    pub async fn publish(&self, about: &ObjectReference, spec: &EventSpec) {
        let event = event(about, spec, &self.instance, Timestamp::now());
        let namespace = about.namespace.as_deref().unwrap_or("default");
        let events: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        match events.create(&PostParams::default(), &event).await {
            Ok(_) => self.metrics.event(spec.reason),
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            Err(error) => {
                tracing::warn!(%error, reason = spec.reason, note = spec.note, "an event could not be published");
            }
        }
    }
}

fn event(about: &ObjectReference, spec: &EventSpec, instance: &str, now: Timestamp) -> Event {
    let name = about.name.as_deref().unwrap_or("experiment");
    let uid = about.uid.as_deref().unwrap_or_default();
    let mut hasher = blake3::Hasher::new();
    for part in [uid, spec.reason, &spec.key] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let hash = hasher.finalize().to_hex();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{}", &hash[..16])),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some("Reconcile".to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(cut(&spec.note, MAX_NOTE)),
        reason: Some(spec.reason.to_owned()),
        regarding: Some(about.clone()),
        reporting_controller: Some(format!("fltorrent.io/{}", names::MANAGER)),
        reporting_instance: Some(cut(instance, 128)),
        type_: Some(if spec.warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}

/// A text of at most so many bytes, whole characters; what is cut is marked.
pub fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The last whole lines of a text that have at most so many bytes together; of a last line that is longer, its end. What is cut away is
/// marked where the line is no whole one.
pub fn tail(text: &str, bytes: usize) -> String {
    let text = text.trim();
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut start = text.len() - bytes;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let rest = text.get(start..).unwrap_or_default();
    // A cut right after the end of a line cuts none.
    let lines = match text.get(..start).unwrap_or_default().ends_with('\n') {
        true => Some(rest),
        false => rest.split_once('\n').map(|(_, lines)| lines),
    };
    if let Some(lines) = lines {
        return lines.trim().to_owned();
    }
    let mut start = start + '…'.len_utf8();
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("…{}", text.get(start..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(uid: &str) -> ObjectReference {
        ObjectReference {
            name: Some("quickstart".into()),
            namespace: Some("team".into()),
            uid: Some(uid.into()),
            ..ObjectReference::default()
        }
    }

    fn spec(note: &str, key: &str) -> EventSpec {
        EventSpec {
            reason: "PeerFailed",
            warning: true,
            note: note.into(),
            key: key.into(),
        }
    }

    #[test]
    fn what_is_the_same_has_one_name() {
        let name = |uid: &str, note: &str, key: &str| {
            let now = Timestamp::UNIX_EPOCH;
            let event = event(&about(uid), &spec(note, key), "a", now);
            event.metadata.name.unwrap()
        };
        assert_eq!(name("1", "x", "3"), name("1", "y", "3"));
        assert_ne!(name("1", "x", "3"), name("1", "x", "4"));
        assert_ne!(name("1", "x", "3"), name("2", "x", "3"));
        assert!(name("1", "x", "3").starts_with("quickstart."));
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(cut("naïve", 6), "naïve");
        assert_eq!(cut("naïve", 5), "na…");
        assert_eq!(cut("naïve-", 6), "na…");
        let log = "first\nsecond\nthird\n";
        for (bytes, kept) in [
            (99, "first\nsecond\nthird"),
            (18, "first\nsecond\nthird"),
            (17, "second\nthird"),
            (12, "second\nthird"),
            (11, "third"),
            (5, "third"),
            (4, "…d"),
        ] {
            assert_eq!(tail(log, bytes), kept, "{bytes}");
        }
        assert_eq!(tail("ü".repeat(9).as_str(), 8), "…üü");
        let long = "ü".repeat(2000);
        let event = event(&about("1"), &spec(&long, ""), "a", Timestamp::UNIX_EPOCH);
        let note = event.note.unwrap();
        assert!(note.len() <= MAX_NOTE && note.ends_with('…'));
    }
}
