//! What a peer leaves when it ends.

use fltorrent_coordinator::ending::{ENDING_BYTES, EndState, Ending, EndingError, MAX_ENDING_BYTES};
use fltorrent_records::verdict::{Offence, Verdict};

use crate::fixture::report;

fn ending() -> Ending {
    let mut ending = Ending::new(EndState::Failed, "0.1.0");
    (ending.peer, ending.attempt, ending.rounds_planned) = (Some(3), Some(1), 10);
    ending.checkpoints = vec![8, 7];
    ending.blames = Some(5);
    ending.finished(&report(3, 7));
    ending.finished(&report(3, 8));
    ending
}

#[test]
fn a_message_tells_of_the_last_round_and_of_all_bytes() {
    let message = ending().to_message();
    assert_eq!(Ending::from_message(&message).unwrap(), ending());
    let value: serde_json::Value = serde_json::from_str(&message).unwrap();
    for (field, expected) in [
        ("state", serde_json::json!("failed")),
        ("rounds", 9.into()),
        ("roundsPlanned", 10.into()),
        ("accuracy", 0.9.into()),
        ("loss", 0.5.into()),
        ("modelHash", "08".repeat(32).into()),
        ("bytesSent", 2000.into()),
        ("bytesReceived", 4000.into()),
        ("blames", 5.into()),
    ] {
        assert_eq!(value[field], expected, "{field}");
    }
}

#[test]
fn a_verdict_leaves_no_older_model_to_be_taken_for_the_result() {
    let mut convicting = ending();
    convicting.convict(Verdict {
        offence: Offence::Equivocation,
        origin: Some(5),
        round: 9,
    });
    let message = convicting.to_message();
    let value: serde_json::Value = serde_json::from_str(&message).unwrap();
    assert_eq!(
        value["verdict"],
        serde_json::json!({"offence": "equivocation", "origin": 5, "round": 9})
    );
    for field in ["modelHash", "accuracy", "loss"] {
        assert!(value[field].is_null(), "{field}");
    }
    assert_eq!(value["rounds"], 9);
    // A later version knows more offences, an earlier one none.
    let newer = message.replace("\"equivocation\"", "\"theft\"");
    let verdict = Ending::from_message(&newer).unwrap().verdict.unwrap();
    assert_eq!(verdict.offence, Offence::Unknown);
    let mut older = ending().to_message();
    for later in ["\"verdict\":null,", "\"incarnation\":null,", "\"isFinal\":false,"] {
        assert!(older.contains(later), "{older}");
        older = older.replace(later, "");
    }
    assert_eq!(Ending::from_message(&older).unwrap(), ending());
}

#[test]
fn some_ends_leave_no_place_to_be_taken() {
    let is_of_no_use = |state, is_final| {
        let ending = Ending {
            state,
            is_final,
            ..ending()
        };
        let read = Ending::from_message(&ending.to_message()).unwrap();
        assert_eq!(read, ending);
        read.is_of_no_use()
    };
    for (state, expected) in [
        (EndState::Failed, false),
        (EndState::Stopped, false),
        (EndState::Left, true),
        (EndState::Superseded, true),
    ] {
        assert_eq!(is_of_no_use(state, false), expected);
    }
    assert!(is_of_no_use(EndState::Failed, true));
}

#[test]
fn the_error_is_cut_until_the_message_fits() {
    for text in ["x", "\u{0}", "é", "\"", "\u{1f980}"] {
        let error = text.repeat(5000);
        let ending = Ending {
            error: Some(error.clone()),
            ..ending()
        };
        let message = ending.to_message();
        assert!(message.len() < ENDING_BYTES, "{}", message.len());
        let read = Ending::from_message(&message).unwrap().error.unwrap();
        assert!(error.starts_with(&read), "{read}");
        assert!(message.len() > ENDING_BYTES - 100, "{}", message.len());
    }
}

#[test]
fn other_texts_are_no_endings() {
    let good = ending().to_message();
    let long = " ".repeat(MAX_ENDING_BYTES + 1);
    assert!(matches!(Ending::from_message(&long), Err(EndingError::TooLarge { .. })));
    for wrong in [
        "",
        "killed",
        "{}",
        &good[1..],
        &good.replace("\"failed\"", "\"sleeping\""),
    ] {
        let error = Ending::from_message(wrong).unwrap_err();
        assert!(matches!(error, EndingError::Malformed(_)), "{error}");
    }
    let impossible = good.replace("\"chunksHeld\":80", "\"chunksHeld\":81");
    assert!(matches!(Ending::from_message(&impossible), Err(EndingError::Report(_))));
    // A newer peer may say more.
    let newer = good.replacen('{', "{\"mood\":\"good\",", 1);
    assert_eq!(Ending::from_message(&newer).unwrap(), ending());
}
