//! An account: login, "remember me", the user's sessions, "log out everywhere", and the password
//! once more before a sensitive action.
//!
//! `cargo run -p session-actix --example account`, then:
//!
//! ```sh
//! curl -c jar -b jar localhost:8080/login -d name=bob -d password=secret -d remember=true
//! curl -c jar -b jar localhost:8080/devices
//! curl -c jar -b jar localhost:8080/password -d new=better
//! curl -c jar -b jar localhost:8080/logout-everywhere -X POST
//! ```

use std::{env, error::Error, time::Duration};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, Result,
    error::{ErrorForbidden, ErrorUnauthorized},
    http::header::USER_AGENT,
    web::{self, Data, Form, Json},
};
use serde::{Deserialize, Serialize};
use session_actix::{CookieAge, CookieConfig, Manager, MemoryStorage, Session, SessionMiddleware};

const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    remember: bool,
}

impl Credentials {
    // A real application compares a password hash from its database.
    fn are_right(&self) -> bool {
        self.name == "bob" && self.password == "secret"
    }
}

/// How long after a login sensitive actions need no password.
struct Recent(Duration);

async fn login(
    request: HttpRequest,
    session: Session,
    credentials: Form<Credentials>,
) -> Result<&'static str> {
    if !credentials.are_right() {
        return Err(ErrorUnauthorized("wrong name or password\n"));
    }
    // Under a new id, also if bob is logged in already: then only the time of the login is new.
    session.login(&credentials.name).await?;
    if credentials.remember {
        session.set_ttl(MONTH).await?;
    }
    // Any item can describe the session in the list.
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    session.set("agent", agent.unwrap_or("unknown")).await?;
    Ok("welcome\n")
}

async fn logout(session: Session) -> Result<&'static str> {
    session.logout().await?;
    Ok("bye\n")
}

#[derive(Serialize)]
struct Device {
    agent: String,
    is_this_one: bool,
}

async fn devices(session: Session, manager: Data<Manager>) -> Result<Json<Vec<Device>>> {
    let user = user(&session).await?;
    let this_one = session.fingerprint().await?;
    let mut devices = Vec::new();
    for device in manager.sessions_of(&user).await? {
        let agent = device.items.get("agent")?.unwrap_or_default();
        devices.push(Device { agent, is_this_one: Some(device.fingerprint) == this_one });
    }
    Ok(Json(devices))
}

async fn logout_everywhere(session: Session, manager: Data<Manager>) -> Result<&'static str> {
    let user = user(&session).await?;
    // This session as well, so that its cookie is removed.
    session.logout().await?;
    manager.end_all(&user).await?;
    Ok("logged out on every device\n")
}

/// Sensitive: whoever finds a browser open must not be able to do it.
async fn change_password(session: Session, recent: Data<Recent>) -> Result<&'static str> {
    let age = session.authenticated_at().await?.and_then(|at| at.elapsed().ok());
    if age.is_none_or(|age| age > recent.0) {
        return Err(ErrorForbidden("log in once more\n"));
    }
    // The new password is stored here. Whoever knew the old one is logged out.
    session.end_others().await?;
    Ok("changed\n")
}

async fn user(session: &Session) -> Result<String> {
    session.user().await?.ok_or_else(|| ErrorUnauthorized("please log in\n"))
}

async fn home(session: Session) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().body(format!("Hello, {}!\n", user(&session).await?)))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let recent = env::var("RECENT_SECONDS").map_or(Ok(15 * 60), |seconds| seconds.parse())?;

    let manager = Manager::builder(MemoryStorage::new()).build()?;
    // A session cookie, unless the session has a time to live of its own.
    let cookie = CookieConfig::new().age(CookieAge::Session);
    let sessions = SessionMiddleware::builder(manager.clone()).cookie(cookie).build()?;
    let (manager, recent) = (Data::new(manager), Data::new(Recent(Duration::from_secs(recent))));
    let app = move || {
        App::new()
            .app_data(manager.clone())
            .app_data(recent.clone())
            .route("/", web::get().to(home))
            .route("/login", web::post().to(login))
            .route("/logout", web::post().to(logout))
            .route("/devices", web::get().to(devices))
            .route("/logout-everywhere", web::post().to(logout_everywhere))
            .route("/password", web::post().to(change_password))
            .wrap(sessions.clone())
    };
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}
