//! Several sessions of one app.

use actix_web::{
    App, Error, HttpResponse,
    dev::{Service, ServiceResponse},
    http::{StatusCode, header::SET_COOKIE},
    middleware::from_fn,
    test::{TestRequest, init_service},
    web,
};
use session_actix::{NamedSession, Session, SessionId, SessionMiddleware};
use session_core::Manager;

use crate::{call, cookie, cookies, inner_errors::fail, manager, plain, text};

struct Admin;
struct Shop;

type Answer<T> = Result<T, session_actix::Error>;

async fn set(visitor: Session, admin: NamedSession<Admin>) -> Answer<&'static str> {
    visitor.set("of", "visitor").await?;
    admin.set("of", "admin").await?;
    Ok("ok")
}

/// Ignores that sessions fail.
async fn careless(
    visitor: Session,
    admin: NamedSession<Admin>,
    shop: Option<NamedSession<Shop>>,
) -> &'static str {
    let _ = (visitor.set("n", 1).await, admin.set("n", 1).await);
    if let Some(shop) = shop {
        let _ = shop.set("n", 1).await;
    }
    "ok"
}

async fn get(visitor: Session, admin: NamedSession<Admin>) -> Answer<String> {
    let of = async |session: &session_core::Session| session.get_or("of", "-".to_owned()).await;
    Ok(format!("{} {}", of(&visitor).await?, of(&admin).await?))
}

async fn fails(visitor: Session, admin: NamedSession<Admin>) -> Result<HttpResponse, Error> {
    set(visitor, admin).await?;
    Err(actix_web::error::ErrorImATeapot("no coffee"))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/set", web::to(set))
        .route("/careless", web::to(careless))
        .route("/get", web::to(get))
        .route("/fails", web::to(fails))
        .route("/plain", web::to(async |session: Session| session.set("of", "visitor").await));
}

fn visitors(manager: &Manager) -> SessionMiddleware {
    SessionMiddleware::builder(manager.clone()).cookie(plain("visitor")).build().unwrap()
}

fn admins(manager: &Manager) -> SessionMiddleware {
    let builder = SessionMiddleware::builder(manager.clone()).cookie(plain("admin"));
    builder.named::<Admin>().build().unwrap()
}

/// Returns what a client with no cookies yet sends back.
fn both<B>(response: &ServiceResponse<B>) -> String {
    let sent = cookies(response);
    let mut sent: Vec<_> = sent.iter().map(|line| line.split(';').next().unwrap()).collect();
    sent.sort();
    assert!(sent.len() == 2 && sent[0].starts_with("admin="), "{sent:?}");
    assert!(sent[1].starts_with("visitor="), "{sent:?}");
    sent.join("; ")
}

macro_rules! named_app {
    ($($middleware:expr),+) => {
        init_service(App::new().configure(routes)$(.wrap($middleware))+).await
    };
}

