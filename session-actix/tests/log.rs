//! The log lines of the middleware and the extractors.

use std::{cell::RefCell, mem};

use actix_web::{
    App,
    http::StatusCode,
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use log::{LevelFilter, Log, Metadata, Record};
use session_actix::{
    CookieConfig, Manager, MemoryStorage, NamedSession, Session, SessionMiddleware,
};

thread_local! {
    // Each test has a thread of its own, which also serves its requests.
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Recorder;

impl Log for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("session_actix")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}", record.level(), record.args());
            LINES.with_borrow_mut(|lines| lines.push(line));
        }
    }

    fn flush(&self) {}
}

fn start_recording() {
    let _ = log::set_logger(&Recorder);
    log::set_max_level(LevelFilter::Trace);
}

fn lines() -> Vec<String> {
    LINES.with_borrow_mut(mem::take)
}

struct Admin;
struct Shop;

fn manager() -> Manager {
    Manager::builder(MemoryStorage::new()).build().unwrap()
}

#[actix_web::test]
async fn a_session_without_its_middleware_is_answered_500_and_the_log_says_what_to_add() {
    start_recording();
    let named = |name| SessionMiddleware::builder(manager()).cookie(CookieConfig::new().name(name));
    let admin = named("__Host-admin").named::<Admin>().build().unwrap();
    let app = App::new()
        .route("/plain/{id}", web::get().to(async |_: Session| "ok"))
        .route("/admin", web::get().to(async |_: NamedSession<Admin>| "ok"))
        .route("/shop", web::get().to(async |_: NamedSession<Shop>| "ok"))
        .wrap(admin);
    let app = init_service(app).await;
    let answer = async |path| {
        let response = call_service(&app, TestRequest::with_uri(path).to_request()).await;
        (response.status(), read_body(response).await)
    };
    assert_eq!(answer("/admin").await.0, StatusCode::OK);
    assert_eq!(lines(), [""; 0]);
    for (path, line) in [
        (
            "/plain/secret",
            "ERROR /plain/{id} asks for a session without the middleware: \
             add `.wrap(SessionMiddleware::builder(manager).build()?)` to the App",
        ),
        (
            "/shop",
            "ERROR /shop asks for the session log::Shop without its middleware: add \
             `.wrap(SessionMiddleware::builder(manager).named::<log::Shop>().build()?)` to the App \
             or to a scope",
        ),
    ] {
        let (status, body) = answer(path).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body, "Something went wrong on the server.\n");
        assert_eq!(lines(), [line]);
    }
}

#[actix_web::test]
async fn two_sessions_with_the_same_cookie_are_reported() {
    start_recording();
    let manager = manager();
    let build = |path: &str| {
        let cookie = CookieConfig::new().name("of-two").path(path);
        SessionMiddleware::builder(manager.clone()).cookie(cookie)
    };
    let _plain = build("/").build().unwrap();
    let _same = build("/").build().unwrap();
    assert_eq!(lines(), [""; 0]);
    let _admin = build("/admin").named::<Admin>().build().unwrap();
    assert_eq!(
        lines(),
        ["WARN the cookie of-two is that of two sessions, log::Admin and the one without a name: \
          give each one of its own"]
    );
    let _shop = build("/shop").named::<Shop>().build().unwrap();
    assert_eq!(lines().len(), 1, "with the one at /, not with that at /admin");
}
