//! Programs that were built with these tests.

use std::path::PathBuf;

use libtest_mimic::Failed;

/// The folder in which Cargo puts the programs that it builds beside these tests: of the newest `cargo test --workspace`, which these
/// tests by themselves are not.
pub fn folder() -> Result<PathBuf, Failed> {
    let tests = std::env::current_exe()?;
    let folder = tests.ancestors().nth(2).ok_or("no folder of programs")?;
    for program in ["fltorrent", "fltorrent-operator"] {
        if !folder.join(program).is_file() {
            let said = format!(
                "{program} is missing in {}: cargo test --workspace --no-run",
                folder.display()
            );
            return Err(said.into());
        }
    }
    Ok(folder.to_owned())
}
