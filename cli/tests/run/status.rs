//! The status endpoint is for people only: peers train on without it.

use fltorrent_cli::{
    launcher::{Event, Exit, Launcher, Results, Setup},
    manifest::Resolved,
};

use crate::support::{example, summary};

const SETS: [(&str, &str); 3] = [
    ("groups[0].count", "4"),
    ("training.rounds", "40"),
    ("training.epochs", "1"),
];

#[test]
fn peers_train_on_to_the_same_model_when_the_status_endpoint_closes() {
    let sets: Vec<(String, String)> = SETS
        .iter()
        .map(|(path, value)| ((*path).to_owned(), (*value).to_owned()))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let resolved = Resolved::read(&example("quickstart.yaml"), &sets).unwrap();
    let results = Results::at(folder.path()).unwrap();
    results.write_manifest(&resolved.yaml().unwrap()).unwrap();
    let setup = Setup {
        program: env!("CARGO_BIN_EXE_fltorrent").into(),
        plan: resolved.plan,
        results,
        resume: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (reported, ended) = runtime.block_on(async {
        let mut launcher = Launcher::start(setup).unwrap();
        let mut reported = 0;
        while let Some(event) = launcher.next().await.unwrap() {
            if let Event::Round(_) = event {
                launcher.close_status().await;
                reported += 1;
            }
        }
        (reported, launcher.end().await)
    });
    assert!((1..40).contains(&reported), "{reported} rounds were reported");
    assert!(ended.exits.iter().flatten().all(Exit::succeeded), "{:?}", ended.exits);
    assert_eq!(ended.measured.rounds_by_peer, [40; 4]);
    let last = ended.measured.rounds.last().unwrap().summary;
    assert!(last.models_agree);

    let undisturbed = SETS.map(|(path, value)| format!("{path}={value}"));
    let undisturbed = summary("quickstart.yaml", &undisturbed.each_ref().map(String::as_str));
    assert_eq!(undisturbed["modelHash"], last.model_hash.to_string());
}
