//! The metrics, as Prometheus reads them.
#![cfg(all(feature = "memory", feature = "metrics"))]

use std::{sync::Arc, time::Duration};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use session_core::{
    ClaimRefusal, Granularity, HashedIds, IntoStorage, Manager, MemoryStorage, SessionId, Storage,
};
use tokio::time::timeout;

/// Records the metrics of this thread, on which each test runs.
fn record() -> (PrometheusHandle, impl Drop) {
    let recorder = Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
    (recorder.handle(), metrics::set_default_local_recorder(recorder))
}

#[track_caller]
fn assert_shown(metrics: &PrometheusHandle, lines: &[&str]) {
    let text = metrics.render();
    for line in lines {
        assert!(text.lines().any(|shown| shown == *line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn sessions_and_claims_are_counted() {
    let (metrics, _recorder) = record();
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    assert_shown(&metrics, &["sessions_created_total 0", "session_claims_unknown_total 0"]);
    let invented = SessionId::parse("invented").unwrap();
    let session = manager.open(Some(invented));
    session.set("name", "bob").await.unwrap();
    session.save().await.unwrap();
    session.regenerate_id().await.unwrap();
    session.remove_all().await.unwrap();
    manager.refuse_claim(ClaimRefusal::Signature);
    let lines = [
        "# TYPE sessions_created_total counter",
        "sessions_created_total 1",
        r#"sessions_renewed_total{kind="explicit"} 1"#,
        r#"sessions_renewed_total{kind="by_itself"} 0"#,
        r#"sessions_ended_total{by="request"} 1"#,
        "session_claims_unknown_total 1",
        r#"session_claims_refused_total{reason="signature"} 1"#,
        r#"session_claims_refused_total{reason="malformed"} 0"#,
    ];
    assert_shown(&metrics, &lines);
}

#[tokio::test(start_paused = true)]
async fn operations_are_timed_and_those_given_up_are_failures() {
    let (metrics, _recorder) = record();
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    let session = manager.open(None);
    session.set("name", "bob").await.unwrap();
    session.save().await.unwrap();
    let storage = r#"storage="MemoryStorage""#;
    let count = "session_store_operation_duration_seconds_count";
    assert_shown(&metrics, &[&format!(r#"{count}{{operation="set_session",{storage}}} 1"#)]);
    let id = SessionId::random();
    drop(manager.storage().expires_in(&id));
    let failure = r#"session_store_failures_total{operation="expires_in",reason="given_up"} 1"#;
    assert_shown(&metrics, &[&format!(r#"{count}{{operation="expires_in",{storage}}} 1"#)]);
    assert_shown(&metrics, &[failure]);
}

#[tokio::test(start_paused = true)]
async fn owed_writes_of_times_to_live_are_shown() {
    let (metrics, _recorder) = record();
    let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_shown(&metrics, &["session_ttl_writes_owed 0"]);
    let session = manager.open(None);
    session.set("name", "bob").await.unwrap();
    session.save().await.unwrap();
    let id = session.id().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(manager.open(id).contains("name").await.unwrap());
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_shown(&metrics, &["session_ttl_writes_owed 1"]);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_shown(&metrics, &["session_ttl_writes_owed 0"]);
}

#[tokio::test]
async fn what_a_storage_says_of_itself_stays() {
    let (_metrics, _recorder) = record();
    let inner = Arc::new(MemoryStorage::new());
    let hashed = HashedIds::new(inner.clone());
    let plain = HashedIds::new(inner.clone()).into_storage();
    let manager = Manager::builder(hashed).build().unwrap();
    let (id, storage) = (SessionId::random(), manager.storage());
    assert_eq!(storage.name(), "MemoryStorage");
    assert_eq!(storage.stored_id(&id), id.hashed());
    assert!(storage.by_stored_id().is_some());
    assert_eq!(storage.granularity(), Granularity::Whole);
    assert_eq!(storage.max_latency(), plain.max_latency());
    assert_eq!(format!("{storage:?}"), format!("{plain:?}"));
    let session = manager.open(None);
    session.set("name", "bob").await.unwrap();
    session.save().await.unwrap();
    let id = session.id().await.unwrap().expect("it is stored");
    assert_eq!(storage.cached(&id).is_some(), plain.cached(&id).is_some());
    let limit = Duration::from_secs(1);
    assert_eq!(timeout(limit, storage.get_size(&id)).await.unwrap().unwrap(), 1);
}
