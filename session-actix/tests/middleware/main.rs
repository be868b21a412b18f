//! The behaviour that an app behind the session middleware can rely on.

mod inner_errors;
mod lifetimes;
mod named;
mod nesting;
#[path = "../../../session-core/tests/support/probe.rs"]
mod probe;
mod sessions;
mod signing;
mod transport;

use std::{sync::Arc, time::Duration};

use actix_web::{
    Error, FromRequest, HttpRequest, HttpResponse,
    body::{MessageBody, to_bytes},
    dev::{Service, ServiceRequest, ServiceResponse},
    http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE},
    middleware::Next,
    test::{TestRequest, call_service},
    web,
};
use probe::Probe;
use session_actix::{CookieConfig, Session, SessionMiddleware};
use session_core::{Granularity, Manager, Snapshot};

/// Starts an app with the routes of these tests, behind middlewares of which the last is outermost.
macro_rules! app {
    ($($middleware:expr),+) => {
        actix_web::test::init_service(
            actix_web::App::new().configure(crate::routes)$(.wrap($middleware))+
        ).await
    };
}
pub(crate) use app;

fn manager() -> (Manager, Arc<Probe>) {
    let probe = Probe::new(Granularity::Whole);
    (Manager::builder(probe.clone()).ttl(Duration::from_secs(60)).build().unwrap(), probe)
}

fn plain(name: &str) -> CookieConfig {
    CookieConfig::new().name(name).secure(false)
}

fn sessions(manager: &Manager) -> SessionMiddleware {
    SessionMiddleware::builder(manager.clone()).cookie(plain("sid")).build().unwrap()
}

async fn set(session: Session) -> Result<&'static str, session_actix::Error> {
    session.set("n", 1).await?;
    Ok("ok")
}

async fn get(session: Session) -> Result<String, session_actix::Error> {
    Ok(format!("{:?}", session.get::<u32>("n").await?))
}

async fn del(session: Session) -> Result<&'static str, session_actix::Error> {
    session.remove_all().await?;
    Ok("ok")
}

async fn renew(session: Session) -> Result<&'static str, session_actix::Error> {
    session.regenerate_id().await?;
    Ok("ok")
}

const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

async fn remember(session: Session) -> Result<&'static str, session_actix::Error> {
    session.set_ttl(MONTH).await?;
    session.set("n", 1).await?;
    Ok("ok")
}

async fn forget(session: Session) -> Result<&'static str, session_actix::Error> {
    session.set_ttl(None).await?;
    Ok("ok")
}

async fn whole(session: Session) -> Result<Option<Snapshot>, session_actix::Error> {
    session.data().await
}

/// Sets an item if there is none, in a response for any cache.
async fn public(session: Session) -> Result<HttpResponse, session_actix::Error> {
    if !session.contains("n").await? {
        session.set("n", 1).await?;
    }
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "public, max-age=60")).finish())
}

async fn session(request: &HttpRequest) -> Session {
    Session::extract(request).await.expect("there is a session middleware")
}

/// Uses the session outside of the inner middlewares, before the handler and after it.
async fn visit(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let before = session(request.request()).await;
    before.set("before", 1).await?;
    let response = next.call(request).await?;
    let after = session(response.request()).await;
    after.set("after", 1).await?;
    Ok(response)
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/set", web::to(set))
        .route("/get", web::to(get))
        .route("/del", web::to(del))
        .route("/renew", web::to(renew))
        .route("/remember", web::to(remember))
        .route("/forget", web::to(forget))
        .route("/whole", web::to(whole))
        .route("/idle", web::to(async |_: Session| "ok"))
        .route("/public", web::to(public))
        .route(
            "/careless",
            web::to(async |session: Session| {
                let _ = session.set("n", 2).await;
                let _ = session.get::<u32>("n").await;
                "ok"
            }),
        )
        .route(
            "/fails",
            web::to(async |session: Session| {
                session.set("n", 3).await?;
                Err::<&str, Error>(actix_web::error::ErrorImATeapot("no coffee"))
            }),
        );
}

async fn call<B: MessageBody>(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    path: &str,
    cookie: Option<&str>,
) -> ServiceResponse<B> {
    let header = cookie.map(|cookie| (COOKIE.as_str(), cookie));
    call_with(app, path, header.as_slice()).await
}

async fn call_with<B: MessageBody>(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    path: &str,
    headers: &[(&str, &str)],
) -> ServiceResponse<B> {
    let request = TestRequest::with_uri(path);
    let add = |request: TestRequest, header: &(&str, &str)| request.append_header(*header);
    call_service(app, headers.iter().fold(request, add).to_request()).await
}

fn cookies<B>(response: &ServiceResponse<B>) -> Vec<String> {
    let lines = response.headers().get_all(SET_COOKIE);
    lines.map(|line| line.to_str().unwrap().to_owned()).collect()
}

/// Returns the only cookie, in the form in which a client sends it back.
fn cookie<B>(response: &ServiceResponse<B>) -> String {
    let cookies = cookies(response);
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    cookies[0].split(';').next().unwrap().to_owned()
}

async fn text<B: MessageBody>(response: ServiceResponse<B>) -> String {
    let Ok(bytes) = to_bytes(response.into_body()).await else { panic!("the body failed") };
    String::from_utf8(bytes.to_vec()).unwrap()
}
