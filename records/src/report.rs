//! `bt_complete`: what a peer tells the coordinator when it has finished a round.
//!
//! The wire form is JSON, one report or a list. Reports are resent until they are acknowledged, so the coordinator takes each
//! (peer, attempt, round) once.

mod course;
mod end;
mod pause;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{bottleneck::Bottleneck, hex};
pub use course::{COURSE_PATH, Course, Joining};
pub use end::{Missing, NAMED, ReportedEnd};
pub use pause::{MAX_PAUSE_BYTES, PAUSE_PATH, PauseReport};

/// The path that reports are posted to.
pub const REPORT_PATH: &str = "/v1/bt_complete";

/// The largest body with reports, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The most reports in one body; this many of the longest fit into [`MAX_BODY_BYTES`].
pub const MAX_REPORTS: usize = 64;

/// The largest count in a report: JSON numbers beyond 2⁵³ do not survive every reader.
pub const MAX_COUNT: u64 = 1 << 53;

/// Why a report is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each message says what it is")]
pub enum ReportError {
    #[error("the body has {found} bytes; at most {MAX_BODY_BYTES} are read")]
    TooLarge { found: usize },
    #[error("the body is neither a report nor a list of reports: {path}: {reason}")]
    Malformed { path: String, reason: serde_json::Error },
    #[error("the body has {found} reports; expected 1 to {MAX_REPORTS}")]
    Count { found: usize },
    #[error("{path}: found {found}; expected {expected}")]
    Value {
        path: &'static str,
        found: String,
        expected: String,
    },
}

/// BLAKE3 of a model's parameters, as 64 lower-case hex digits in text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelHash([u8; 32]);

impl ModelHash {
    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ModelHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&hex::encode(&self.0))
    }
}

impl fmt::Debug for ModelHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ModelHash({self})")
    }
}

impl FromStr for ModelHash {
    type Err = ReportError;

    fn from_str(text: &str) -> Result<Self, ReportError> {
        hex::decode(text).map(Self).ok_or_else(|| ReportError::Value {
            path: "modelHash",
            found: text.chars().take(80).collect(),
            expected: "64 lower-case hex digits".into(),
        })
    }
}

impl Serialize for ModelHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModelHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        hex::decode(&text)
            .map(Self)
            .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &"64 lower-case hex digits"))
    }
}

/// Local training in a round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainFigures {
    /// Mean loss over the round's samples; none when the peer has no samples or the loss is not finite.
    pub loss: Option<f64>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// The aggregated model on the peer's part of the test split.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EvaluationFigures {
    /// Samples classified correctly.
    pub correct: u64,
    /// Samples looked at; 0 when this peer has none.
    pub total: u64,
    /// Sum of the loss over the samples; none when it is not finite.
    pub loss_sum: Option<f64>,
    /// Wall-clock seconds.
    pub seconds: f64,
}

impl EvaluationFigures {
    /// Accuracy in [0, 1]; none without samples.
    pub fn accuracy(&self) -> Option<f64> {
        (self.total > 0).then(|| self.correct as f64 / self.total as f64)
    }

    /// Mean loss over the samples; none without samples or when it is not finite.
    pub fn loss(&self) -> Option<f64> {
        Some(self.loss_sum.filter(|_| self.total > 0)? / self.total as f64)
    }
}

/// Payload bytes that came for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WastedBytes {
    /// Of pieces that were there already.
    pub duplicate: u64,
    /// Of pieces with a wrong hash.
    pub corrupt: u64,
}

