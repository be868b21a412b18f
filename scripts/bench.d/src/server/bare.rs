//! The upper limit: actix-web alone with constant answers.

use actix_web::{App, web};

use crate::{Result, Settings, allocations, serve_app};

/// A session of 100 bytes.
const WHOLE: &str = r#"{"count":1234567,"item000":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;

pub(crate) async fn serve(settings: &Settings) -> Result {
    let app = || {
        App::new()
            .route("/fill", web::get().to(async || "ok"))
            .route("/untouched", web::get().to(async || "ok"))
            .route("/item", web::get().to(async || "1234567"))
            .route("/whole", web::get().to(async || WHOLE))
            .route("/set", web::get().to(async || "ok"))
            .route("/allocations", web::get().to(async || allocations::report()))
    };
    serve_app(settings, app).await
}
