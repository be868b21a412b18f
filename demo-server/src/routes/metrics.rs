//! The route that Prometheus asks.

use actix_web::{HttpResponse, Responder, http::header, web};
use metrics_exporter_prometheus::PrometheusHandle;

/// Answers with all metrics in the text format of Prometheus. Opens no session.
pub(super) async fn metrics(metrics: web::Data<PrometheusHandle>) -> impl Responder {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(metrics.render())
}
