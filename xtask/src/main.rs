//! `cargo xtask`: one entry for what a developer of FLTorrent does besides writing code.

mod dependencies;
mod notices;
mod sbom;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use dependencies::{Dependency, dependencies};

const HELP: &str = "\
cargo xtask test                    everything that has to pass (scripts/test.sh)
cargo xtask update                  write generated files anew
cargo xtask bench [ARGUMENT]...     fltorrent-bench, built for release
cargo xtask cluster up|down|status|logs
                                    a real Kubernetes on this machine (docs/development-cluster.md)
cargo xtask images                  build the Dockerfile's images without Docker (docs/images.md)
cargo xtask release                 an archive with its checksum (docs/releasing.md)
cargo xtask sbom|notices            print what is linked into the programs: a bill of materials, licence texts
";

/// Tests that compare generated files, or write them where `UPDATE` is set; each may read what those before it wrote.
const COMPARISONS: [&[&str]; 4] = [
    &["--test", "definition", "the_file"],
    &["--test", "definition", "--test", "fields_page"],
    &["--test", "golden"],
    &["--test", "chart_files"],
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => script("test.sh"),
        ["release"] => script("release.sh"),
        ["update"] => update(),
        ["bench", rest @ ..] => run(cargo(&["run", "--release", "-p", "fltorrent-bench", "--"]).args(rest)),
        ["cluster", rest @ ..] => run(cargo(&["run", "--quiet", "-p", "e2e", "--"]).args(rest)),
        ["images"] => run(&mut cargo(&["run", "--quiet", "-p", "e2e", "--", "images"])),
        ["sbom"] => print(|all| Ok(sbom::sbom(all, env!("CARGO_PKG_VERSION")))),
        ["notices"] => print(notices::notices),
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(format!("there is no such chore; these there are:\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Of the whole workspace, so that crates have the features that they have in `cargo xtask test`, and are not compiled again.
fn update() -> Result<(), String> {
    for tests in COMPARISONS {
        let mut test = cargo(&["test", "--quiet", "--workspace", "--locked"]);
        run(test.args(tests).env("UPDATE", "1"))?;
    }
    Ok(())
}

/// Prints what is made of the dependencies.
fn print(make: impl Fn(&[Dependency]) -> Result<String, String>) -> Result<(), String> {
    print!("{}", make(&dependencies()?)?);
    Ok(())
}

fn script(name: &str) -> Result<(), String> {
    run(&mut Command::new(root().join("scripts").join(name)))
}

fn cargo(arguments: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    cargo.current_dir(root()).args(arguments);
    cargo
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command
        .status()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("{command:?} failed: {status}")),
    }
}

fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
