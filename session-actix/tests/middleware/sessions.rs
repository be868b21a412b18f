//! The session of a handler, and what its response says.

use std::time::Duration;

use actix_web::{
    App, Error, HttpResponse,
    body::BodyStream,
    http::{
        StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, RETRY_AFTER,
        },
    },
    middleware::{Compress, Logger, NormalizePath},
    test::init_service,
    web,
};
use futures_util::stream;
use session_actix::{CookieAge, Session, SessionMiddleware};
use session_core::{Manager, MemoryStorage};

use crate::{app, call, call_with, cookie, cookies, manager, plain, routes, sessions, text};

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
    assert_eq!(response.status(), StatusCode::OK);
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
async fn other_middlewares_work_outside_and_inside() {
    let (manager, probe) = manager();
    let app =
        app!(Compress::default(), sessions(&manager), NormalizePath::trim(), Logger::default());
    let sid = cookie(&call(&app, "/set/", None).await);
    assert_eq!(text(call(&app, "/get/", Some(&sid)).await).await, "Some(1)");

    let compressed = [(COOKIE.as_str(), &*sid), (ACCEPT_ENCODING.as_str(), "deflate, gzip, br")];
    let response = call_with(&app, "/careless/", &compressed).await;
    assert!(response.headers().contains_key(CONTENT_ENCODING));
    probe.set_down(true);
    let response = call_with(&app, "/careless/", &compressed).await;
    assert!(!response.headers().contains_key(CONTENT_ENCODING), "that of the replaced response");
    assert!(text(response).await.starts_with("The session store cannot be reached."));
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

/// A rolling cookie of an id that another request has renewed or ended would log the browser out.
#[actix_web::test]
async fn g14_a_slow_request_sends_no_cookie_of_an_id_that_was_renewed_or_ended_meanwhile() {
    const INTERVAL: Duration = Duration::from_millis(1);

    async fn slow(
        session: Session,
        manager: web::Data<Manager>,
        act: web::Path<String>,
    ) -> Result<&'static str, session_actix::Error> {
        let other = manager.open(session.id().await?);
        match act.as_str() {
            "login" => drop(other.regenerate_id().await?),
            "logout" => other.remove_all().await?,
            _ => {}
        }
        assert!(other.close().await.failure.is_none());
        Ok("slow")
    }

    for (act, expected) in [("login", 0), ("logout", 0), ("nothing", 1)] {
        // So short that every use sends the cookie again.
        let manager = Manager::builder(MemoryStorage::new()).touch_interval(INTERVAL);
        let manager = manager.build().unwrap();
        let rolling = plain("sid").age(CookieAge::Rolling);
        let sessions = SessionMiddleware::builder(manager.clone()).cookie(rolling).build().unwrap();
        let app = App::new()
            .app_data(web::Data::new(manager))
            .route("/slow/{act}", web::get().to(slow))
            .configure(routes)
            .wrap(sessions);
        let app = init_service(app).await;
        let sid = cookie(&call(&app, "/set", None).await);
        actix_rt::time::sleep(2 * INTERVAL).await;
        let response = call(&app, &format!("/slow/{act}"), Some(&sid)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(cookies(&response).len(), expected, "{act}");
    }
}
