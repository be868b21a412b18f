//! The routes of the demo's page: their responses, and their effect on sessions.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use demo::{
    server::{Server, eventually},
    store::Store,
};
use serde_json::Value;

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

#[test]
fn g9_viewing_the_page_does_not_extend_a_session_in_memory() {
    view(&Store::Memory);
}

#[test]
fn g9_viewing_the_page_does_not_extend_a_session_in_a_file() {
    view(&Store::file());
}

#[test]
fn g9_viewing_the_page_does_not_extend_a_session_in_a_redis_string() {
    view(&Store::key_value());
}

#[test]
fn g9_viewing_the_page_does_not_extend_a_session_in_a_redis_hash() {
    view(&Store::hash_table());
}

fn view(store: &Store) {
    let server = store.serve(&[("DEMO__SESSION__MAX_AGE", "1s")]);
    let mut browser = server.client();
    let before = Instant::now();
    browser.get_ok("/set?a=1&b=2.50");
    let after = Instant::now();
    loop {
        let page = browser.get("/plain");
        assert_eq!((page.status, page.set_cookie), (200, None));
        let elapsed = after.elapsed();
        let answer = browser.get("/status");
        assert_eq!((answer.status, answer.set_cookie), (200, None));
        let status: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(status["store"]["answers"], true);
        if status["session"].is_null() {
            break;
        }
        assert_eq!(status["session"]["items"][1]["text"], "2.50", "the text, not a number");
        let id = status["session"]["id"].as_str().unwrap();
        assert!(id.chars().count() <= 7, "six characters and an ellipsis: {id}");
        let left = status["session"]["expires_in"].as_u64().unwrap();
        assert!(left <= 1000);
        assert!(elapsed < Duration::from_millis(1500), "viewing has extended the session");
        // Real time has to pass, because the server is another process.
        thread::sleep(Duration::from_millis(50));
    }
    assert!(before.elapsed() >= Duration::from_millis(990), "the session expired too early");
}

