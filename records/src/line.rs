//! A line of a peer's metrics file: a JSON object with `event`, `time`, and the fields of that event.

use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned, ser::Error as _};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::{
    classes::Classes,
    exchange::Exchange,
    report::RoundReport,
    status::Status,
    survival::{Absence, Churned, Hang, Pause, Repair, Restarted, RoundEnd},
    verdict::Verdict,
};

/// A line of a peer's metrics file.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Time of writing, in seconds since 1970.
    pub time: f64,
    /// The event.
    pub event: Event,
}

/// Why a line is not understood.
#[derive(Debug, Error)]
#[error("{field}: {source}")]
pub struct LineError {
    /// The field, or `.` for the whole.
    field: String,
    source: serde_json::Error,
}

/// A round's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InRound {
    /// The round, from 0.
    pub round: u32,
}

/// The run ends early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converged {
    /// The last round.
    pub round: u32,
    /// The rule that was met.
    pub reason: String,
}

/// Each event with its name in the file and its fields.
macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($fields:ty) = $name:literal,)*) => {
        /// The events of a metrics file.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event {
            $($(#[$doc])* $variant($fields),)*
            /// One that a later version knows.
            Other,
        }

        impl Event {
            fn read(name: &str, fields: Value) -> Result<Self, LineError> {
                match name {
                    $($name => read(fields).map(Self::$variant),)*
                    _ => Ok(Self::Other),
                }
            }
        }

        impl Serialize for Line {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let time = self.time;
                match &self.event {
                    $(Event::$variant(fields) => Written { event: $name, time, fields }.serialize(serializer),)*
                    Event::Other => Err(S::Error::custom("an event of a later version is only read")),
                }
            }
        }
    };
}

events! {
    /// A training begins.
    Training(InRound) = "training",
    /// A round's exchange is over.
    Exchange(Box<Exchange>) = "exchange",
    /// The peer's state.
    Status(Status) = "status",
    /// A round is over.
    Round(Box<RoundReport>) = "round",
    /// The evaluation by class.
    Classes(Classes) = "classes",
    /// The round is the last one, by a rule of early stop.
    Converged(Converged) = "converged",
    /// The run resumes from a checkpoint.
    Resumed(InRound) = "resumed",
    /// No model of the run counts.
    Verdict(Verdict) = "verdict",
    /// All that is folded of a round is held.
    RoundEnd(RoundEnd) = "roundEnd",
    /// A peer takes part no more, or again.
    Absence(Absence) = "absence",
    /// The training of a peer makes no progress, or does again.
    Hang(Hang) = "hang",
    /// Too few peers take part, or enough again.
    Pause(Pause) = "paused",
    /// Something happens to this peer, as the manifest says.
    Churn(Churned) = "churn",
    /// A peer is wired to others in place of lost ones, or to none any more.
    Repair(Repair) = "repair",
    /// The peer's process died, and another one goes on in its place.
    Restarted(Restarted) = "restarted",
}

#[derive(Serialize)]
struct Written<'a, T> {
    event: &'static str,
    time: f64,
    #[serde(flatten)]
    fields: &'a T,
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// When it is cut or damaged, or lacks a field.
    pub fn read(text: &[u8]) -> Result<Self, LineError> {
        let mut fields: Map<String, Value> = serde_json::from_slice(text).map_err(|source| LineError {
            field: ".".to_owned(),
            source,
        })?;
        let time = taken(&mut fields, "time")?;
        let event: String = taken(&mut fields, "event")?;
        let event = Event::read(&event, Value::Object(fields))?;
        Ok(Self { time, event })
    }
}

fn taken<T: DeserializeOwned>(fields: &mut Map<String, Value>, field: &str) -> Result<T, LineError> {
    let value = fields.remove(field).unwrap_or(Value::Null);
    T::deserialize(value).map_err(|source| LineError {
        field: field.to_owned(),
        source,
    })
}

fn read<T: DeserializeOwned>(fields: Value) -> Result<T, LineError> {
    serde_path_to_error::deserialize(fields).map_err(|error| LineError {
        field: error.path().to_string(),
        source: error.into_inner(),
    })
}

#[cfg(test)]
mod tests {
    use fltorrent_crds::{Interval, experiment::ChurnKind};

