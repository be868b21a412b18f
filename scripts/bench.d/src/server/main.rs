//! One of the compared servers: `server NAME PORT WORKERS REDIS_URL DIRECTORY`.
//!
//! All servers have the same routes, written as in their own documentation:
//!
//! - `/fill?bytes=N`: starts a session of about this size
//! - `/untouched`: does not use the session
//! - `/item`: answers with one item
//! - `/whole`: answers with all items as one JSON object
//! - `/set`: writes one item
//! - `/fill-one?bytes=N`: starts a session of one item of this size; only this project
//! - `/replace?bytes=N`: writes this item anew; only this project
//! - `/allocations`: the number of memory allocations so far, if `BENCH_ALLOCATIONS` is set

mod actix_session;
mod allocations;
mod bare;
mod items;
mod layers;
mod ours;
mod tower_sessions;

use std::{error::Error, process::exit};

use actix_web::{
    App, HttpServer,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
};

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

/// The arguments of the command line.
struct Settings {
    name: String,
    port: u16,
    workers: usize,
    redis: String,
    directory: String,
}

fn main() -> Result {
    let [name, port, workers, redis, directory] =
        <[String; 5]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
            .map_err(|_| "usage: server NAME PORT WORKERS REDIS_URL DIRECTORY")?;
    let settings =
        Settings { name, port: port.parse()?, workers: workers.parse()?, redis, directory };
    if std::env::var_os("BENCH_ALLOCATIONS").is_some() {
        allocations::count();
    }
    match settings.name.as_str() {
        "bare" => actix_web::rt::System::new().block_on(bare::serve(&settings)),
        "actix-session" | "actix-session-pooled" | "actix-session-cookie" => {
            actix_web::rt::System::new().block_on(actix_session::serve(&settings))
        }
        "tower-sessions" => tower_sessions::serve(&settings),
        name => match layers::split(name) {
            Some((storage, layers)) if ours::STORAGES.contains(&storage) => {
                actix_web::rt::System::new().block_on(ours::serve(&settings, storage, layers))
            }
            _ => {
                eprintln!("no server is named {name}");
                exit(2);
            }
        },
    }
}

/// Serves an actix-web app, in the same way for every server on actix-web.
async fn serve_app<F, T, B>(settings: &Settings, app: F) -> Result
where
    F: Fn() -> App<T> + Send + Clone + 'static,
    T: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let server = HttpServer::new(app).workers(settings.workers).disable_signals();
    Ok(server.bind(("127.0.0.1", settings.port))?.run().await?)
}
