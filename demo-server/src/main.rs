//! A server for the walkthrough in GoFrame's session documentation: `/set`, `/get` and `/del` on
//! a configurable storage.

mod administration;
mod advice;
mod arguments;
mod loopback;
mod metrics;
mod redis_commands;
mod routes;
mod serve;
mod settings;
mod shell;
mod signals;
mod storage;

use std::{io::Write as _, process::ExitCode};

use administration::Failure;
use arguments::{Arguments, Command, Request};
use session_core::EncryptionKey;
use settings::Settings;

#[actix_rt::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Whoever has closed standard error need not be told.
            let _ = failure.line().map(|line| writeln!(std::io::stderr(), "demo-server: {line}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn run() -> Result<(), Failure> {
    let arguments = match Arguments::parse_from_line(std::env::args_os())? {
        Request::Run(arguments) => arguments,
        Request::Help(help) => {
            print(&help);
            return Ok(());
        }
    };
    let load = || Settings::load(arguments.config.as_deref());
    match arguments.command {
        None => {
            log_from("info,actix_server=warn");
            Ok(serve::serve(&load()?).await?)
        }
        Some(Command::Key) => {
            print(&format!("{}\n", EncryptionKey::random().to_base64()));
            Ok(())
        }
        Some(Command::Sessions { command }) => {
            log_from("off");
            administration::run(load()?, command).await
        }
    }
}

/// Starts the log, with this filter unless the environment says another.
fn log_from(filter: &str) {
    let filter = env_logger::Env::default().default_filter_or(filter);
    env_logger::Builder::from_env(filter).init();
}

fn print(text: &str) {
    // Whoever reads may have read enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
