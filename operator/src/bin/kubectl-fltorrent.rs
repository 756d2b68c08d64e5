//! `kubectl fltorrent`: looks at experiments on a cluster, and at what they would be there.

use std::process::ExitCode;

use clap::Parser;
use fltorrent_crds::visible;
use fltorrent_operator::plugin::{Arguments, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", visible(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}
