//! A server for the walkthrough in GoFrame's session documentation: `/set`, `/get` and `/del` on
//! a configurable storage.

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

use std::process::ExitCode;

use arguments::Arguments;
use session_core::EncryptionKey;
use settings::{Problem, Settings};

/// The exit code for a server that cannot run as configured.
const MISCONFIGURED: u8 = 2;

#[actix_rt::main]
async fn main() -> ExitCode {
    let filter = env_logger::Env::default().default_filter_or("info,actix_server=warn");
    env_logger::Builder::from_env(filter).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("demo-server: {problem}");
            ExitCode::from(MISCONFIGURED)
        }
    }
}

async fn run() -> Result<(), Problem> {
    let arguments = match Arguments::parse(std::env::args_os().skip(1))? {
        Arguments::Help => {
            print!("{}", arguments::HELP);
            return Ok(());
        }
        Arguments::Key => {
            println!("{}", EncryptionKey::random().to_base64());
            return Ok(());
        }
        Arguments::Serve { config } => config,
    };
    serve::serve(&Settings::load(arguments.as_deref())?).await
}
