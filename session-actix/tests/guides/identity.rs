//! `docs/FROM-ACTIX-SESSION.md`: the user as an argument of a handler.

use std::{future::Future, pin::Pin};

use actix_web::{Error, FromRequest, HttpRequest, Result, dev::Payload, error::ErrorUnauthorized};
use session_actix::Session;

/// The id of the user who is logged in.
struct User(String);

impl FromRequest for User {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = Session::extract(request);
        Box::pin(async move {
            let user = session.await?.get("user_id").await?;
            user.map(Self).ok_or_else(|| ErrorUnauthorized("Please log in.\n"))
        })
    }
}

async fn index(user: Option<User>) -> String {
    let name = user.map_or_else(|| "anonymous".to_owned(), |User(id)| id);
    format!("Hello {name}")
}

async fn login(session: Session) -> Result<&'static str> {
    // ... after the password was checked:
    session.regenerate_id().await?;
    session.set("user_id", "user1").await?;
    Ok("welcome")
}

async fn logout(_user: User, session: Session) -> Result<&'static str> {
    session.remove_all().await?;
    Ok("bye")
}

mod tests {
    use actix_web::{
        App,
        test::{self, TestRequest},
        web,
    };
    use session_actix::{Manager, MemoryStorage, SessionMiddleware};

    use super::{index, login, logout};

    #[actix_web::test]
    async fn a_handler_that_takes_a_user_requires_a_login() {
        let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
        let sessions = SessionMiddleware::builder(manager).build().unwrap();
        let app = App::new()
            .route("/", web::get().to(index))
            .route("/login", web::post().to(login))
            .route("/logout", web::post().to(logout))
            .wrap(sessions);
        let app = test::init_service(app).await;

        let index = TestRequest::get().to_request();
        assert_eq!(test::call_and_read_body(&app, index).await, "Hello anonymous");
        let logout = TestRequest::post().uri("/logout").to_request();
        assert_eq!(test::call_service(&app, logout).await.status(), 401);

        let login = TestRequest::post().uri("/login").to_request();
        let login = test::call_service(&app, login).await;
        let cookie = login.response().cookies().next().unwrap().into_owned();
        let index = TestRequest::get().cookie(cookie.clone()).to_request();
        assert_eq!(test::call_and_read_body(&app, index).await, "Hello user1");

        let logout = TestRequest::post().uri("/logout").cookie(cookie.clone()).to_request();
        assert_eq!(test::call_service(&app, logout).await.status(), 200);
        let index = TestRequest::get().cookie(cookie).to_request();
        assert_eq!(test::call_and_read_body(&app, index).await, "Hello anonymous");
    }
}
