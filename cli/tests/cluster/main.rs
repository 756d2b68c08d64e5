//! Peers as an operator starts them in pods: real processes, and an operator that is only a hub with a few tokens.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod operator;
mod pod;

use std::{fs, time::Duration};

use fltorrent_coordinator::{client::certificate::Applicant, ending::EndState, hub::Settings, key::PeerKey};
use rustix::process::Signal;

use operator::Operator;
use pod::{Experiment, Pod, RUN, root};

/// More rounds than any test waits for.
const ENDLESS: &str = "training.rounds=1000000";
const THREE: &str = "groups[0].count=3";
const CHECKPOINTS: &str = "checkpoint={type: periodic, periodic: {everyRounds: 1}}";

#[tokio::test]
async fn pods_end_with_the_model_of_one_machine() {
    let experiment = Experiment::new(&[THREE, "training.rounds=3"]);
    let mut operator = Operator::start(&experiment, Settings::default()).await;
    let mut pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    pods[1].until("ready: certificate, sockets and data").await;
    assert_eq!(experiment.get(1, "/healthz").await.0, 200);
    operator.all_reported(2).await;
    let hash = experiment.run_alone().await;
    for (index, pod) in (0..).zip(pods) {
        let (code, log, ending) = pod.end().await;
        assert_eq!(code, Some(0), "{log}");
        for part in ["finished a round", "round=3/3", "connected to a neighbour"] {
            assert!(log.contains(part), "{log} has not {part}");
        }
        assert_eq!((ending.peer, ending.attempt), (Some(index), Some(0)));
        assert_eq!(ending.state, EndState::Completed);
        assert_eq!((ending.rounds, ending.rounds_planned), (3, 3));
        assert_eq!(ending.model_hash.unwrap().to_string(), hash);
        assert!(ending.bytes_sent > 0 && ending.bytes_received > 0);
        assert!(ending.accuracy.is_some() && ending.loss.is_some());
        assert_eq!((ending.error, ending.blames), (None, None));
    }
    let model = experiment.state(0).join("output/model.safetensors");
    assert!(model.is_file());
    assert!(!experiment.state(1).join("output/model.safetensors").exists());
    assert!(operator.progress().is_finished());
}

#[tokio::test]
async fn what_is_probably_not_meant_about_data_is_in_the_log_of_peer_0() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("t.csv");
    let test = folder.path().join("one.csv");
    let row = |row: u32| format!("{},{},{row}\n", row % 2, 1_700_000_000 + row);
    let rows: String = (0..40).map(row).collect();
    fs::write(&table, format!("label,time,a\n{rows}")).unwrap();
    fs::write(&test, format!("label,time,a\n{}", row(0))).unwrap();
    let data = format!(
        "data={{type: csv, csv: {{train: {}, test: {}, labelColumn: label, classes: 2, inputShape: [2]}}}}",
        table.display(),
        test.display()
    );
    let experiment = Experiment::new(&["groups[0].count=2", "training.rounds=1", &data]);
    let _operator = Operator::start(&experiment, Settings::default()).await;
    let pods: Vec<Pod> = (0..2).map(|index| experiment.start(index)).collect();
    for (index, pod) in (0..).zip(pods) {
        let (_, log, _) = pod.end().await;
        for part in [
            "data.csv: input 0 (counted from 0) from 1700000000 to 1700000000: values so large",
            "data: there is 1 test sample for 2 peers",
        ] {
            assert_eq!(log.contains(part), index == 0, "{part}: {log}");
        }
    }
}

#[tokio::test]
async fn training_goes_on_while_the_operator_is_away_and_the_reports_follow() {
    let experiment = Experiment::new(&[THREE, ENDLESS]);
    let mut operator = Operator::start(&experiment, Settings::default()).await;
    let mut pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    operator.all_reported(1).await;
    operator.stop().await;
    let round = pods[2].round_after_now().await;
    // It comes back with nothing in its memory: what it missed is sent to it, nothing is left out.
    let mut operator = Operator::start(&experiment, Settings::default()).await;
    let rounds = operator.all_reported(round).await;
    for rounds in rounds.values() {
        let missed = rounds.windows(2).find(|pair| pair[0] + 1 != pair[1]);
        assert_eq!(missed, None, "{rounds:?}");
    }
    for pod in &pods {
        pod.signal(Signal::TERM);
    }
    for pod in pods {
        pod.end().await;
    }
}

