//! `demo-server sessions`: listing, showing and ending the sessions of the configured storage.
//!
//! Arrows: a file for each command -> `store` (the sessions, page by page) -> `entry` (a session as
//! it is shown), `failure`; `output` (standard output), `progress` (standard error).

mod end;
mod end_user;
mod entry;
mod failure;
mod list;
mod output;
mod progress;
mod show;
mod stats;
mod store;
mod sweep;

pub(crate) use failure::Failure;

use std::{pin::pin, process};

use futures_util::future::{Either, select};

use crate::{
    arguments::Sessions,
    settings::{Problem, Settings},
    signals::Signals,
};
use output::Output;
use store::Store;

/// Runs a command until it is done, or a signal stops it.
pub(crate) async fn run(settings: Settings, command: Sessions) -> Result<(), Failure> {
    let signals = Signals::listen().map_err(|error| Problem::new(format!("signals: {error}")));
    let (mut signals, store) = (signals?, Store::open(settings)?);
    let work = async {
        let mut output = Output::default();
        match command {
            Sessions::List { json, ids } => list::list(&store, &mut output, json, ids).await?,
            Sessions::Show { session, json, values } => {
                show::show(&store, &mut output, &session, json, values).await?;
            }
            Sessions::End { session } => end::end(&store, &mut output, &session).await?,
            Sessions::EndUser { user } => end_user::end_user(&store, &mut output, &user).await?,
            Sessions::Sweep => sweep::sweep(&store, &mut output).await?,
            Sessions::Stats { json } => stats::stats(&store, &mut output, json).await?,
        }
        output.flush().await
    };
    let (work, stopped) = (pin!(work), pin!(signals.next()));
    match select(work, stopped).await {
        Either::Left((done, _)) => done,
        // A write to a pipe that nobody reads may never end, so nothing is waited for.
        Either::Right(_) => process::exit(130),
    }
}
