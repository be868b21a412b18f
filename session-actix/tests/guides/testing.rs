//! `docs/TESTING.md`: tests of handlers and apps that use sessions.

use std::time::Duration;

use actix_web::{
    App, Result,
    cookie::Cookie,
    rt::time::sleep,
    test::{TestRequest, call_and_read_body, call_service, init_service},
    web,
};
use serde::Serialize;
use session_actix::{FileStorage, Manager, MemoryStorage, Session, SessionMiddleware};

async fn count(session: Session) -> Result<String> {
    let count = session.update_or("count", 0, |count| count + 1).await?;
    Ok(count.to_string())
}

#[actix_web::test]
async fn a_visit_is_counted() {
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    let session = Session::from(manager.open(None));
    session.set("count", 41).await.unwrap();

    assert_eq!(count(session.clone()).await.unwrap(), "42");
    assert_eq!(session.get("count").await.unwrap(), Some(42));
}

#[actix_web::test]
async fn the_next_request_counts_on() {
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    let sessions = SessionMiddleware::builder(manager).build().unwrap();
    let app = App::new().route("/", web::get().to(count)).wrap(sessions);
    let app = init_service(app).await;

    let first = call_service(&app, TestRequest::get().to_request()).await;
    let cookie = first.response().cookies().next().expect("a cookie with the id").into_owned();

    let second = TestRequest::get().cookie(cookie).to_request();
    assert_eq!(call_and_read_body(&app, second).await, "2");
}

/// Stores a session with one item; returns the cookie that opens it.
pub(crate) async fn cookie_with(
    manager: &Manager,
    key: &str,
    value: impl Serialize,
) -> Cookie<'static> {
    let session = manager.open(None);
    session.set(key, value).await.unwrap();
    session.save().await.unwrap();
    let id = session.id().await.unwrap().expect("the session has an item");
    Cookie::new("__Host-id", id.as_str().to_owned())
}

#[actix_web::test]
async fn the_session_can_be_there_before_the_first_request() {
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    let cookie = cookie_with(&manager, "count", 41).await;
    let sessions = SessionMiddleware::builder(manager).build().unwrap();
    let app = init_service(App::new().route("/", web::get().to(count)).wrap(sessions)).await;

    let request = TestRequest::get().cookie(cookie).to_request();
    assert_eq!(call_and_read_body(&app, request).await, "42");
}

#[actix_web::test]
async fn a_store_that_fails_is_answered_503() {
    let directory = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(directory.path().join("sessions")).unwrap();
    let manager = Manager::builder(storage).build().unwrap();
    let sessions = SessionMiddleware::builder(manager).build().unwrap();
    let app = init_service(App::new().route("/", web::get().to(count)).wrap(sessions)).await;

    directory.close().unwrap();
    let response = call_service(&app, TestRequest::get().to_request()).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
}

#[actix_web::test]
async fn an_expired_session_is_empty() {
    let ttl = Duration::from_millis(10);
    let manager = Manager::builder(MemoryStorage::new()).ttl(ttl).build().unwrap();
    let session = manager.open(None);
    session.set("count", 41).await.unwrap();
    session.save().await.unwrap();
    let id = session.id().await.unwrap();

    sleep(2 * ttl).await;
    let session = Session::from(manager.open(id));
    assert_eq!(count(session).await.unwrap(), "1");
}
