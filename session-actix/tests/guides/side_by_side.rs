//! `docs/FROM-GOFRAME.md`: the settings for a server that shares its sessions with GoFrame.

use std::time::Duration;

use actix_web::{
    App, HttpResponse,
    test::{TestRequest, call_service, init_service},
    web,
};
use session_actix::{
    CookieAge, CookieConfig, Manager, MemoryStorage, Redis, Result, Session, SessionMiddleware,
};

fn redis(url: &str) -> Result<Redis> {
    Redis::builder(url).prefix("").build() // GoFrame's default prefix is empty
}

fn middleware(manager: Manager) -> Result<SessionMiddleware> {
    let day = Duration::from_secs(24 * 60 * 60); // GoFrame's default
    let cookie = CookieConfig::new()
        .name("gfsessionid")
        .secure(false) // true behind HTTPS
        .age(CookieAge::Fixed(day));
    SessionMiddleware::builder(manager).cookie(cookie).header("gfsessionid").build()
}

#[actix_web::test]
async fn the_cookie_has_the_lifetime_of_goframes() {
    assert!(redis("redis://127.0.0.1").is_ok());
    let manager =
        Manager::builder(MemoryStorage::new()).ttl(Duration::from_secs(60)).build().unwrap();
    let set = async |session: Session| {
        session.set("a", 1).await?;
        Ok::<_, session_actix::Error>(HttpResponse::Ok().finish())
    };
    let app = App::new().route("/", web::get().to(set)).wrap(middleware(manager).unwrap());
    let app = init_service(app).await;
    let response = call_service(&app, TestRequest::get().to_request()).await;
    let cookie = response.response().cookies().next().unwrap().to_string();
    assert!(cookie.starts_with("gfsessionid="), "{cookie}");
    assert!(cookie.contains("Max-Age=86400") && !cookie.contains("Secure"), "{cookie}");
}