/// A finished round of one peer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoundReport {
    /// The peer's index.
    pub peer: u32,
    /// The peer's attempt.
    pub attempt: u32,
    /// The round, from 0.
    pub round: u32,
    /// Training samples, the weight of the peer's update.
    pub samples: u64,
    /// Chunks that the peer holds of this round.
    pub chunks_held: u64,
    /// Chunks of the round: peers × chunks of an update.
    pub chunks_total: u64,
    /// The model after aggregation.
    pub model_hash: ModelHash,
    /// Local training.
    pub train: TrainFigures,
    /// Wall-clock seconds from the end of the training until all chunks were held.
    pub exchange_seconds: f64,
    /// Wall-clock seconds of the aggregation.
    pub aggregate_seconds: f64,
    /// The model after aggregation, evaluated.
    pub evaluation: EvaluationFigures,
    /// Payload bytes sent to neighbours for this round.
    pub bytes_sent: u64,
    /// Payload bytes received from neighbours for this round.
    pub bytes_received: u64,
    /// Of the bytes received, those for nothing.
    pub wasted: WastedBytes,
    /// The process's largest resident set so far.
    pub peak_rss_bytes: u64,
    /// How the round ended, unless all updates are in its model.
    #[serde(default, skip_serializing_if = "ReportedEnd::is_usual")]
    pub end: ReportedEnd,
    /// Whom the peer waited for last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bottleneck: Option<Bottleneck>,
}

impl RoundReport {
    /// Checks what can be checked without the plan.
    ///
    /// # Errors
    /// For a count beyond [`MAX_COUNT`], seconds or a loss that are negative or not finite, and a part that is larger than its whole.
    pub fn check(&self) -> Result<(), ReportError> {
        for (path, count) in [
            ("samples", self.samples),
            ("chunksTotal", self.chunks_total),
            ("evaluation.total", self.evaluation.total),
            ("bytesSent", self.bytes_sent),
            ("bytesReceived", self.bytes_received),
            ("wasted.duplicate", self.wasted.duplicate),
            ("wasted.corrupt", self.wasted.corrupt),
            ("peakRssBytes", self.peak_rss_bytes),
        ] {
            at_most(path, count, MAX_COUNT)?;
        }
        at_most("chunksHeld", self.chunks_held, self.chunks_total)?;
        at_most("evaluation.correct", self.evaluation.correct, self.evaluation.total)?;
        for (path, figure) in [
            ("train.loss", self.train.loss),
            ("train.seconds", Some(self.train.seconds)),
            ("exchangeSeconds", Some(self.exchange_seconds)),
            ("aggregateSeconds", Some(self.aggregate_seconds)),
            ("evaluation.lossSum", self.evaluation.loss_sum),
            ("evaluation.seconds", Some(self.evaluation.seconds)),
        ] {
            if let Some(figure) = figure.filter(|figure| !figure.is_finite() || *figure < 0.0) {
                let expected = "a finite number that is not negative".into();
                return Err(ReportError::Value {
                    path,
                    found: figure.to_string(),
                    expected,
                });
            }
        }
        Ok(())
    }
}

fn at_most(path: &'static str, found: u64, limit: u64) -> Result<(), ReportError> {
    if found > limit {
        let expected = format!("at most {limit}");
        return Err(ReportError::Value {
            path,
            found: found.to_string(),
            expected,
        });
    }
    Ok(())
}

/// The reports in a body, each checked.
///
/// # Errors
/// When the body is too large, is no JSON of this form, has no reports or too many, or one of them has a value that cannot be.
pub fn decode_reports(body: &[u8]) -> Result<Vec<RoundReport>, ReportError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(ReportError::TooLarge { found: body.len() });
    }
    let reports = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => parse(body)?,
        _ => vec![parse(body)?],
    };
    if !(1..=MAX_REPORTS).contains(&reports.len()) {
        return Err(ReportError::Count { found: reports.len() });
    }
    reports.iter().try_for_each(RoundReport::check)?;
    Ok(reports)
}

fn parse<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, ReportError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| ReportError::Malformed {
        path: error.path().to_string(),
        reason: error.into_inner(),
    })?;
    json.end().map_err(|reason| ReportError::Malformed {
        path: ".".into(),
        reason,
    })?;
    Ok(value)
}