#[tokio::test]
async fn an_operator_that_is_away_at_the_end_finds_the_last_word_in_the_pod() {
    let experiment = Experiment::new(&[THREE, "training.rounds=6"]);
    let mut operator = Operator::start(&experiment, Settings::default()).await;
    let pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    operator.all_reported(0).await;
    operator.stop().await;
    for pod in pods {
        let (code, log, ending) = pod.end().await;
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(ending.state, EndState::Completed);
        assert_eq!(ending.last_round.unwrap().round, 5);
    }
}

#[tokio::test]
async fn a_peer_waits_for_its_operator_and_can_be_stopped_meanwhile() {
    let experiment = Experiment::new(&[THREE, "training.rounds=2"]);
    let mut pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    for pod in &mut pods {
        pod.until("no certificate yet; retrying").await;
    }
    assert_eq!(experiment.get(0, "/readyz").await.0, 503);
    pods[0].signal(Signal::TERM);
    let (code, log, ending) = pods.remove(0).end().await;
    assert_eq!(code, Some(130), "{log}");
    assert_eq!((ending.state, ending.rounds), (EndState::Stopped, 0));
    let operator = Operator::start(&experiment, Settings::default()).await;
    pods.push(experiment.start(0));
    for pod in pods {
        let (code, log, _) = pod.end().await;
        assert_eq!(code, Some(0), "{log}");
    }
    assert!(operator.progress().is_finished());
}

#[tokio::test]
async fn a_wrong_token_is_final() {
    let experiment = Experiment::new(&[THREE]);
    let _operator = Operator::start(&experiment, Settings::default()).await;
    for (token, message) in [
        ("nobody's", "the operator refuses this pod a certificate: 401"),
        ("foreign", "the operator refuses this pod a certificate: 403"),
        // Another pod's: the operator knows it, but it is not this peer.
        ("token-of-1", "its certificate is for peer-1.attempt-0."),
    ] {
        experiment.write_token(2, token);
        let (code, log, ending) = experiment.start(2).end().await;
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains(message), "{log}");
        assert_eq!(ending.state, EndState::Failed);
        assert!(ending.error.unwrap().contains(message));
    }
}

#[tokio::test]
async fn a_token_that_is_replaced_in_time_is_taken() {
    let experiment = Experiment::new(&[THREE, "training.rounds=2"]);
    let operator = Operator::start(&experiment, Settings::default()).await;
    experiment.write_token(2, "later");
    let mut pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    pods[2].until("the API server is away").await;
    experiment.write_token(2, "token-of-2");
    for pod in pods {
        let (code, log, _) = pod.end().await;
        assert_eq!(code, Some(0), "{log}");
    }
    assert!(operator.progress().is_finished());
}

#[tokio::test]
async fn a_pod_that_is_set_up_wrongly_says_so_and_exits_with_2() {
    let experiment = Experiment::new(&[THREE]);
    let plan = experiment.config("plan-hash");
    let own = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, "2".repeat(64)).unwrap();
    let (code, log, ending) = experiment.start(0).end().await;
    assert_eq!(code, Some(2), "{log}");
    for part in [own.trim(), &"2".repeat(64), "of a different version"] {
        assert!(log.contains(part), "{log} has not {part}");
    }
    assert_eq!(ending.state, EndState::Failed);
    fs::write(&plan, own).unwrap();
    fs::remove_file(experiment.config("authority.pem")).unwrap();
    let (code, log, ending) = experiment.start(0).end().await;
    assert_eq!(code, Some(2), "{log}");
    assert!(ending.error.unwrap().contains("authority.pem: cannot be read"));
}

