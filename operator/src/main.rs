//! `fltorrent-operator`: keeps the experiments of a cluster going.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fltorrent_operator::{
    config::Config,
    process::{self, End},
    rbac::{self, Place},
    ready::{self, Question},
    telemetry,
};
use tokio::runtime::Builder;

/// Makes the pods of experiments, signs their certificates, and tells how they get on.
#[derive(Debug, Parser)]
#[command(name = "fltorrent-operator", version, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run until a signal.
    Run(Box<Config>),
    /// Print what the operator has to be allowed, each rule with its reason.
    Rbac {
        /// Where the rules hold.
        #[arg(value_enum)]
        place: Place,
    },
    /// Ask a running operator until it is ready; fail when it does not become so.
    Ready(Question),
}

fn main() -> ExitCode {
    let action = Arguments::parse().action;
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("there is no async runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(act(action));
    // What is still computed is not waited for: who does not lead any more has to be gone, and started again.
    runtime.shutdown_background();
    code
}

async fn act(action: Action) -> ExitCode {
    let config = match action {
        Action::Run(config) => config,
        Action::Rbac { place } => {
            print!("{}", rbac::yaml(place));
            return ExitCode::SUCCESS;
        }
        Action::Ready(question) => return ask(&question).await,
    };
    telemetry::init(config.log_format);
    match process::run(*config).await {
        Ok(End::Signal) => ExitCode::SUCCESS,
        Ok(End::LostLease) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the operator cannot run");
            ExitCode::FAILURE
        }
    }
}

async fn ask(question: &Question) -> ExitCode {
    match ready::wait(question).await {
        Ok(()) => {
            println!("{}: ready", question.url);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{:#}", anyhow::Error::new(error));
            ExitCode::FAILURE
        }
    }
}
