//! The demo's page in a real browser.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{fs, process::Command};

use browser::{Browser, assert_accessible, wait_until};
use demo::{server::Server, store::Store};
use serde_json::json;
use thirtyfour::Key;

const SET: &str = "form[action='/set'] button";
const GET: &str = "form[action='/get'] button";
const DEL: &str = "form[action='/del'] button";

#[test]
fn the_page_ticks_the_walkthrough_steps_with_sessions_in_a_file() {
    walk(&Store::file());
}

#[test]
fn the_page_ticks_the_walkthrough_steps_with_sessions_in_redis_strings() {
    walk(&Store::key_value());
}

#[test]
fn the_page_ticks_the_walkthrough_steps_with_sessions_in_redis_hashes() {
    walk(&Store::hash_table());
}

fn walk(store: &Store) {
    let mut server = store.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/");
    wait_until("the state of the store", || browser.text("#store").contains("answers"));
    assert_eq!(done(&browser), "");
    assert_eq!(browser.text("#id"), "none yet");

    browser.click(SET);
    wait_until("set", || done(&browser) == "set");
    assert!(browser.text("#answer").contains("/set → 200\nok"));
    assert!(browser.text("#items").starts_with("time "));
    assert_eq!(browser.text("#id").chars().count(), 7, "six characters and an ellipsis");
    browser.click(GET);
    wait_until("get", || done(&browser) == "set get");
    assert!(browser.text("#answer").contains(r#"{"time":"#));
    assert_eq!(browser.console_errors(), [""; 0]);

    restart(&mut server, &browser);
    wait_until("restored", || done(&browser) == "set get restart");
    assert!(browser.text("#news").contains("still there"));

    let command = copied(&browser, "edit-command");
    assert_eq!(command, browser.text("#edit-command").replace('\n', " "));
    let edited = Command::new("sh").args(["-c", &command]).status();
    assert!(edited.expect("a shell").success(), "{command}");
    wait_until("edited", || done(&browser) == "set get restart edit");
    assert!(browser.text("#items").contains("\"changed by hand\""));
    browser.click(GET);
    wait_until("read", || browser.text("#answer").contains(r#"{"time":"changed by hand"}"#));

    server.configure("DEMO__SESSION__MAX_AGE", "1500ms");
    restart(&mut server, &browser);
    wait_until("the new time to live", || browser.text("#max-age") == "2 s");
    browser.click(SET);
    wait_until("expired", || done(&browser) == "set get restart edit expire");
    assert_eq!(browser.text("#left"), "–");
    assert!(browser.text("#news").contains("expired"));
    assert!(browser.text("#progress").contains("All done"));

    browser.click("#again");
    wait_until("no step done", || done(&browser).is_empty());
    assert_eq!(browser.console_errors(), [""; 0]);
}

#[test]
fn a_session_in_memory_is_gone_after_a_restart_and_the_page_says_so() {
    let mut server = Store::Memory.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/");
    browser.click(SET);
    wait_until("set", || done(&browser) == "set");
    restart(&mut server, &browser);
    wait_until("gone", || browser.text("#news").contains("your session is gone"));
    assert_eq!(done(&browser), "set");
    assert!(browser.text("#step-restart .state").contains("not with this storage"));
    assert!(browser.text("#edit-command").contains("BACKEND=file"));
}

#[test]
fn two_tabs_show_one_session() {
    let store = Store::key_value();
    let server = store.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/");
    browser.click(SET);
    wait_until("set", || done(&browser) == "set");
    let id = browser.text("#id");

    let first = browser.new_tab();
    browser.open(server.port(), "/");
    wait_until("the session in the other tab", || browser.text("#id") == id);
    let second = browser.switch(&first);
    wait_until("a shorter time to live", || seconds_left(&browser) <= 57);
    browser.switch(&second);
    browser.click(GET);
    wait_until("get", || done(&browser).contains("get"));
    browser.switch(&first);
    wait_until("a new countdown", || seconds_left(&browser) >= 58);
    assert_eq!(done(&browser), "set get", "it has noticed the request of the other tab");

    browser.fill("input[name='key']", "name");
    browser.fill("input[name='value']", "<b>bob</b>");
    browser.click("form[action='/item'] button");
    wait_until("a new item", || browser.text("#items").contains("\"<b>bob</b>\""));
    browser.switch(&second);
    wait_until("the item in both tabs", || browser.text("#items").contains("\"<b>bob</b>\""));
    assert_eq!(done(&browser), "set get", "the change was not made by hand");
    browser.click(DEL);
    wait_until("the end of the session", || browser.text("#id") == "none yet");
    browser.switch(&first);
    wait_until("the end of the session in both tabs", || browser.text("#news").contains("ended"));
    assert_eq!(done(&browser), "set get", "the session did not expire");
    assert_eq!(browser.console_errors(), [""; 0]);
}

#[test]
fn the_page_reports_a_store_outage_and_recovers_without_a_reload() {
    let mut store = Store::hash_table();
    let server = store.serve(&[]);
    let Store::HashTable(redis) = &mut store else { unreachable!() };
    let browser = Browser::start();
    browser.open(server.port(), "/");
    browser.click(SET);
    wait_until("set", || done(&browser) == "set");
    browser.script("window.sameDocument = true");
    assert_eq!(browser.console_errors(), [""; 0]);

    redis.kill();
    let start = format!("scripts/redis --port {}", redis.port());
    wait_until("an alert", || browser.text("#trouble").contains(&start));
    assert!(browser.text("#store").contains("does not answer"));
    browser.click(GET);
    wait_until("the answer 503", || browser.text("#answer").contains("/get → 503"));
    assert_accessible(&browser, "while the store is down");

    redis.restart();
    wait_until("no alert", || browser.text("#trouble").is_empty());
    browser.click(SET);
    wait_until("a new session", || browser.text("#items").starts_with("time "));
    assert_eq!(browser.script("return window.sameDocument"), true);
    // The browser itself logs each answer 503.
    let errors = browser.console_errors();
    assert!(errors.iter().all(|error| error.contains("503")), "{errors:?}");
}

#[test]
fn the_page_works_without_scripts() {
    let store = Store::file();
    let server = store.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/healthz");
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.open(server.port(), "/");
    wait_until("the complete page", || browser.text("#id") == "none yet");
    assert_eq!(browser.text("#answer"), "", "parts that need scripts are hidden");
    assert!(browser.text("noscript").contains("Without JavaScript"));

    browser.click(SET);
    wait_until("a session on the page", || browser.text("#items").starts_with("time "));
    assert!(browser.text("#left").ends_with(['s', 'n']), "{}", browser.text("#left"));
    assert!(browser.text("#edit-command").starts_with("sed -i "));
    browser.fill("input[name='key']", "a<b");
    browser.fill("input[name='value']", "[1, 2.50]");
    browser.click("form[action='/item'] button");
    wait_until("a new item", || browser.text("#items").contains("a<b [1, 2.50]"));
    browser.click(GET);
    wait_until("indented JSON", || {
        browser.text("body").contains("\"a<b\": [\n    1,\n    2.50\n  ],\n")
    });
    browser.back();
    wait_until("the page again", || browser.has(DEL));
    browser.click(DEL);
    wait_until("no session", || browser.text("#id") == "none yet");
    browser.click("footer a[href='/set?name=bob&age=42']");
    wait_until("the answer to the link", || browser.text("body") == "ok");
    assert_eq!(browser.console_errors(), [""; 0]);
}

#[test]
fn the_page_is_accessible_and_fits_phone_and_desktop_in_light_and_dark() {
    let store = Store::key_value();
    let mut server = store.serve(&[]);
    let browser = Browser::start();
    browser.emulate_screen(1280, "light");
    browser.open(server.port(), "/");
    wait_until("the page", || browser.has("#step-set.next"));
    assert_accessible(&browser, "without a session");

    // Uses the keyboard only.
    browser.press(Key::Tab);
    assert_eq!(focus(&browser), "Skip to your session");
    browser.press(Key::Enter);
    browser.press(Key::Tab);
    assert_eq!(focus(&browser), "Set the time /set");
    browser.press(Key::Enter);
    wait_until("set", || done(&browser) == "set");
    browser.fill("input[name='value']", "bob");
    browser.press(Key::Enter);
    wait_until("a new item", || browser.text("#items").contains("\"bob\""));
    browser.click(GET);
    wait_until("get", || done(&browser) == "set get");
    for _ in 0..browser
        .script("return document.querySelectorAll('a, button, input').length")
        .as_u64()
        .unwrap()
    {
        browser.press(Key::Tab);
        focus(&browser);
    }
    restart(&mut server, &browser);
    wait_until("restored", || done(&browser) == "set get restart");

    let mut backgrounds = Vec::new();
    for (width, scheme, name) in [
        (1280, "light", "page-light"),
        (1280, "dark", "page-dark"),
        (390, "light", "page-phone-light"),
        (390, "dark", "page-phone-dark"),
    ] {
        browser.emulate_screen(width, scheme);
        assert_accessible(&browser, name);
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(browser.script(fits), true, "{name} scrolls sideways");
        backgrounds.push(browser.script("return getComputedStyle(document.body).backgroundColor"));
        if std::env::var_os("DEMO_SCREENSHOTS").is_some() {
            let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
            fs::create_dir_all(docs).unwrap();
            fs::write(format!("{docs}/{name}.png"), browser.screenshot(width, scheme)).unwrap();
        }
    }
    assert_ne!(backgrounds[0], backgrounds[1]);
    assert_eq!(backgrounds[..2], backgrounds[2..]);
    assert_eq!(browser.console_errors(), [""; 0]);
}

#[test]
fn the_content_security_policy_blocks_inline_styles() {
    let server = Store::Memory.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/");
    browser.script("document.body.append(Object.assign(document.createElement('style'), {textContent: 'p{}'}))");
    wait_until("an error in the console", || {
        browser.console_errors().iter().any(|error| error.contains("Security"))
    });
}

/// Returns the ticked steps in order.
fn done(browser: &Browser) -> String {
    let script = "return [...document.querySelectorAll('#steps .done')].map(step => step.id.slice(5)).join(' ')";
    browser.script(script).as_str().expect("a text").to_owned()
}

fn seconds_left(browser: &Browser) -> u64 {
    let text = browser.text("#left").replace("1 min", "60 s");
    text.trim_end_matches(" s").parse().unwrap_or_else(|_| panic!("seconds: {text}"))
}

/// Restarts the server. The page must notice that it stops and that it is back.
fn restart(server: &mut Server, browser: &Browser) {
    server.terminate();
    wait_until("an alert", || browser.text("#trouble").contains("The server does not answer"));
    server.restart();
    wait_until("no alert", || browser.text("#trouble").is_empty());
    // The browser itself logs each failed request.
    let errors = browser.console_errors();
    let expected = |error: &String| error.contains("/status") && error.contains("Failed to load");
    assert!(errors.iter().all(expected), "{errors:?}");
}

/// Presses the button beside a command and returns the text on the clipboard.
fn copied(browser: &Browser, id: &str) -> String {
    let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.devtools("Browser.grantPermissions", permissions);
    browser.click(&format!("[data-copies='{id}']"));
    wait_until("copied", || browser.text("#news") == "Copied.");
    let text = browser.script_async("navigator.clipboard.readText().then(arguments[0])");
    text.as_str().expect("a text").to_owned()
}

/// Returns the name of the focused element. Panics unless the focus is visible.
fn focus(browser: &Browser) -> String {
    let script = "
        const { activeElement } = document;
        const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
        return [activeElement.innerText ?? '', activeElement === document.body || `${outlineStyle} ${outlineWidth}`]";
    let found = browser.script(script);
    assert!(found[1] == true || found[1] == "solid 3px", "the focus is not visible: {found}");
    found[0].as_str().expect("a text").to_owned()
}

#[test]
fn the_page_shows_both_ends_and_notices_a_renewal() {
    let store = Store::key_value();
    let settings = [
        ("DEMO__SESSION__ABSOLUTE_MAX_AGE", "1h"),
        ("DEMO__SESSION__RENEW_AFTER", "3s"),
        ("DEMO__SESSION__GRACE", "2s"),
    ];
    let server = store.serve(&settings);
    let browser = Browser::start();
    browser.open(server.port(), "/");
    browser.click(SET);
    wait_until("set", || done(&browser) == "set");
    wait_until("both ends", || browser.text("#end").starts_with("It ends in"));
    assert!(seconds_left(&browser) <= 60);
    let id = browser.text("#id");
    std::thread::sleep(std::time::Duration::from_secs(3));
    browser.click(GET);
    wait_until("a renewal", || browser.text("#news").contains("Renewed"));
    assert_ne!(browser.text("#id"), id);
    assert!(browser.text("#items").starts_with("time "));
    assert_eq!(done(&browser), "set get", "it is the same session");

    // The command for an edit keeps what the server has noted.
    let command = copied(&browser, "edit-command");
    let edited = Command::new("sh").args(["-c", &command]).status();
    assert!(edited.expect("a shell").success(), "{command}");
    wait_until("edited", || browser.text("#items").contains("\"changed by hand\""));
    assert!(browser.text("#end").starts_with("It ends in 59 min"), "{}", browser.text("#end"));
    assert_eq!(browser.console_errors(), [""; 0]);
}
