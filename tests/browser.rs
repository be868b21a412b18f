//! The demo's page in a real browser.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{fs, process::Command};

use browser::{Browser, becomes};
use demo::{server::Server, store::Store};
use serde_json::{Value, json};
use thirtyfour::Key;

const SET: &str = "form[action='/set'] button";
const GET: &str = "form[action='/get'] button";
const DEL: &str = "form[action='/del'] button";

#[test]
fn the_walkthrough_ticks_itself_with_sessions_in_a_file() {
    walk(&Store::file());
}

#[test]
fn the_walkthrough_ticks_itself_with_sessions_in_redis_strings() {
    walk(&Store::key_value());
}

#[test]
fn the_walkthrough_ticks_itself_with_sessions_in_redis_hashes() {
    walk(&Store::hash_table());
}

fn walk(store: &Store) {
    let mut server = store.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/");
    becomes("the page knows the store", || browser.text("#store").contains("answers"));
    assert_eq!(done(&browser), "");
    assert_eq!(browser.text("#id"), "none yet");

    browser.click(SET);
    becomes("set", || done(&browser) == "set");
    assert!(browser.text("#answer").contains("/set → 200\nok"));
    assert!(browser.text("#items").starts_with("time "));
    assert_eq!(browser.text("#id").chars().count(), 7, "six characters and an ellipsis");
    browser.click(GET);
    becomes("get", || done(&browser) == "set get");
    assert!(browser.text("#answer").contains(r#"{"time":"#));
    assert_eq!(browser.complaints(), [""; 0]);

    restart(&mut server, &browser);
    becomes("restored", || done(&browser) == "set get restart");
    assert!(browser.text("#news").contains("still there"));

    let command = copied(&browser, "edit-command");
    assert_eq!(command, browser.text("#edit-command").replace('\n', " "));
    let edited = Command::new("sh").args(["-c", &command]).status();
    assert!(edited.expect("a shell").success(), "{command}");
    becomes("edited", || done(&browser) == "set get restart edit");
    assert!(browser.text("#items").contains("\"changed by hand\""));
    browser.click(GET);
    becomes("read", || browser.text("#answer").contains(r#"{"time":"changed by hand"}"#));

    server.configure("DEMO__SESSION__MAX_AGE", "1500ms");
    restart(&mut server, &browser);
    becomes("the other age is told", || browser.text("#max-age") == "2 s");
    browser.click(SET);
    becomes("expired", || done(&browser) == "set get restart edit expire");
    assert_eq!(browser.text("#left"), "–");
    assert!(browser.text("#news").contains("expired"));
    assert!(browser.text("#progress").contains("All done"));

    browser.click("#again");
    becomes("all over again", || done(&browser).is_empty());
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_session_in_memory_is_gone_after_a_restart_and_the_page_says_so() {
    let mut server = Store::Memory.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/");
    browser.click(SET);
    becomes("set", || done(&browser) == "set");
    restart(&mut server, &browser);
    becomes("gone", || browser.text("#news").contains("your session is gone"));
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
    becomes("set", || done(&browser) == "set");
    let id = browser.text("#id");

    let first = browser.new_tab();
    browser.open(server.port(), "/");
    becomes("the other tab shows it", || browser.text("#id") == id);
    let second = browser.switch(&first);
    becomes("time passes", || seconds_left(&browser) <= 57);
    browser.switch(&second);
    browser.click(GET);
    becomes("get", || done(&browser).contains("get"));
    browser.switch(&first);
    becomes("the countdown starts again", || seconds_left(&browser) >= 58);
    assert_eq!(done(&browser), "set get", "it has seen the other tab's");

    browser.fill("input[name='key']", "name");
    browser.fill("input[name='value']", "<b>bob</b>");
    browser.click("form[action='/item'] button");
    becomes("an item is set", || browser.text("#items").contains("\"<b>bob</b>\""));
    browser.switch(&second);
    becomes("both tabs show it", || browser.text("#items").contains("\"<b>bob</b>\""));
    assert_eq!(done(&browser), "set get", "that was not by hand");
    browser.click(DEL);
    becomes("it is deleted", || browser.text("#id") == "none yet");
    browser.switch(&first);
    becomes("both tabs know", || browser.text("#news").contains("ended"));
    assert_eq!(done(&browser), "set get", "that is not how sessions expire");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_store_that_is_down_is_told_and_its_return_noticed_without_a_reload() {
    let mut store = Store::hash_table();
    let server = store.serve(&[]);
    let Store::HashTable(redis) = &mut store else { unreachable!() };
    let browser = Browser::start();
    browser.open(server.port(), "/");
    browser.click(SET);
    becomes("set", || done(&browser) == "set");
    browser.script("window.sameDocument = true");
    assert_eq!(browser.complaints(), [""; 0]);

    redis.kill();
    let start = format!("scripts/redis --port {}", redis.port());
    becomes("trouble is told", || browser.text("#trouble").contains(&start));
    assert!(browser.text("#store").contains("does not answer"));
    browser.click(GET);
    becomes("the answer is told", || browser.text("#answer").contains("/get → 503"));
    accessible(&browser, "while the store is down");

    redis.restart();
    becomes("the trouble is over", || browser.text("#trouble").is_empty());
    browser.click(SET);
    becomes("it works again", || browser.text("#items").starts_with("time "));
    assert_eq!(browser.script("return window.sameDocument"), true);
    // That a request is answered 503 is told by the browser itself.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|said| said.contains("503")), "{complaints:?}");
}

#[test]
fn it_works_without_a_script() {
    let store = Store::file();
    let server = store.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/healthz");
    browser.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.open(server.port(), "/");
    becomes("led to the complete page", || browser.text("#id") == "none yet");
    assert_eq!(browser.text("#answer"), "", "what only a script fills is not shown");
    assert!(browser.text("noscript").contains("Without JavaScript"));

    browser.click(SET);
    becomes("set, and back on the page", || browser.text("#items").starts_with("time "));
    assert!(browser.text("#left").ends_with(['s', 'n']), "{}", browser.text("#left"));
    assert!(browser.text("#edit-command").starts_with("sed -i "));
    browser.fill("input[name='key']", "a<b");
    browser.fill("input[name='value']", "[1, 2.50]");
    browser.click("form[action='/item'] button");
    becomes("an item is set", || browser.text("#items").contains("a<b [1, 2.50]"));
    browser.click(GET);
    becomes("got", || browser.text("body").contains("\"a<b\": [\n    1,\n    2.50\n  ],\n"));
    browser.back();
    becomes("back on the page", || browser.has(DEL));
    browser.click(DEL);
    becomes("deleted", || browser.text("#id") == "none yet");
    browser.click("footer a[href='/set?name=bob&age=42']");
    becomes("the link is followed", || browser.text("body") == "ok");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn it_is_accessible_and_fits_light_and_dark_on_phone_and_desktop() {
    let store = Store::key_value();
    let mut server = store.serve(&[]);
    let browser = Browser::start();
    browser.look(1280, "light");
    browser.open(server.port(), "/");
    becomes("it is up", || browser.has("#step-set.next"));
    accessible(&browser, "without a session");

    // With the keyboard alone.
    browser.press(Key::Tab);
    assert_eq!(focus(&browser), "Skip to your session");
    browser.press(Key::Enter);
    browser.press(Key::Tab);
    assert_eq!(focus(&browser), "Set the time /set");
    browser.press(Key::Enter);
    becomes("set", || done(&browser) == "set");
    browser.fill("input[name='value']", "bob");
    browser.press(Key::Enter);
    becomes("an item is set", || browser.text("#items").contains("\"bob\""));
    browser.click(GET);
    becomes("get", || done(&browser) == "set get");
    for _ in 0..browser
        .script("return document.querySelectorAll('a, button, input').length")
        .as_u64()
        .unwrap()
    {
        browser.press(Key::Tab);
        focus(&browser);
    }
    restart(&mut server, &browser);
    becomes("restored", || done(&browser) == "set get restart");

    let mut papers = Vec::new();
    for (width, scheme, name) in [
        (1280, "light", "page-light"),
        (1280, "dark", "page-dark"),
        (390, "light", "page-phone-light"),
        (390, "dark", "page-phone-dark"),
    ] {
        browser.look(width, scheme);
        accessible(&browser, name);
        let fits = "return document.documentElement.scrollWidth <= window.innerWidth";
        assert_eq!(browser.script(fits), true, "{name} scrolls sideways");
        papers.push(browser.script("return getComputedStyle(document.body).backgroundColor"));
        if std::env::var_os("DEMO_SCREENSHOTS").is_some() {
            let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
            fs::create_dir_all(docs).unwrap();
            fs::write(format!("{docs}/{name}.png"), browser.picture(width, scheme)).unwrap();
        }
    }
    assert_ne!(papers[0], papers[1]);
    assert_eq!(papers[..2], papers[2..]);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_browser_would_complain_about_a_foreign_script() {
    let server = Store::Memory.serve(&[]);
    let browser = Browser::start();
    browser.open(server.port(), "/");
    browser.script("document.body.append(Object.assign(document.createElement('style'), {textContent: 'p{}'}))");
    becomes("it complains", || browser.complaints().iter().any(|said| said.contains("Security")));
}

/// Which steps are ticked, in their order.
fn done(browser: &Browser) -> String {
    let script = "return [...document.querySelectorAll('#steps .done')].map(step => step.id.slice(5)).join(' ')";
    browser.script(script).as_str().expect("a text").to_owned()
}

fn seconds_left(browser: &Browser) -> u64 {
    let text = browser.text("#left").replace("1 min", "60 s");
    text.trim_end_matches(" s").parse().unwrap_or_else(|_| panic!("seconds: {text}"))
}

/// Ends the server and starts it again. The page has to notice both.
fn restart(server: &mut Server, browser: &Browser) {
    server.terminate();
    becomes("the page tells", || browser.text("#trouble").contains("The server does not answer"));
    server.start_again();
    becomes("the page goes on", || browser.text("#trouble").is_empty());
    // That nobody answered meanwhile is told by the browser itself.
    let complaints = browser.complaints();
    let expected = |said: &String| said.contains("/status") && said.contains("Failed to load");
    assert!(complaints.iter().all(expected), "{complaints:?}");
}

/// What the button beside a command puts on the clipboard.
fn copied(browser: &Browser, id: &str) -> String {
    let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.devtools("Browser.grantPermissions", permissions);
    browser.click(&format!("[data-copies='{id}']"));
    becomes("copied", || browser.text("#news") == "Copied.");
    let text = browser.script_until_done("navigator.clipboard.readText().then(arguments[0])");
    text.as_str().expect("a text").to_owned()
}

/// The name of what has the focus, which must be visible.
fn focus(browser: &Browser) -> String {
    let script = "
        const { activeElement } = document;
        const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
        return [activeElement.innerText ?? '', activeElement === document.body || `${outlineStyle} ${outlineWidth}`]";
    let found = browser.script(script);
    assert!(found[1] == true || found[1] == "solid 3px", "the focus is not to be seen: {found}");
    found[0].as_str().expect("a text").to_owned()
}

/// Expects that axe finds nothing serious.
fn accessible(browser: &Browser, state: &str) {
    if browser.script("return !window.axe") == true {
        browser.script(include_str!("vendor/axe-core/axe.min.js"));
    }
    let found = browser.script_until_done(
        "axe.run(document, { resultTypes: ['violations'] }).then(
            ({ violations, passes }) => arguments[0]({ violations, passed: passes.length }),
            (error) => arguments[0]({ violations: [{ impact: 'critical', id: String(error) }] }))",
    );
    let violations = found["violations"].as_array().expect("a list");
    let serious =
        |violation: &&Value| matches!(violation["impact"].as_str(), Some("serious" | "critical"));
    let serious: Vec<_> = violations.iter().filter(serious).collect();
    assert!(serious.is_empty(), "{state}: {serious:#?}");
    assert!(found["passed"].as_u64() > Some(20), "{state}: axe has looked: {found}");
}