#[tokio::test]
async fn certificates_are_renewed_while_rounds_go_on() {
    let experiment = Experiment::new(&[THREE, ENDLESS, "failurePolicy.onPeerLoss=fail"]);
    let settings = Settings {
        certificate_lifetime: Duration::from_secs(6),
        ..Settings::default()
    };
    let mut operator = Operator::start(&experiment, settings).await;
    let mut pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    // By the third one, the first has expired.
    operator.all_signed(3).await;
    let round = pods[0].round_after_now().await;
    operator.all_reported(round + 1).await;
    pods[1].signal(Signal::TERM);
    let (code, log, ending) = pods.remove(1).end().await;
    assert_eq!(code, Some(130), "{log}");
    assert!(log.contains("the certificate was renewed"), "{log}");
    assert_eq!(ending.state, EndState::Stopped);
    for pod in pods {
        let (code, log, ending) = pod.end().await;
        assert_eq!(code, Some(5), "{log}");
        assert!(ending.is_final);
        let error = ending.error.unwrap();
        let told = "peer 1 was stopped by the deletion of its pod (SIGTERM)";
        assert!(error.contains(told), "{error}");
        assert!(ending.blames.is_some());
    }
}

const QUICK: [&str; 2] = ["liveness.heartbeatInterval=200ms", "liveness.heartbeatTimeout=2s"];

