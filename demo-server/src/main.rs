//! The walkthrough of GoFrame's session documents as a server: `/set`, `/get` and `/del` on a
//! storage of your choice.

mod arguments;
mod by_hand;
mod routes;
mod serve;
mod settings;
mod storage;

use std::process::ExitCode;

use arguments::Arguments;
use settings::{Problem, Settings};

/// What a server that cannot run as configured exits with.
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
        Arguments::Serve { config } => config,
    };
    serve::serve(&Settings::load(arguments.as_deref())?).await
}
