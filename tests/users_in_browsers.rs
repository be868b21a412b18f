//! The page of a user's sessions in two real browsers, with profiles of their own.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/demo.rs"]
mod demo;
mod support;

use std::fs;

use browser::{Browser, assert_accessible, wait_until};
use demo::{server::Server, store::Store};

#[test]
fn g17_a_user_ends_sessions_in_two_browsers_with_sessions_in_files() {
    in_two_browsers(&Store::file());
}

#[test]
fn g17_a_user_ends_sessions_in_two_browsers_with_sessions_in_redis_strings() {
    in_two_browsers(&Store::key_value());
}

#[test]
fn g17_a_user_ends_sessions_in_two_browsers_with_sessions_in_redis_hashes() {
    in_two_browsers(&Store::hash_table());
}

const ROWS: &str = "return document.querySelectorAll('tbody tr').length";
const OTHER: &str = "tbody tr:not(:has(.here)) button";

fn in_two_browsers(store: &Store) {
    let server = store.serve(&[]);
    let (one, alice) = (Browser::start(), server.client());
    let other = one.start_other();
    // Without scripts, as the page needs none.
    for browser in [&one, &other] {
        browser
            .devtools("Emulation.setScriptExecutionDisabled", serde_json::json!({"value": true}));
    }
    alice.clone().get_ok("/login?user=alice");
    log_in(&one, &server);
    assert_eq!(rows(&one), 1);
    log_in(&other, &server);
    one.open(server.port(), "/sessions");
    assert_eq!((rows(&one), rows(&other)), (2, 2));
    assert!(one.text("h1").contains("Sessions of bob"));
    assert!(one.text("tbody tr:has(.here)").contains("Chrome"));
    assert!(one.text("tbody tr:has(.here)").contains("127.0.0.1"));

    // One, by its button.
    one.click(OTHER);
    wait_until("one row", || rows(&one) == 1);
    other.open(server.port(), "/sessions");
    assert!(other.text("h1").contains("Who are you?"));

    // The others.
    log_in(&other, &server);
    one.open(server.port(), "/sessions");
    one.click("form[action*='others'] button");
    wait_until("one row", || rows(&one) == 1);
    other.open(server.port(), "/sessions");
    assert!(other.text("h1").contains("Who are you?"));

    // All, this one too.
    log_in(&other, &server);
    one.open(server.port(), "/sessions");
    one.click("form[action*='all'] button");
    wait_until("nobody", || one.text("h1").contains("Who are you?"));
    other.open(server.port(), "/sessions");
    assert!(other.text("h1").contains("Who are you?"));
    assert_eq!(one.console_errors(), [""; 0]);
}

#[test]
fn the_page_of_sessions_is_accessible_in_both_themes() {
    let server = Store::Memory.serve(&[]);
    let browser = Browser::start();
    let mut other = server.client();
    other.get_ok("/login?user=bob");
    for (width, scheme, name) in [
        (1280, "light", "sessions-light"),
        (1280, "dark", "sessions-dark"),
        (390, "light", "sessions-phone-light"),
        (390, "dark", "sessions-phone-dark"),
    ] {
        browser.emulate_screen(width, scheme);
        browser.open(server.port(), "/logout");
        browser.open(server.port(), "/sessions");
        assert_accessible(&browser, name);
        log_in(&browser, &server);
        assert_accessible(&browser, name);
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(browser.script(fits), true, "{name} scrolls sideways");
        if std::env::var_os("DEMO_SCREENSHOTS").is_some() && width > 600 {
            let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
            fs::write(format!("{docs}/{name}.png"), browser.screenshot(width, scheme)).unwrap();
        }
    }
    assert_eq!(browser.console_errors(), [""; 0]);
}

fn log_in(browser: &Browser, server: &Server) {
    browser.open(server.port(), "/sessions");
    browser.fill("input[name=user]", "bob");
    browser.click("form[action='/login'] button");
    wait_until("a table", || browser.has("tbody tr"));
}

fn rows(browser: &Browser) -> u64 {
    browser.script(ROWS).as_u64().expect("a number")
}
