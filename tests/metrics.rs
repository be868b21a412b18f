//! The metrics of a server.

#[path = "support/demo.rs"]
mod demo;
mod support;

use demo::{server::Server, store::Store};

/// A well-formed id that no server has issued.
const INVENTED: &str = "inventedinventedinventedinvented";

fn metrics(server: &Server) -> String {
    server.client().get_ok("/metrics")
}

/// Returns the value of a metric, written as the exporter shows it.
#[track_caller]
fn value(metrics: &str, name: &str) -> f64 {
    let values = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let values: Vec<f64> = values.map(|value| value.parse().expect("a number")).collect();
    assert_eq!(values.len(), 1, "{name}:\n{metrics}");
    values[0]
}

#[test]
fn the_walkthrough_is_counted_and_so_are_the_failures_of_a_redis_that_is_down() {
    for (mut store, name) in [
        (Store::key_value(), "RedisKeyValueStorage"),
        (Store::hash_table(), "RedisHashTableStorage"),
    ] {
        let server = store.serve(&[("DEMO__REDIS__RESPONSE_TIMEOUT", "300ms")]);
        let mut browser = server.client();
        browser.get_ok("/set?name=bob");
        browser.get_ok("/get");
        browser.get_ok("/del");
        server.client().with_id(INVENTED).get_ok("/get");
        server.client().with_id("no.id").get_ok("/get");
        server.client().get_ok("/set?name=eve");
        let shown = metrics(&server);
        for (metric, expected) in [
            ("sessions_created_total", 2.0),
            ("sessions_ended_total{by=\"request\"}", 1.0),
            ("session_claims_unknown_total", 1.0),
            ("session_claims_refused_total{reason=\"malformed\"}", 1.0),
            ("session_claims_refused_total{reason=\"signature\"}", 0.0),
        ] {
            assert_eq!(value(&shown, metric), expected, "{metric}");
        }
        for operation in ["set_session", "get_session", "remove_all"] {
            let metric = format!(
                "session_store_operation_duration_seconds_count{{operation=\"{operation}\",\
                 storage=\"{name}\"}}"
            );
            assert!(value(&shown, &metric) > 0.0, "{metric}");
        }
        let bucket = "session_store_operation_duration_seconds_bucket{operation=\"set_session\"";
        assert!(shown.contains(bucket), "{shown}");
        assert!(!shown.contains("session_store_failures_total{"), "{shown}");

        store.redis_mut().kill();
        assert_eq!(browser.get("/set?a=1").status, 503);
        let shown = metrics(&server);
        let failures = "session_store_failures_total{operation=\"set_session\",reason=\"storage\"}";
        assert!(value(&shown, failures) > 0.0, "{shown}");
    }
}

#[test]
fn a_near_cache_is_counted() {
    let store = Store::key_value();
    let server = store.serve(&[("DEMO__REDIS__NEAR_CACHE", "1MiB")]);
    let mut browser = server.client();
    browser.get_ok("/set?name=bob");
    for _ in 0..5 {
        browser.get_ok("/get");
    }
    // A miss in any case.
    server.client().with_id(INVENTED).get_ok("/get");
    let shown = metrics(&server);
    assert!(value(&shown, "session_near_cache_hits_total") >= 4.0, "{shown}");
    assert!(value(&shown, "session_near_cache_misses_total") >= 1.0, "{shown}");
}

#[test]
fn metrics_open_no_session_and_can_be_turned_off() {
    let server = Store::Memory.serve(&[]);
    let answer = server.client().with_id(INVENTED).get("/metrics");
    assert_eq!((answer.status, answer.set_cookie), (200, None));
    assert_eq!(value(&metrics(&server), "session_claims_unknown_total"), 0.0);
    let server = Store::Memory.serve(&[("DEMO__SERVER__METRICS", "false")]);
    assert_eq!(server.client().get("/metrics").status, 404);
}
