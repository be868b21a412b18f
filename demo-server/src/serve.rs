//! Builds the server and runs it until a signal stops it.

use std::{io, process, time::Duration};

use actix_rt::time::timeout;
use actix_web::{App, HttpServer, dev::ServerHandle, web};
use session_actix::SessionMiddleware;
use session_core::{Manager, WhenFull};

use crate::{
    advice::Advice,
    metrics, redis_commands, routes,
    settings::{self, Problem, Settings},
    signals::Signals,
    storage,
};

/// The time limit for requests in flight at shutdown, and then for writing delayed extensions of
/// sessions.
const GRACE: Duration = Duration::from_secs(5);

/// Serves until a signal, then finishes the requests in flight.
pub(crate) async fn serve(settings: &Settings) -> Result<(), Problem> {
    let metrics = settings.server.metrics.then(metrics::record).transpose()?.map(web::Data::new);
    let manager = manager(settings)?;
    let sessions = middleware(&manager, settings)?;
    let about = web::Data::new(routes::About::new(settings));
    let shared = web::Data::new(manager.clone());
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(about.clone())
            .app_data(shared.clone())
            .wrap(sessions.clone())
            .configure(|app| routes::register(app, metrics.clone()))
    })
    .disable_signals()
    .shutdown_timeout(GRACE.as_secs());
    if let Some(workers) = settings.server.workers {
        server = server.workers(workers as usize);
    }
    let signals = Signals::listen().map_err(|error| Problem::new(format!("signals: {error}")))?;
    let address = (settings.server.host.as_str(), settings.server.port);
    let server = server.bind(address).map_err(|error| bind_problem(settings, &error))?;
    for address in server.addrs() {
        log::info!("listening on http://{address}, storage {}", settings.storage());
    }
    if settings.session.backend.is_redis() {
        let start_command = redis_commands::start_command(&settings.redis);
        actix_rt::spawn(warn_if_redis_is_down(manager.clone(), start_command));
    }
    let server = server.run();
    actix_rt::spawn(stop_on_signal(signals, server.handle()));
    server.await.map_err(|error| Problem::new(format!("the server ended: {error}")))?;
    if timeout(GRACE, manager.flush()).await.is_err() {
        log::warn!("the store did not answer in time: some sessions may expire early");
    }
    log::info!("stopped");
    Ok(())
}

fn manager(settings: &Settings) -> Result<Manager, Problem> {
    let mut manager = Manager::builder(storage::open(settings)?)
        .ttl(settings.session.max_age)
        .absolute_ttl(settings.session.absolute_max_age)
        .renew_after(settings.session.renew_after)
        .grace(settings.session.grace)
        .touch_interval(settings.session.touch_interval);
    if settings.session.max_per_user > 0 {
        let when_full = match settings.session.when_full {
            settings::WhenFull::EndOldest => WhenFull::EndOldest,
            settings::WhenFull::Refuse => WhenFull::Refuse,
        };
        manager = manager.max_sessions_per_user(settings.session.max_per_user as usize, when_full);
    }
    let keys = [
        "session.max_age",
        "session.absolute_max_age",
        "session.renew_after",
        "session.grace",
        "session.touch_interval",
    ];
    manager.build().map_err(|error| settings.problem(&keys, error))
}

fn middleware(manager: &Manager, settings: &Settings) -> Result<SessionMiddleware, Problem> {
    let sessions = settings.transport(SessionMiddleware::builder(manager.clone()))?;
    let keys = [
        "session.header",
        "session.cookie.name",
        "session.cookie.path",
        "session.cookie.domain",
        "session.cookie.secure",
        "session.cookie.same_site",
        "session.cookie.max_age",
        "session.touch_interval",
    ];
    sessions.build().map_err(|error| settings.problem(&keys, error))
}

fn bind_problem(settings: &Settings, error: &io::Error) -> Problem {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "in use by another program".to_owned(),
        _ => error.to_string(),
    };
    let (host, port) = (&settings.server.host, settings.server.port);
    let allowed =
        "allowed is an address of this machine with a free port, or with port 0 for any free one";
    let keys = ["server.host", "server.port"];
    settings.problem(&keys, format_args!("{host}:{port} cannot be used: {reason}; {allowed}"))
}

/// Logs a warning that says what is wrong with Redis and what to do about it.
async fn warn_if_redis_is_down(manager: Manager, start_command: Option<String>) {
    if let Err(error) = manager.check().await {
        let Advice { problem, help, is_down } = Advice::on(&error);
        let start = start_command.filter(|_| is_down);
        let start = start.map(|command| format!(" `{command}` starts one on this machine."));
        log::warn!(
            "Redis is not ready: {problem}. {help}{} /set, /get and /del answer 503 and recover by \
             themselves once it is",
            start.unwrap_or_default()
        );
    }
}

async fn stop_on_signal(mut signals: Signals, server: ServerHandle) {
    signals.next().await;
    log::info!("stopping: finishing the requests in flight");
    actix_rt::spawn(server.stop(true));
    signals.next().await;
    process::exit(130);
}
