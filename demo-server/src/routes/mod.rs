//! The routes of the server.

mod browser;
mod escape;
mod health;
mod item;
mod metrics;
mod page;
mod pretty_json;
mod query;
mod sessions;
mod users;

use actix_web::web;
use metrics_exporter_prometheus::PrometheusHandle;

pub(crate) use page::About;

/// Adds every route, for any method; that of the metrics if they are recorded.
pub(crate) fn register(app: &mut web::ServiceConfig, metrics: Option<web::Data<PrometheusHandle>>) {
    if let Some(metrics) = metrics {
        app.app_data(metrics).route("/metrics", web::to(metrics::metrics));
    }
    app.configure(page::register)
        .configure(users::register)
        .route("/set", web::to(sessions::set))
        .route("/get", web::to(sessions::get))
        .route("/del", web::to(sessions::del))
        .route("/count", web::to(sessions::count))
        .route("/take", web::to(sessions::take))
        .route("/healthz", web::to(health::healthz))
        .route("/readyz", web::to(health::readyz));
}
