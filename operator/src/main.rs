//! `fltorrent-operator`: keeps the experiments of a cluster going.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fltorrent_operator::config::Config;
use fltorrent_operator::process::{self, End};
use fltorrent_operator::rbac::{self, Place};
use fltorrent_operator::ready::{self, Question};
use fltorrent_operator::telemetry;

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

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Arguments::parse().action {
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
