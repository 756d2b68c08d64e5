//! Programs that were built with these tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use libtest_mimic::Failed;

/// The folder in which Cargo puts the programs that it builds beside these tests.
///
/// These tests alone build no program, so that what is there may be of sources of before.
pub fn folder() -> Result<PathBuf, Failed> {
    let tests = std::env::current_exe()?;
    let folder = tests.ancestors().nth(2).ok_or("no folder of programs")?;
    for program in ["fltorrent", "fltorrent-operator"] {
        let program = folder.join(program);
        if let Some(fault) = fault(&program)? {
            let program = program.display();
            return Err(format!("{program} {fault}: cargo test --workspace --no-run").into());
        }
    }
    Ok(folder.to_owned())
}

/// Why a program is not what its sources are.
fn fault(program: &Path) -> Result<Option<String>, Failed> {
    if !program.is_file() {
        return Ok(Some("is missing".to_owned()));
    }
    let built = changed(program)?;
    // Cargo leaves beside each program of which files it was made, in the way of make.
    let sources = fs::read_to_string(program.with_extension("d"))?;
    let (_, sources) = sources.split_once(": ").ok_or("no list of sources")?;
    for source in sources.replace("\\ ", "\0").split_ascii_whitespace() {
        let source = PathBuf::from(source.replace('\0', " "));
        if !source.is_file() || changed(&source)? > built {
            return Ok(Some(format!("is older than {}", source.display())));
        }
    }
    Ok(None)
}

fn changed(file: &Path) -> Result<SystemTime, Failed> {
    Ok(fs::metadata(file)?.modified()?)
}
