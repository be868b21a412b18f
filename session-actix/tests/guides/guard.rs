//! `docs/FROM-ACTIX-SESSION.md`: a middleware that replaces a route guard.

use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    error::ErrorUnauthorized,
    middleware::{Next, from_fn},
    test::{self, TestRequest},
    web,
};
use session_actix::{Manager, MemoryStorage, Session, SessionMiddleware};

use crate::testing::cookie_with;

/// Lets a request through if its user is logged in.
async fn logged_in(
    session: Session,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if !session.contains("user_id").await? {
        return Err(ErrorUnauthorized("Please log in.\n"));
    }
    next.call(request).await
}

async fn account() -> &'static str {
    "your account"
}

#[actix_web::test]
async fn only_a_logged_in_user_reaches_the_account() {
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    let sessions = SessionMiddleware::builder(manager.clone()).build().unwrap();
    let account = web::scope("/account").wrap(from_fn(logged_in)).route("", web::get().to(account));
    let app = App::new().service(account).wrap(sessions);
    let app = test::init_service(app).await;

    let request = TestRequest::with_uri("/account").to_request();
    let error = test::try_call_service(&app, request).await.expect_err("no user is logged in");
    assert_eq!(error.error_response().status(), 401);

    let cookie = cookie_with(&manager, "user_id", "bob").await;
    let request = TestRequest::with_uri("/account").cookie(cookie).to_request();
    assert_eq!(test::call_and_read_body(&app, request).await, "your account");
}