    use super::*;
    use crate::{
        bottleneck::{Bottleneck, RoundPhase},
        report::sample,
        status::State,
        survival::Cause,
        verdict::Offence,
    };

    fn events() -> [Event; 15] {
        [
            Event::Training(InRound { round: 1 }),
            Event::Exchange(Box::new(Exchange {
                round: 1,
                completion: vec![(-0.5, 1), (2.0, 20)],
                ..Exchange::default()
            })),
            Event::Status(Status {
                state: State::Exchanging,
                round: 1,
                held: 3,
                total: 20,
                bytes_sent: 4,
                bytes_received: 5,
                bytes_wasted: 6,
                neighbours: 7,
                interested: 8,
                interested_in: 9,
                unchoked: 10,
                choked_by: 11,
                faults: 12,
            }),
            Event::Round(Box::new(sample(3, 1, 2))),
            Event::Classes(Classes {
                round: 1,
                counts: vec![(0, 3, 4), (7, 0, 1)],
            }),
            Event::Converged(Converged {
                round: 1,
                reason: "why".to_owned(),
            }),
            Event::Resumed(InRound { round: 1 }),
            Event::Verdict(Verdict {
                offence: Offence::ModelsDiffer,
                origin: None,
                round: 1,
            }),
            Event::RoundEnd(RoundEnd {
                round: 1,
                cause: Cause::Quorum,
                missing: vec![2, 5],
                present: 6,
                certified_before: Some(true),
                bottleneck: Some(Bottleneck {
                    peer: 4,
                    phase: RoundPhase::Training,
                }),
            }),
            Event::Absence(Absence {
                round: 1,
                peer: 2,
                absent: true,
            }),
            Event::Pause(Pause {
                round: 1,
                present: 3,
                needed: 5,
                paused: false,
            }),
            Event::Churn(Churned {
                event: ChurnKind::Wedge,
                round: 1,
                lasts: Some(Interval::from_secs(90)),
            }),
            Event::Repair(Repair {
                round: 1,
                lost: vec![0],
                neighbours: vec![2, 5],
            }),
            Event::Restarted(Restarted {
                round: 1,
                incarnation: 2,
            }),
            Event::Hang(Hang {
                round: 1,
                peer: 2,
                hangs: true,
            }),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_begins_with_event_and_time() {
        for event in events() {
            let line = Line { time: 1.5, event };
            let text = serde_json::to_string(&line).unwrap();
            assert_eq!(Line::read(text.as_bytes()).unwrap(), line, "{text}");
            let name = text.strip_prefix("{\"event\":\"").unwrap();
            let name = name.split('"').next().unwrap();
            let start = format!("{{\"event\":\"{name}\",\"time\":1.5,\"");
            assert!(text.starts_with(&start), "{text}");
            for length in 0..text.len() {
                assert!(Line::read(&text.as_bytes()[..length]).is_err(), "{length}");
            }
        }
        let other = Line {
            time: 1.5,
            event: Event::Other,
        };
        assert!(serde_json::to_string(&other).is_err());
    }

    #[test]
    fn the_form_is_pinned() {
        let text = |at: usize| {
            let [event] = &events()[at..=at] else {
                panic!("there is one");
            };
            let event = event.clone();
            serde_json::to_string(&Line { time: 1.5, event }).unwrap()
        };
        assert_eq!(text(0), r#"{"event":"training","time":1.5,"round":1}"#);
        assert_eq!(
            text(4),
            r#"{"event":"classes","time":1.5,"round":1,"counts":[[0,3,4],[7,0,1]]}"#
        );
        assert_eq!(text(5), r#"{"event":"converged","time":1.5,"round":1,"reason":"why"}"#);
        assert_eq!(
            text(7),
            r#"{"event":"verdict","time":1.5,"offence":"modelsDiffer","origin":null,"round":1}"#
        );
        assert_eq!(
            text(8),
            r#"{"event":"roundEnd","time":1.5,"round":1,"cause":"quorum","missing":[2,5],"present":6,"certifiedBefore":true,"bottleneck":{"peer":4,"phase":"training"}}"#
        );
        assert_eq!(
            text(9),
            r#"{"event":"absence","time":1.5,"round":1,"peer":2,"absent":true}"#
        );
        assert_eq!(
            text(10),
            r#"{"event":"paused","time":1.5,"round":1,"present":3,"needed":5,"paused":false}"#
        );
        assert_eq!(
            text(11),
            r#"{"event":"churn","time":1.5,"what":"wedge","round":1,"for":"1m30s"}"#
        );
        assert_eq!(
            text(12),
            r#"{"event":"repair","time":1.5,"round":1,"lost":[0],"neighbours":[2,5]}"#
        );
        assert_eq!(
            text(13),
            r#"{"event":"restarted","time":1.5,"round":1,"incarnation":2}"#
        );
        assert_eq!(
            text(14),
            r#"{"event":"hang","time":1.5,"round":1,"peer":2,"hangs":true}"#
        );
        assert_eq!(
            text(2),
            "{\"event\":\"status\",\"time\":1.5,\"state\":\"exchanging\",\"round\":1,\"held\":3,\"total\":20,\"bytesSent\":4,\
             \"bytesReceived\":5,\"bytesWasted\":6,\"neighbours\":7,\"interested\":8,\"interestedIn\":9,\"unchoked\":10,\
             \"chokedBy\":11,\"faults\":12}"
        );
    }

    #[test]
    fn events_and_fields_of_a_later_version_are_passed_over_where_a_reader_can() {
        let other = Line::read(b"{\"event\":\"other\",\"time\":1}").unwrap();
        assert_eq!(other.event, Event::Other);
        let more = Line::read(b"{\"event\":\"training\",\"time\":1,\"round\":2,\"x\":[]}\n");
        assert_eq!(more.unwrap().event, Event::Training(InRound { round: 2 }));
    }

    #[test]
    fn wrong_lines_are_refused_with_the_field() {
        let round = {
            let event = Event::Round(Box::new(sample(3, 1, 2)));
            serde_json::to_string(&Line { time: 1.5, event }).unwrap()
        };
        for (text, message) in [
            (String::new(), ".: EOF"),
            ("broken".into(), ".: expected value"),
            ("[1]".into(), ".: invalid type: sequence, expected a map"),
            (
                round.replace("\"time\":1.5", "\"time\":\"x\""),
                "time: invalid type: string \"x\"",
            ),
            (r#"{"event":"training","round":0}"#.into(), "time: invalid type: null"),
            (r#"{"time":1,"round":0}"#.into(), "event: invalid type: null"),
            (r#"{"event":"training","time":1}"#.into(), ".: missing field `round`"),
            (
                r#"{"event":"training","time":1,"round":4294967296}"#.into(),
                "round: invalid value: integer `4294967296`",
            ),
            (
                round.replace("\"correct\":9", "\"correct\":-9"),
                "evaluation.correct: invalid value: integer `-9`",
            ),
            (
                round.replace("\"samples\"", "\"sample\""),
                "sample: unknown field `sample`",
            ),
            (
                r#"{"event":"classes","time":1,"round":1,"counts":[[0,5,4]]}"#.into(),
                "counts: found (0, 5, 4); expected a class below 256",
            ),
            (
                r#"{"event":"classes","time":1,"round":1,"counts":[[256,0,4]]}"#.into(),
                "counts: found (256, 0, 4)",
            ),
            (
                r#"{"event":"roundEnd","time":1,"round":1,"cause":"all","missing":[3,3],"present":4}"#.into(),
                "missing: expected ascending peers below 10000",
            ),
            (
                r#"{"event":"roundEnd","time":1,"round":1,"cause":"all","missing":[10000],"present":4}"#.into(),
                "missing: expected ascending peers below 10000",
            ),
            (
                r#"{"event":"roundEnd","time":1,"round":1,"cause":"all","missing":[],"present":4,"bottleneck":{"peer":10000,"phase":"training"}}"#.into(),
                "bottleneck.peer: expected a peer below 10000",
            ),
            (
                r#"{"event":"roundEnd","time":1,"round":1,"cause":"all","missing":[],"present":4,"bottleneck":{"peer":1,"phase":"folding"}}"#.into(),
                "bottleneck.phase: unknown variant `folding`",
            ),
            (
                r#"{"event":"status","time":1,"state":"asleep"}"#.into(),
                "state: unknown variant `asleep`",
            ),
        ] {
            let error = Line::read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error} has not {message}");
        }
    }
}
