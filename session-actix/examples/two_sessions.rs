//! Two sessions in one app: one of visitors of the shop, and one of its admins.
//!
//! `cargo run -p session-actix --example two_sessions`, then open <http://localhost:8080>, and
//! <http://localhost:8080/admin> to log in with the password "secret".

use std::{env, error::Error, time::Duration};

use actix_web::{App, HttpResponse, HttpServer, Result, http::header::LOCATION, web};
use serde::Deserialize;
use session_actix::{
    CookieConfig, Manager, MemoryStorage, NamedSession, Session, SessionMiddleware,
};

const FORM: &str = r#"<form method="post"><input name="password" type="password"></form>"#;

/// Names the session of admins.
struct Admin;

#[derive(Deserialize)]
struct Login {
    password: String,
}

async fn shop(visitor: Session) -> Result<String> {
    let visits = visitor.update_or("visits", 0, |visits| visits + 1).await?;
    Ok(format!("Visit number {visits}.\n"))
}

/// Uses both sessions.
async fn admin(visitor: Session, admin: NamedSession<Admin>) -> Result<HttpResponse> {
    let page = if admin.get_or("is_in", false).await? {
        let visits = visitor.get_or("visits", 0).await?;
        format!("<p>Hello, admin! You have visited the shop {visits} times.</p>")
    } else {
        FORM.to_owned()
    };
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page))
}

async fn login(admin: NamedSession<Admin>, login: web::Form<Login>) -> Result<HttpResponse> {
    // A real application compares a password hash from its database.
    if login.password != "secret" {
        return Ok(HttpResponse::Unauthorized().body("Wrong password.\n"));
    }
    admin.regenerate_id().await?;
    admin.set("is_in", true).await?;
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, "/admin")).finish())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let month = Duration::from_secs(30 * 24 * 60 * 60);
    let visitors = Manager::builder(MemoryStorage::new()).ttl(month).build()?;
    let visitors = SessionMiddleware::builder(visitors).build()?;

    let quarter_of_an_hour = Duration::from_secs(15 * 60);
    let admins = Manager::builder(MemoryStorage::new()).ttl(quarter_of_an_hour).build()?;
    // Browsers send it to /admin only.
    let cookie = CookieConfig::new().name("__Secure-admin").path("/admin");
    let admins = SessionMiddleware::builder(admins).cookie(cookie).named::<Admin>().build()?;

    let app = move || {
        let scope =
            web::scope("/admin").route("", web::get().to(admin)).route("", web::post().to(login));
        App::new()
            .route("/", web::get().to(shop))
            .service(scope.wrap(admins.clone()))
            .wrap(visitors.clone())
    };
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}
