//! Errors of middlewares inside of the session middleware.

use actix_web::{
    App, Error, HttpResponse, ResponseError,
    body::MessageBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, SET_COOKIE, VARY},
    },
    middleware::{Next, from_fn},
    test::{TestRequest, init_service},
};
use session_actix::{InnerError, SessionId, SessionMiddleware};
use session_core::Manager;

use crate::{app, manager, plain, routes, sessions, visit};

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

#[derive(Debug, PartialEq)]
struct Teapot;

impl std::fmt::Display for Teapot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no coffee")
    }
}

impl ResponseError for Teapot {
    fn status_code(&self) -> StatusCode {
        StatusCode::IM_A_TEAPOT
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((CACHE_CONTROL, "public")).insert_header((VARY, "Cookie"));
        response.body("short and stout")
    }
}

pub(crate) async fn fail(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let response = next.call(request).await?;
    if response.status().is_success() { Err(Teapot.into()) } else { Ok(response) }
}

async fn failure<B>(
    app: &impl Service<actix_http::Request, Response = ServiceResponse<B>, Error = Error>,
    path: &str,
) -> Error {
    let response = app.call(TestRequest::with_uri(path).to_request()).await;
    response.err().expect("the inner middleware fails")
}

#[actix_web::test]
async fn the_original_error_is_found_inside() {
    let (manager, _) = manager();
    let app = app!(from_fn(fail), sessions(&manager));
    let error = failure(&app, "/idle").await;
    assert_eq!(error.as_error(), Some(&Teapot), "the session was not used");
    let error = failure(&app, "/set").await;
    let inner: &InnerError = error.as_error().unwrap();
    assert_eq!(inner.error().as_error(), Some(&Teapot));
    assert_eq!(inner.to_string(), "no coffee");
}

#[actix_web::test]
async fn each_of_several_middlewares_adds_its_headers_to_the_original_error() {
    let ((one, _), (other, _)) = (manager(), manager());
    let build = |manager: &Manager, name| {
        SessionMiddleware::builder(manager.clone()).cookie(plain(name)).build().unwrap()
    };
    let app = app!(from_fn(fail), build(&one, "in"), from_fn(visit), build(&other, "out"));
    let error = failure(&app, "/set").await;
    let inner: &InnerError = error.as_error().unwrap();
    assert_eq!(inner.error().as_error(), Some(&Teapot));
    let response = error.error_response();
    let names = response.headers().get_all(SET_COOKIE).map(|line| line.as_bytes()[0]);
    assert_eq!(names.collect::<Vec<_>>(), b"io");
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
}

#[actix_web::test]
async fn the_response_is_that_of_the_original_error_with_the_headers_of_the_session() {
    let (manager, _) = manager();
    let app = app!(from_fn(fail), sessions(&manager));
    let error = failure(&app, "/set").await;
    assert_eq!(error.as_response_error().status_code(), StatusCode::IM_A_TEAPOT);
    // `from_error` is another way of a middleware to make the response.
    for response in [error.error_response(), HttpResponse::from_error(error)] {
        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
        let lines = |name| response.headers().get_all(name).cloned().collect::<Vec<_>>();
        assert_eq!(lines(CACHE_CONTROL), ["no-store"]);
        assert_eq!(lines(VARY), ["Cookie"]);
        assert_eq!(lines(SET_COOKIE).len(), 1);
        let body = actix_web::body::to_bytes(response.into_body()).await.unwrap();
        assert_eq!(body, "short and stout");
    }
}

#[actix_web::test]
async fn g12_the_error_does_not_show_the_cookie() {
    let (manager, _) = manager();
    let app = app!(from_fn(fail), sessions(&manager));
    let error = failure(&app, "/set").await;
    let response = error.error_response();
    let sent = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
    let id = sent.split([';', '=']).nth(1).unwrap();
    for shown in [format!("{error:?}"), format!("{error:#?}"), format!("{error}")] {
        assert!(!shown.contains(&id[..8]) && !shown.contains("sid"), "{shown}");
    }
    assert!(format!("{error:?}").contains("Teapot"));
}
