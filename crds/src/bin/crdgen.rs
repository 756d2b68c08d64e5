//! Prints the YAML of the custom resource definition.

use std::process::ExitCode;

fn main() -> ExitCode {
    match fltorrent_crds::definition::yaml() {
        Ok(yaml) => {
            print!("{yaml}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
