//! Several session middlewares around one handler.

use actix_web::{App, middleware::from_fn, test::init_service, web};
use session_actix::{SessionId, SessionMiddleware};
use session_core::Manager;

use crate::{app, call, cookie, cookies, manager, plain, routes, sessions, text, visit};

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
async fn the_same_middleware_wrapped_twice_is_one_session_that_the_outer_one_closes() {
    let (manager, probe) = manager();
    let sessions = sessions(&manager);
    let app = app!(sessions.clone(), from_fn(visit), sessions);
    let response = call(&app, "/set", None).await;
    assert_eq!(response.status(), 200);
    let sid = cookie(&response);
    assert_eq!(probe.asked(), ["set_session"], "stored once");
    let all = text(call(&app, "/whole", Some(&sid)).await).await;
    assert_eq!(all, r#"{"after":1,"before":1,"n":1}"#);
    let gone = call(&app, "/del", Some(&sid)).await;
    assert!(cookies(&gone).len() == 1, "{:?}", cookies(&gone));
}

#[actix_web::test]
async fn the_same_middleware_is_found_through_another_one() {
    let ((one, _), (other, _)) = (manager(), manager());
    let build = |manager: &Manager, name| {
        SessionMiddleware::builder(manager.clone()).cookie(plain(name)).build().unwrap()
    };
    let (a, b) = (build(&one, "a"), build(&other, "b"));
    let app = app!(a.clone(), from_fn(visit), b, from_fn(visit), a);
    let response = call(&app, "/set", None).await;
    assert_eq!(response.status(), 200);
    let mut sent: Vec<_> = cookies(&response)
        .iter()
        .map(|cookie| cookie.split(';').next().unwrap().to_owned())
        .collect();
    sent.sort();
    let [a, b] = &*sent else { panic!("{sent:?}") };
    let items = async |manager: &Manager, cookie: &str| {
        let id = SessionId::parse(&cookie[2..]).unwrap();
        manager.storage().get_session(&id).await.unwrap().unwrap().to_json().into_owned()
    };
    assert_eq!(items(&one, a).await, r#"{"after":1,"before":1,"n":1}"#);
    assert_eq!(items(&other, b).await, r#"{"after":1,"before":1}"#);
}