/// A report with small figures that differ between peers and rounds.
#[cfg(any(test, feature = "test-utils"))]
pub fn sample(peer: u32, attempt: u32, round: u32) -> RoundReport {
    let figure = f64::from(peer + 10 * round);
    RoundReport {
        peer,
        attempt,
        round,
        samples: 100 + u64::from(peer),
        chunks_held: 80,
        chunks_total: 80,
        model_hash: ModelHash::from_bytes([(round % 256) as u8; 32]),
        train: TrainFigures {
            loss: Some(figure),
            seconds: figure,
        },
        exchange_seconds: figure / 2.0,
        aggregate_seconds: 0.25,
        evaluation: EvaluationFigures {
            correct: 9,
            total: 10,
            loss_sum: Some(5.0),
            seconds: 0.125,
        },
        bytes_sent: 1000,
        bytes_received: 2000,
        wasted: WastedBytes {
            duplicate: 1,
            corrupt: 2,
        },
        peak_rss_bytes: 1 << 27,
        end: ReportedEnd::default(),
        bottleneck: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::bottleneck::RoundPhase;

    #[test]
    fn the_wire_form_is_pinned() {
        let json = serde_json::to_string(&sample(3, 1, 2)).unwrap();
        let hash = "02".repeat(32);
        assert_eq!(
            json,
            format!(
                "{{\"peer\":3,\"attempt\":1,\"round\":2,\"samples\":103,\"chunksHeld\":80,\"chunksTotal\":80,\"modelHash\":\"{hash}\",\
                 \"train\":{{\"loss\":23.0,\"seconds\":23.0}},\"exchangeSeconds\":11.5,\"aggregateSeconds\":0.25,\
                 \"evaluation\":{{\"correct\":9,\"total\":10,\"lossSum\":5.0,\"seconds\":0.125}},\"bytesSent\":1000,\"bytesReceived\":2000,\
                 \"wasted\":{{\"duplicate\":1,\"corrupt\":2}},\"peakRssBytes\":134217728}}"
            )
        );
        assert_eq!(decode_reports(json.as_bytes()).unwrap(), [sample(3, 1, 2)]);
        assert_eq!(
            decode_reports(format!(" [{json},{json}]\n").as_bytes()).unwrap(),
            [sample(3, 1, 2); 2]
        );
    }

    #[test]
    fn the_longest_list_fits_into_a_body() {
        let longest = RoundReport {
            peer: u32::MAX,
            attempt: u32::MAX,
            round: u32::MAX,
            samples: MAX_COUNT,
            chunks_held: MAX_COUNT,
            chunks_total: MAX_COUNT,
            train: TrainFigures {
                loss: Some(1.234_567_890_123_456_7e-300),
                seconds: 1.234_567_890_123_456_7e-300,
            },
            exchange_seconds: 1.234_567_890_123_456_7e-300,
            aggregate_seconds: 1.234_567_890_123_456_7e-300,
            evaluation: EvaluationFigures {
                correct: MAX_COUNT,
                total: MAX_COUNT,
                loss_sum: Some(1.234_567_890_123_456_7e-300),
                seconds: 1.234_567_890_123_456_7e-300,
            },
            bytes_sent: MAX_COUNT,
            bytes_received: MAX_COUNT,
            wasted: WastedBytes {
                duplicate: MAX_COUNT,
                corrupt: MAX_COUNT,
            },
            peak_rss_bytes: MAX_COUNT,
            end: ReportedEnd {
                cause: crate::survival::Cause::Deadline,
                missing: Missing::of(&(9990..9999).collect::<Vec<_>>()),
                uncertified_before: true,
            },
            bottleneck: Some(Bottleneck {
                peer: 9999,
                phase: RoundPhase::Exchange,
            }),
            ..sample(0, 0, 0)
        };
        let body = serde_json::to_vec(&vec![longest; MAX_REPORTS]).unwrap();
        assert!(body.len() <= MAX_BODY_BYTES, "{}", body.len());
        assert_eq!(decode_reports(&body).unwrap().len(), MAX_REPORTS);
    }

    #[test]
    fn wrong_bodies_are_refused_with_the_field() {
        let good = serde_json::to_value(sample(3, 0, 2)).unwrap();
        let with = |pointer: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            changed.to_string()
        };
        let mut unknown = good.clone();
        unknown["evaluation"]["accuracy"] = 1.0.into();
        let mut ended = good.clone();
        ended["end"] = serde_json::json!({"cause": "quorum", "missing": {"count": 3, "first": [1]}});
        let mut waits = good.clone();
        waits["bottleneck"] = serde_json::json!({"peer": 10_000, "phase": "training"});
        let mut missing = good.clone();
        missing.as_object_mut().unwrap().remove("samples");
        for (body, message) in [
            (String::new(), "EOF while parsing"),
            ("[]".into(), "the body has 0 reports; expected 1 to 64"),
            (
                format!("[{}]", vec![good.to_string(); MAX_REPORTS + 1].join(",")),
                "the body has 65 reports",
            ),
            (format!("{good} x"), "trailing characters"),
            (unknown.to_string(), "evaluation.accuracy: unknown field `accuracy`"),
            (missing.to_string(), "missing field `samples`"),
            (waits.to_string(), "bottleneck.peer: expected a peer below 10000"),
            (ended.to_string(), "end.missing: expected a count up to 10000"),
            (with("/round", (-1).into()), "round: invalid value: integer `-1`"),
            (with("/peer", 4_294_967_296_u64.into()), "peer: invalid value"),
            (
                with("/modelHash", "AB".into()),
                "modelHash: invalid value: string \"AB\", expected 64 lower-case hex digits",
            ),
            (
                with("/train/seconds", (-0.5).into()),
                "train.seconds: found -0.5; expected a finite number",
            ),
            (
                with("/train/seconds", serde_json::Value::Null),
                "train.seconds: invalid type: null",
            ),
            (with("/train/loss", (-1.0).into()), "train.loss: found -1"),
            (
                with("/chunksHeld", 81.into()),
                "chunksHeld: found 81; expected at most 80",
            ),
            (
                with("/evaluation/correct", 11.into()),
                "evaluation.correct: found 11; expected at most 10",
            ),
            (
                with("/bytesSent", (MAX_COUNT + 1).into()),
                "bytesSent: found 9007199254740993",
            ),
            (
                good.to_string().replace("0.25", "1e999"),
                "aggregateSeconds: number out of range",
            ),
            (
                format!("[{good},{}]", with("/chunksHeld", 81.into())),
                "chunksHeld: found 81",
            ),
        ] {
            let error = decode_reports(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(message), "{error} has not {message}");
        }
        let large = vec![b' '; MAX_BODY_BYTES + 1];
        assert!(matches!(decode_reports(&large), Err(ReportError::TooLarge { found }) if found == MAX_BODY_BYTES + 1));
    }

    #[test]
    fn figures_that_json_cannot_say_are_refused_before_they_are_sent() {
        let mut report = sample(0, 0, 0);
        report.evaluation.loss_sum = Some(f64::NAN);
        assert!(
            report
                .check()
                .unwrap_err()
                .to_string()
                .starts_with("evaluation.lossSum: found NaN")
        );
        report.evaluation.loss_sum = None;
        report.train.loss = None;
        assert_eq!(decode_reports(&serde_json::to_vec(&report).unwrap()).unwrap(), [report]);
    }

    #[test]
    fn every_truncation_is_refused() {
        let json = serde_json::to_vec(&sample(3, 0, 2)).unwrap();
        for length in 0..json.len() {
            assert!(decode_reports(&json[..length]).is_err(), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = decode_reports(&bytes);
        }

        #[test]
        fn no_changed_byte_panics(at in 0..400_usize, to: u8) {
            let mut json = serde_json::to_vec(&sample(3, 0, 2)).unwrap();
            let at = at % json.len();
            json[at] = to;
            let _ = decode_reports(&json);
        }
    }
}