#[test]
fn the_page_loads_nothing_inline_and_nothing_from_other_origins() {
    let server = Store::Memory.serve(&[]);
    let mut answer = ureq::get(url(&server, "/")).call().unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-security-policy").starts_with("default-src 'none';"));
    assert!(!header("content-security-policy").contains("unsafe"));
    assert_eq!(header("cache-control"), "no-store");
    let page = answer.body_mut().read_to_string().unwrap();
    for forbidden in ["<style", " style=", "<script>", "javascript:", " onclick", "//cdn"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    for (asset, content_type) in [
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/page.svg", "image/svg+xml"),
    ] {
        assert!(page.contains(&format!("\"{asset}\"")), "{asset}");
        let mut answer = ureq::get(url(&server, asset)).call().unwrap();
        assert_eq!(answer.headers()["content-type"], content_type);
        let text = answer.body_mut().read_to_string().unwrap();
        let foreign = text.replace("http://www.w3.org/2000/svg", "").contains("http");
        assert!(!foreign, "{asset} refers to another origin");
    }
}

#[test]
fn forms_redirect_to_the_page_and_programs_receive_a_plain_answer() {
    let server = Store::Memory.serve(&[]);
    for path in ["/set", "/set?a=1", "/del"] {
        let program = post(&server, path, "*/*", "");
        assert_eq!((program.0, program.2.as_str()), (200, "ok"));
        let browser = post(&server, path, HTML, "");
        assert_eq!((browser.0, browser.1.as_deref()), (303, Some("/plain")));
    }
    let item = post(&server, "/item", HTML, "key=a+b&value=%7B%22c%22%3A2.50%7D");
    assert_eq!((item.0, item.1.as_deref()), (303, Some("/plain")));
    let broken = post(&server, "/item", HTML, "key=a");
    assert_eq!(broken.0, 400);
}

#[test]
fn browsers_receive_indented_json_and_programs_the_stored_text() {
    let server = Store::Memory.serve(&[]);
    let mut browser = server.client();
    browser.get_ok("/set?a=%5B1E5,2.50%5D");
    assert_eq!(browser.get_ok("/get"), r#"{"a":[1E5,2.50]}"#);
    let cookie = format!("{}={}", demo::client::COOKIE, browser.id.unwrap());
    let mut answer = ureq::get(url(&server, "/get"))
        .header("Accept", HTML)
        .header("Cookie", cookie)
        .call()
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    assert_eq!(answer.headers()["vary"], "accept");
    let expected = "{\n  \"a\": [\n    1E5,\n    2.50\n  ]\n}\n";
    assert_eq!(answer.body_mut().read_to_string().unwrap(), expected);
}

#[test]
fn without_cookies_the_page_says_that_it_shows_no_session() {
    const NOTICE: &str = "This page shows no session, because cookies are off on this server: \
                          clients send the id in the header x-sid.";
    let settings =
        [("DEMO__SESSION__HEADER", "x-sid"), ("DEMO__SESSION__COOKIE__ENABLED", "false")];
    let store = Store::file();
    let server = store.serve(&settings);
    let response = ureq::post(url(&server, "/set?a=1")).send_empty().unwrap();
    assert!(!response.headers().contains_key("set-cookie"));
    let id = response.headers()["x-sid"].to_str().unwrap();

    let mut visitor = server.client().with_id(id);
    for path in ["/", "/plain"] {
        let page = visitor.get_ok(path);
        assert!(page.contains(&format!(">{NOTICE}</p>")), "{page}");
    }
    let status: Value = serde_json::from_str(&visitor.get_ok("/status")).unwrap();
    assert_eq!(status["notice"], NOTICE);
    assert_eq!(status["edit"]["say"], NOTICE);
    assert!(status["cookie"].is_null() && status["session"].is_null(), "{status}");

    let mut answer = ureq::get(url(&server, "/status")).header("x-sid", id).call().unwrap();
    let status: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(status["session"]["items"][0]["key"], "a");
}

#[test]
fn the_page_shows_the_session_of_the_first_cookie_that_is_known() {
    let server = Store::Memory.serve(&[]);
    let mut browser = server.client();
    browser.get_ok("/set?a=1");
    let (name, id) = (demo::client::COOKIE, browser.id.unwrap());
    let cookies = format!("{name}=a b; {name}=unknown; {name}={id}");
    let mut answer = ureq::get(url(&server, "/status")).header("Cookie", cookies).call().unwrap();
    let status: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(status["session"]["items"][0]["key"], "a");
}

#[test]
fn the_page_works_while_the_store_is_down() {
    let mut store = Store::key_value();
    let server = store.serve(&[]);
    let mut browser = server.client();
    browser.get_ok("/set?a=1");
    let Store::KeyValue(redis) = &mut store else { unreachable!() };
    redis.kill();
    for mut visitor in [browser, server.client()] {
        let mut read = || -> Value { serde_json::from_str(&visitor.get_ok("/status")).unwrap() };
        // At first the connection is lost; only the attempt to open another one is refused.
        eventually("the connection is refused", || !read()["store"]["start"].is_null());
        let status = read();
        assert_eq!(status["store"]["answers"], false);
        assert_eq!(status["store"]["start"], format!("scripts/redis --port {}", redis.port()));
        assert!(visitor.get_ok("/").contains("<h1>"));
        let page = visitor.get_ok("/plain");
        assert!(page.contains("<p>The store does not answer: redis: is not reachable"), "{page}");
    }
}

fn url(server: &Server, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", server.port())
}

/// Submits a form. Returns status, location and body.
fn post(server: &Server, path: &str, accept: &str, form: &str) -> (u16, Option<String>, String) {
    let agent = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build();
    let mut answer = agent
        .new_agent()
        .post(url(server, path))
        .header("Accept", accept)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .send(form)
        .unwrap();
    let location = answer.headers().get("location");
    let location = location.map(|location| location.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location, answer.body_mut().read_to_string().unwrap())
}