#[tokio::test]
async fn a_pod_takes_the_place_of_one_that_was_killed() {
    // Without the third one no round ends, so that it is there in the end.
    let sets = [THREE, "training.rounds=30", "liveness.minPeers=3", CHECKPOINTS];
    let experiment = Experiment::new(&[&sets[..], &QUICK].concat());
    let mut operator = Operator::start(&experiment, Settings::default()).await;
    let mut pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    operator.all_reported(2).await;
    pods[2].signal(Signal::KILL);
    pods.remove(2).died().await;
    pods.push(experiment.replace(2, 1));
    let mut models = Vec::new();
    for (index, pod) in (0..).zip(pods) {
        let (code, log, ending) = pod.end().await;
        assert_eq!(code, Some(0), "{log}");
        assert_eq!((ending.state, ending.rounds), (EndState::Completed, 30));
        assert_eq!(ending.incarnation, Some(index / 2));
        models.push(ending.model_hash.expect(&log));
    }
    assert!(models.iter().all(|model| *model == models[0]), "{models:?}");
    // Its figures go on, too.
    let figures = fs::read_to_string(experiment.state(2).join("output/peers/peer-2.jsonl")).unwrap();
    assert_eq!(figures.matches(r#"{"event":"restarted","#).count(), 1);
    assert!(figures.contains(r#""round":0,"#) && figures.contains(r#""round":29,"#));
    assert_eq!(operator.progress().rounds_done(), 30);
}

/// The first process of an attempt may have died before it could clear what an earlier experiment of the name left.
#[tokio::test]
async fn a_later_process_keeps_only_what_its_attempt_has_left() {
    let experiment = Experiment::new(&[THREE, CHECKPOINTS]);
    let records = experiment.state(2).join("output/peers");
    fs::create_dir_all(&records).unwrap();
    let figures = records.join("peer-2.jsonl");
    for (mark, stays) in [
        (None, false),
        (Some(format!("{RUN} 1\n")), false),
        (Some(format!("{RUN} 0\n")), true),
    ] {
        fs::write(&figures, "{}\n").unwrap();
        if let Some(mark) = mark {
            fs::write(records.join("peer-2.attempt"), mark).unwrap();
        }
        let mut pod = experiment.replace(2, 1);
        pod.until("no certificate yet; retrying").await;
        assert_eq!(figures.exists(), stays);
        pod.signal(Signal::TERM);
        pod.end().await;
    }
}

#[tokio::test]
async fn a_process_that_was_replaced_ends() {
    let experiment = Experiment::new(&[THREE, ENDLESS]);
    let settings = Settings {
        certificate_lifetime: Duration::from_secs(6),
        ..Settings::default()
    };
    let mut operator = Operator::start(&experiment, settings).await;
    let mut pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    operator.all_reported(0).await;
    let authority = root().authority(RUN).unwrap();
    let next = Applicant::new(&experiment.coordinator, RUN, authority.certificate_pem()).unwrap();
    let request = PeerKey::generate().unwrap().request_pem().unwrap();
    next.ask("token-of-2-1", &request).await.unwrap();
    let (code, log, ending) = pods.remove(2).end().await;
    assert_eq!(code, Some(5), "{log}");
    assert_eq!(ending.state, EndState::Superseded);
    assert!(ending.is_of_no_use() && ending.model_hash.is_none());
    let error = ending.error.unwrap();
    assert!(
        error.contains("another process has taken the place of this one"),
        "{error}"
    );
    // And so does one that asks for its first one.
    let (code, log, ending) = experiment.start(2).end().await;
    assert_eq!((code, ending.state), (Some(5), EndState::Superseded), "{log}");
    for pod in pods {
        pod.signal(Signal::TERM);
        pod.end().await;
    }
}

#[tokio::test]
async fn peers_that_go_as_the_manifest_says_say_so_and_the_others_have_the_model() {
    let churn = "churn=[{event: leave, peers: [0], round: 2}, {event: crash, peers: [3], round: 3}]";
    let sets = ["groups[0].count=4", "training.rounds=5", "liveness.minPeers=2", churn];
    let experiment = Experiment::new(&[&sets[..], &QUICK].concat());
    let mut operator = Operator::start(&experiment, Settings::default()).await;
    let pods: Vec<Pod> = (0..4).map(|index| experiment.start(index)).collect();
    operator.all_reported(0).await;
    let mut models = Vec::new();
    for (index, pod) in (0..).zip(pods) {
        let (code, log, ending) = pod.end().await;
        let expected = match index {
            0 => (Some(4), EndState::Left),
            3 => (None, EndState::Left),
            _ => (Some(0), EndState::Completed),
        };
        assert_eq!((code, ending.state), expected, "{log}");
        assert_eq!(ending.is_of_no_use(), ending.state == EndState::Left);
        models.extend(ending.model_hash.filter(|_| ending.state == EndState::Completed));
        let model = experiment.state(index).join("output/model.safetensors");
        assert_eq!(model.is_file(), index == 1);
    }
    assert_eq!(models.len(), 2);
    assert_eq!(models[0], models[1]);
    let progress = operator.progress();
    let ends = progress.standing().ends;
    assert_eq!((ends.known(), progress.rounds_finished()), (5, 5), "{ends:?}");
    assert!(ends.degraded() >= 2, "{ends:?}");
}

/// All pods are there from the beginning. Who joins waits, and nobody waits for it; from its time on it takes part as anybody.
#[tokio::test]
async fn peers_that_join_later_wait_for_their_time() {
    // Nobody is too fast for who joins at a time.
    let churn = "churn=[{event: join, peers: [2], round: 3}, {event: join, peers: [3], after: 1h}]";
    let sets = ["groups[0].count=4", ENDLESS, "liveness.minPeers=2", churn];
    let experiment = Experiment::new(&[&sets[..], &QUICK].concat());
    let mut operator = Operator::start(&experiment, Settings::default()).await;
    let mut pods: Vec<Pod> = [2, 3, 0, 1].map(|index| experiment.start(index)).into();
    for (pod, index) in pods.iter_mut().zip([2, 3]) {
        pod.until("waiting to join, as `churn` says").await;
        assert_eq!(experiment.get(index, "/healthz").await.0, 200);
        assert_eq!(experiment.get(index, "/readyz").await.0, 503);
    }
    let line = pods[0].until("joining, as `churn` says").await;
    let (_, rounds) = line.split_once("rounds=").unwrap();
    assert!(rounds.trim().parse::<u32>().unwrap() >= 2, "{line}");
    operator.reported_by(&[2], 3).await;
    assert_eq!(experiment.get(2, "/readyz").await.0, 200);
    assert_eq!(experiment.get(3, "/readyz").await.0, 503);
    operator.began(Duration::from_secs(3600));
    operator.reported_by(&[3], 4).await;
    for peer in [2, 3] {
        let path = experiment.state(peer).join(format!("output/peers/peer-{peer}.jsonl"));
        let figures = fs::read_to_string(path).unwrap();
        assert!(figures.contains(r#""what":"join""#), "{figures}");
        let mut trained = figures.lines().filter(|line| line.contains(r#""event":"training""#));
        let first: serde_json::Value = serde_json::from_str(trained.next().unwrap()).unwrap();
        assert!(first["round"].as_u64().unwrap() >= 2, "{first}");
    }
    for pod in &pods {
        pod.signal(Signal::TERM);
    }
    for pod in pods {
        pod.end().await;
    }
}

#[tokio::test]
async fn who_would_join_after_the_end_ends_without_use_for_another_pod() {
    let churn = "churn=[{event: join, peers: [2], after: 1h}]";
    let sets = [THREE, "training.rounds=3", "liveness.minPeers=2", churn];
    let experiment = Experiment::new(&[&sets[..], &QUICK].concat());
    let operator = Operator::start(&experiment, Settings::default()).await;
    let mut pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    let late = pods.remove(2);
    for pod in pods {
        let (code, log, ending) = pod.end().await;
        assert_eq!((code, ending.state), (Some(0), EndState::Completed), "{log}");
    }
    let (code, log, ending) = late.end().await;
    assert_eq!((code, ending.state), (Some(5), EndState::Failed), "{log}");
    assert!(ending.is_of_no_use());
    assert_eq!(ending.error.unwrap(), "peer 2 had yet to join when the others finished");
    // Of a run that ended early only those tell who watch its pods; the next process of such a peer asks likewise.
    operator.stop().await;
    let operator = Operator::start(&experiment, Settings::default()).await;
    let mut next = experiment.replace(2, 1);
    next.until("waiting to join, as `churn` says").await;
    operator.is_over();
    let (code, log, _) = next.end().await;
    assert_eq!(code, Some(5), "{log}");
}

#[tokio::test]
async fn who_waits_to_join_can_be_stopped() {
    let churn = "churn=[{event: join, peers: [2], after: 1h}]";
    let experiment = Experiment::new(&[&[THREE, "liveness.minPeers=2", churn][..], &QUICK].concat());
    let operator = Operator::start(&experiment, Settings::default()).await;
    let mut pod = experiment.start(2);
    pod.until("waiting to join, as `churn` says").await;
    operator.stop().await;
    pod.until("waiting to join; retrying").await;
    pod.signal(Signal::TERM);
    let (code, log, ending) = pod.end().await;
    assert_eq!((code, ending.state), (Some(130), EndState::Stopped), "{log}");
}

#[tokio::test]
async fn the_next_attempt_goes_on_from_a_checkpoint() {
    let sets = [THREE, "training.rounds=8", CHECKPOINTS];
    let experiment = Experiment::new(&sets);
    let mut operator = Operator::start(&experiment, Settings::default()).await;
    let pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    operator.all_reported(2).await;
    for pod in &pods {
        pod.signal(Signal::TERM);
    }
    let mut common = u32::MAX;
    for pod in pods {
        let (_, log, ending) = pod.end().await;
        let newest = *ending.checkpoints.first().expect(&log);
        common = common.min(newest);
    }
    operator.begin_attempt(1);
    let pods: Vec<Pod> = (0..3).map(|index| experiment.resume(index, 1, common)).collect();
    let hash = experiment.run_alone().await;
    for pod in pods {
        let (code, log, ending) = pod.end().await;
        assert_eq!(code, Some(0), "{log}");
        assert_eq!((ending.attempt, ending.rounds), (Some(1), 8));
        assert_eq!(ending.model_hash.unwrap().to_string(), hash);
        assert_eq!(ending.checkpoints, [8, 7]);
    }
    assert_eq!(operator.progress().rounds_done(), 8);
}

/// An experiment was deleted and applied again under its name, on the claims that it left.
#[tokio::test]
async fn what_begins_anew_leaves_no_checkpoint_of_before() {
    let sets = [THREE, "training.rounds=2", CHECKPOINTS, "output.peerModels=true"];
    let experiment = Experiment::new(&sets);
    let operator = Operator::start(&experiment, Settings::default()).await;
    let pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    for pod in pods {
        let (_, log, ending) = pod.end().await;
        assert_eq!(ending.checkpoints, [2, 1], "{log}");
    }
    let output = experiment.state(0).join("output");
    let models = ["model.safetensors", "peers/peer-0.safetensors"].map(|name| output.join(name));
    assert!(models.iter().all(|model| model.is_file()));
    operator.begin_attempt(1);
    let mut alone = experiment.anew(0, 1);
    alone.until("ready: certificate, sockets and data").await;
    alone.signal(Signal::TERM);
    let (_, log, ending) = alone.end().await;
    assert_eq!(ending.state, EndState::Stopped, "{log}");
    assert!(ending.checkpoints.is_empty(), "{:?}", ending.checkpoints);
    // Whoever copies a model from the claim now would take that of another experiment.
    assert!(!models.iter().any(|model| model.exists()));
}

#[tokio::test]
async fn an_attempt_after_the_last_round_writes_the_model_and_completes() {
    let experiment = Experiment::new(&[THREE, "training.rounds=4", CHECKPOINTS]);
    let operator = Operator::start(&experiment, Settings::default()).await;
    let model = experiment.state(0).join("output/model.safetensors");
    // What a full disk or a deleted pod leaves: all rounds, and no model.
    fs::create_dir_all(model.join("in-the-way")).unwrap();
    let pods: Vec<Pod> = (0..3).map(|index| experiment.start(index)).collect();
    let mut codes = Vec::new();
    for pod in pods {
        let (code, _, ending) = pod.end().await;
        assert_eq!((ending.rounds, &ending.checkpoints[..]), (4, &[4, 3][..]));
        codes.push(code);
    }
    assert_eq!(codes, [Some(1), Some(0), Some(0)]);
    fs::remove_dir_all(&model).unwrap();
    operator.begin_attempt(1);
    let hash = experiment.run_alone().await;
    let pods: Vec<Pod> = (0..3).map(|index| experiment.resume(index, 1, 4)).collect();
    for pod in pods {
        let (code, log, ending) = pod.end().await;
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(ending.state, EndState::Completed);
        assert_eq!((ending.attempt, ending.rounds), (Some(1), 4));
        assert_eq!(ending.model_hash.unwrap().to_string(), hash);
        assert!(ending.accuracy.is_some());
        assert_eq!(ending.checkpoints, [4, 3]);
    }
    assert!(model.is_file());
}

#[tokio::test]
async fn an_ending_names_checkpoints_that_are_whole_and_of_this_plan_only() {
    let experiment = Experiment::new(&[THREE, ENDLESS, CHECKPOINTS]);
    let folder = experiment.state(0).join("checkpoints");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("peer-0.rounds-10.checkpoint"), [7; 5000]).unwrap();
    fs::write(folder.join("peer-0.rounds-5.checkpoint"), "").unwrap();
    let mut pod = experiment.start(0);
    pod.until("no certificate yet; retrying").await;
    pod.signal(Signal::TERM);
    let (code, log, ending) = pod.end().await;
    assert_eq!(code, Some(130), "{log}");
    assert_eq!(ending.checkpoints, [0; 0]);
}

#[tokio::test]
async fn a_link_on_the_way_to_checkpoints_is_refused() {
    let experiment = Experiment::new(&[THREE, CHECKPOINTS]);
    fs::create_dir_all(experiment.state(0)).unwrap();
    let elsewhere = experiment.state(1);
    fs::create_dir_all(&elsewhere).unwrap();
    std::os::unix::fs::symlink(elsewhere, experiment.state(0).join("checkpoints")).unwrap();
    let (code, log, ending) = experiment.start(0).end().await;
    assert_eq!(code, Some(1), "{log}");
    let error = ending.error.unwrap();
    assert!(error.contains("checkpoints is a link"), "{error}");
}
