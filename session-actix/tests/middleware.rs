//! The behaviour that an app behind the session middleware can rely on.

#[path = "../../session-core/tests/support/probe.rs"]
mod probe;

use std::{sync::Arc, time::Duration};

use actix_web::{
    App, Error, HttpResponse,
    body::{BodyStream, MessageBody, to_bytes},
    dev::{Service, ServiceResponse},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderName, RETRY_AFTER, SET_COOKIE},
    },
    middleware::{Compress, Logger, NormalizePath},
    test::{TestRequest, call_service, init_service},
    web,
};
use futures_util::stream;
use probe::Probe;
use session_actix::{CookieAge, CookieConfig, Session, SessionMiddleware};
use session_core::{Granularity, Manager, SessionId, Snapshot};

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

async fn whole(session: Session) -> Result<Option<Snapshot>, session_actix::Error> {
    session.data().await
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/set", web::to(set))
        .route("/get", web::to(get))
        .route("/del", web::to(del))
        .route("/renew", web::to(renew))
        .route("/whole", web::to(whole))
        .route("/idle", web::to(async |_: Session| "ok"))
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
    let mut request = TestRequest::with_uri(path);
    if let Some(cookie) = cookie {
        request = request.insert_header((COOKIE, cookie));
    }
    call_service(app, request.to_request()).await
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

macro_rules! app {
    ($($middleware:expr),+) => {
        init_service(App::new().configure(routes)$(.wrap($middleware))+).await
    };
}

#[actix_web::test]
async fn the_cookie_is_sent_for_a_new_session_and_expired_when_it_ends() {
    let (manager, _) = manager();
    let app = app!(sessions(&manager));
    let response = call(&app, "/set", None).await;
    let sent = cookies(&response).remove(0);
    assert!(sent.ends_with("; HttpOnly; SameSite=Lax; Path=/"), "{sent}");
    assert_eq!(response.headers().get(CACHE_CONTROL).unwrap(), "no-store");
    let sid = cookie(&response);

    let response = call(&app, "/get", Some(&sid)).await;
    assert!(cookies(&response).is_empty() && !response.headers().contains_key(CACHE_CONTROL));
    assert_eq!(text(response).await, "Some(1)");
    assert!(cookies(&call(&app, "/set", Some(&sid)).await).is_empty());

    let expired = cookies(&call(&app, "/del", Some(&sid)).await).remove(0);
    assert!(expired.starts_with("sid=;") && expired.contains("Max-Age=0"), "{expired}");
    assert!(expired.contains("HttpOnly; SameSite=Lax; Path=/"), "{expired}");
    let response = call(&app, "/get", Some(&sid)).await;
    assert!(cookies(&response).is_empty());
    assert_eq!(text(response).await, "None");
}

#[actix_web::test]
async fn a_handler_can_return_the_whole_session() {
    let (manager, _) = manager();
    let app = app!(sessions(&manager));
    let sid = cookie(&call(&app, "/set", None).await);
    let response = call(&app, "/whole", Some(&sid)).await;
    assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/json");
    assert_eq!(text(response).await, r#"{"n":1}"#);
    assert_eq!(call(&app, "/whole", None).await.status(), StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_request_that_does_not_use_its_session_sends_no_command_and_no_cookie() {
    let (manager, probe) = manager();
    let app = app!(sessions(&manager));
    let sid = cookie(&call(&app, "/set", None).await);
    probe.asked();
    let response = call(&app, "/idle", Some(&sid)).await;
    assert!(cookies(&response).is_empty());
    assert!(cookies(&call(&app, "/nowhere", Some(&sid)).await).is_empty());
    assert!(probe.asked().is_empty());
}

#[actix_web::test]
async fn a_rolling_cookie_is_extended_together_with_the_session() {
    let (manager, probe) = manager();
    let cookie_config = plain("sid").age(CookieAge::Rolling);
    let build = SessionMiddleware::builder(manager).cookie(cookie_config).build();
    let app = app!(build.unwrap());
    let response = call(&app, "/set", None).await;
    let sent = cookies(&response).remove(0);
    assert!(sent.contains("Max-Age=66"), "ttl and touch interval: {sent}");
    assert!(cookies(&call(&app, "/get", Some(&cookie(&response))).await).is_empty());

    // Another node has an interval of its own, in which it has not sent the cookie yet.
    let other = Manager::builder(probe).ttl(Duration::from_secs(60)).build();
    let rolling = plain("sid").age(CookieAge::Rolling);
    let build = SessionMiddleware::builder(other.unwrap()).cookie(rolling).build();
    let other = app!(build.unwrap());
    assert_eq!(cookies(&call(&other, "/get", Some(&cookie(&response))).await), [sent]);
    assert!(cookies(&call(&other, "/get", Some(&cookie(&response))).await).is_empty());
}

#[actix_web::test]
async fn a_renewed_session_gets_a_new_cookie_and_the_old_one_is_dead() {
    let (manager, _) = manager();
    let app = app!(sessions(&manager));
    let old = cookie(&call(&app, "/set", None).await);
    let new = cookie(&call(&app, "/renew", Some(&old)).await);
    assert_ne!(old, new);
    assert_eq!(text(call(&app, "/get", Some(&old)).await).await, "None");
    assert_eq!(text(call(&app, "/get", Some(&new)).await).await, "Some(1)");
}

#[actix_web::test]
async fn the_session_of_a_handler_that_returns_an_error_is_stored() {
    let (manager, _) = manager();
    let app = app!(sessions(&manager));
    let response = call(&app, "/fails", None).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    let sid = cookie(&response);
    assert_eq!(text(call(&app, "/get", Some(&sid)).await).await, "Some(3)");
}

#[actix_web::test]
async fn the_error_of_an_inner_middleware_carries_the_cookie() {
    let (manager, probe) = manager();
    let app = init_service(
        App::new()
            .configure(routes)
            .wrap_fn(|request, service| {
                let response = service.call(request);
                async move {
                    response.await?;
                    Err::<ServiceResponse, Error>(actix_web::error::ErrorBadGateway("inner"))
                }
            })
            .wrap(sessions(&manager)),
    )
    .await;
    let call = async |path: &str| {
        let request = TestRequest::with_uri(path).to_request();
        let Err(error) = app.call(request).await else { panic!("{path} did not fail") };
        error.error_response()
    };
    let response = call("/set").await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    let sent = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
    let id = SessionId::parse(sent.split([';', '=']).nth(1).unwrap()).unwrap();
    assert_eq!(manager.open(Some(id)).get::<u32>("n").await.unwrap(), Some(1));

    assert!(!call("/idle").await.headers().contains_key(SET_COOKIE));
    probe.set_down(true);
    assert_eq!(call("/set").await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[actix_web::test]
async fn g7_a_failure_that_the_handler_ignored_is_answered_503() {
    let (manager, probe) = manager();
    let app = app!(sessions(&manager));
    let sid = cookie(&call(&app, "/set", None).await);
    probe.set_down(true);
    for path in ["/careless", "/get", "/set", "/del"] {
        let response = call(&app, path, Some(&sid)).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(response.headers().get(RETRY_AFTER).unwrap(), "1");
        assert!(cookies(&response).is_empty());
        let text = text(response).await;
        assert!(text.starts_with("The session store cannot be reached."), "{text}");
    }
    assert_eq!(call(&app, "/idle", Some(&sid)).await.status(), StatusCode::OK);
}

#[actix_web::test]
async fn g2_a_session_that_vanished_under_a_writing_request_is_answered_409() {
    let (manager, _) = manager();
    let inner = manager.clone();
    let meanwhile = move |session: Session| {
        let manager = inner.clone();
        async move {
            let id = session.id().await?;
            manager.open(id).remove_all().await?;
            session.set("n", 2).await?;
            Ok::<_, session_actix::Error>("ok")
        }
    };
    let app = init_service(
        App::new()
            .configure(routes)
            .route("/meanwhile", web::to(meanwhile))
            .wrap(sessions(&manager)),
    )
    .await;
    let sid = cookie(&call(&app, "/set", None).await);
    let response = call(&app, "/meanwhile", Some(&sid)).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert!(cookies(&response).is_empty());
    assert!(text(response).await.starts_with("The session ended while"));
    assert_eq!(text(call(&app, "/get", Some(&sid)).await).await, "None");
}

#[actix_web::test]
async fn a_route_without_the_middleware_answers_500() {
    let app = init_service(App::new().configure(routes)).await;
    let response = call(&app, "/get", None).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text(response).await, "Something went wrong on the server.\n");
}

#[actix_web::test]
async fn a_header_can_carry_the_id() {
    let (manager, _) = manager();
    let build = SessionMiddleware::builder(manager).cookie(plain("sid")).header("X-Session");
    let app = app!(build.build().unwrap());
    let name = HeaderName::from_static("x-session");
    let response = call(&app, "/set", None).await;
    let id = response.headers().get(&name).unwrap().clone();
    assert_eq!(cookie(&response), format!("sid={}", id.to_str().unwrap()));

    let request = TestRequest::with_uri("/get").insert_header((name.clone(), id.clone()));
    assert_eq!(text(call_service(&app, request.to_request()).await).await, "Some(1)");
    // The cookie takes precedence.
    let request = TestRequest::with_uri("/get")
        .insert_header((name, id))
        .insert_header((COOKIE, "sid=other"));
    assert_eq!(text(call_service(&app, request.to_request()).await).await, "None");
}

#[actix_web::test]
async fn nested_middlewares_keep_separate_sessions() {
    let ((outer, _), (inner, _)) = (manager(), manager());
    let build = |manager: &Manager, name| {
        SessionMiddleware::builder(manager.clone()).cookie(plain(name)).build().unwrap()
    };
    let app = init_service(
        App::new()
            .service(web::scope("/inner").configure(routes).wrap(build(&inner, "in")))
            .configure(routes)
            .wrap(build(&outer, "out")),
    )
    .await;
    let (out, inn) = (call(&app, "/set", None).await, call(&app, "/inner/set", None).await);
    let both = format!("{}; {}", cookie(&out), cookie(&inn));
    assert!(cookie(&out).starts_with("out=") && cookie(&inn).starts_with("in="));
    assert_eq!(cookie(&call(&app, "/inner/del", Some(&both)).await), "in=");
    assert_eq!(text(call(&app, "/get", Some(&both)).await).await, "Some(1)");
    assert_eq!(text(call(&app, "/inner/get", Some(&both)).await).await, "None");

    // Nested with the same cookie: one session and one Set-Cookie.
    let app = app!(build(&outer, "sid"), build(&outer, "sid"));
    let sid = cookie(&call(&app, "/set", None).await);
    assert_eq!(text(call(&app, "/get", Some(&sid)).await).await, "Some(1)");
}

#[actix_web::test]
async fn other_middlewares_work_outside_and_inside() {
    let (manager, _) = manager();
    let app =
        app!(Compress::default(), sessions(&manager), NormalizePath::trim(), Logger::default());
    let sid = cookie(&call(&app, "/set/", None).await);
    assert_eq!(text(call(&app, "/get/", Some(&sid)).await).await, "Some(1)");
}

#[actix_web::test]
async fn the_session_is_stored_and_closed_before_a_streaming_body() {
    let (manager, _) = manager();
    let streaming = async |session: Session| {
        session.set("n", 1).await?;
        let late = async move {
            let result = session.set("n", 2).await;
            Ok::<_, Error>(web::Bytes::from(format!("{result:?}")))
        };
        Ok::<_, session_actix::Error>(
            HttpResponse::Ok().body(BodyStream::new(stream::once(Box::pin(late)))),
        )
    };
    let app = init_service(
        App::new().configure(routes).route("/stream", web::to(streaming)).wrap(sessions(&manager)),
    )
    .await;
    let response = call(&app, "/stream", None).await;
    let sid = cookie(&response);
    assert_eq!(
        text(call(&app, "/get", Some(&sid)).await).await,
        "Some(1)",
        "stored before the body"
    );
    assert_eq!(text(response).await, "Err(Closed)");
}