#[actix_web::test]
async fn each_session_is_found_by_its_name_in_any_order() {
    let ((of_visitors, _), (of_admins, _)) = (manager(), manager());
    let (visitor, admin) = (visitors(&of_visitors), admins(&of_admins));
    let inside = named_app!(admin.clone(), visitor.clone());
    let outside = named_app!(visitor, admin);
    let response = call(&inside, "/set", None).await;
    let sent = both(&response);
    assert_eq!(text(call(&inside, "/get", Some(&sent)).await).await, "visitor admin");
    assert_eq!(text(call(&outside, "/get", Some(&sent)).await).await, "visitor admin");
    both(&call(&outside, "/set", None).await);

    let id = SessionId::parse(sent.split("visitor=").nth(1).unwrap()).unwrap();
    let stored = of_visitors.storage().get_session(&id).await.unwrap().unwrap();
    assert_eq!(stored.to_json(), r#"{"of":"visitor"}"#);
    assert!(of_admins.storage().get_session(&id).await.unwrap().is_none());
}

#[actix_web::test]
async fn the_plain_extractor_gives_the_innermost_session_without_a_name() {
    let (manager, _) = manager();
    let other = SessionMiddleware::builder(manager.clone()).cookie(plain("inner")).build().unwrap();
    let app = named_app!(admins(&manager), other, visitors(&manager));
    assert!(cookie(&call(&app, "/plain", None).await).starts_with("inner="));
    let app = named_app!(admins(&manager));
    assert_eq!(call(&app, "/plain", None).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[actix_web::test]
async fn a_session_between_two_of_the_same_middleware_is_found() {
    let ((of_visitors, _), (of_admins, _)) = (manager(), manager());
    let (visitor, admin) = (visitors(&of_visitors), admins(&of_admins));
    let app = named_app!(visitor.clone(), admin.clone(), visitor.clone(), admin, visitor);
    let sent = both(&call(&app, "/set", None).await);
    assert_eq!(text(call(&app, "/get", Some(&sent)).await).await, "visitor admin");
}

#[actix_web::test]
async fn sessions_side_by_side_are_separate() {
    let (manager, _) = manager();
    let shop = SessionMiddleware::builder(manager.clone()).cookie(plain("shop").path("/shop"));
    let scope = |path, handler| web::scope(path).route("", handler);
    let of_admin = async |admin: NamedSession<Admin>| admin.set("of", "admin").await;
    let of_shop = async |shop: NamedSession<Shop>| shop.set("of", "shop").await;
    let app = App::new()
        .service(scope("/admin", web::to(of_admin)).wrap(admins(&manager)))
        .service(scope("/shop", web::to(of_shop)).wrap(shop.named::<Shop>().build().unwrap()))
        .route("/", web::to(async |_: NamedSession<Shop>| "ok"));
    let app = init_service(app).await;
    assert!(cookie(&call(&app, "/admin", None).await).starts_with("admin="));
    assert!(cookie(&call(&app, "/shop", None).await).starts_with("shop="));
    assert_eq!(call(&app, "/", None).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

#[actix_web::test]
async fn both_cookies_are_sent_with_an_error() {
    let (manager, _) = manager();
    let app = named_app!(admins(&manager), visitors(&manager));
    let response = call(&app, "/fails", None).await;
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    both(&response);

    let app = named_app!(from_fn(fail), admins(&manager), visitors(&manager));
    let Err(error) = app.call(TestRequest::with_uri("/set").to_request()).await else {
        panic!("the inner middleware fails")
    };
    let response = error.error_response();
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers().get_all(SET_COOKIE).count(), 2);
}

/// What the inner session has stored would be lost for its client otherwise.
#[actix_web::test]
async fn the_cookie_of_an_inner_session_is_sent_although_the_outer_one_fails() {
    let ((up, _), (down, probe)) = (manager(), manager());
    probe.set_down(true);
    let (inner, outer) = (admins(&up), visitors(&down));
    let app = named_app!(inner.clone(), outer.clone());
    let response = call(&app, "/careless", None).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(cookie(&response).starts_with("admin="));

    for (manager, expected) in [(&up, vec!["admin", "shop"]), (&down, vec!["admin"])] {
        let shop = SessionMiddleware::builder(manager.clone()).cookie(plain("shop"));
        let shop = shop.named::<Shop>().build().unwrap();
        let app = named_app!(inner.clone(), outer.clone(), shop);
        let response = call(&app, "/careless", None).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let sent = cookies(&response);
        let names: Vec<_> = sent.iter().map(|line| line.split('=').next().unwrap()).collect();
        assert_eq!(names, expected);
    }

    // The same if a middleware inside of both fails.
    let app = named_app!(from_fn(fail), inner, outer);
    let Err(error) = app.call(TestRequest::with_uri("/careless").to_request()).await else {
        panic!("the inner middleware fails")
    };
    let response = error.error_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let sent: Vec<_> = response.headers().get_all(SET_COOKIE).collect();
    assert!(sent.len() == 1 && sent[0].as_bytes().starts_with(b"admin="), "{}", sent.len());
}
