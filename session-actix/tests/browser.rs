//! The examples that are about forms, in a real browser.

#[path = "../../tests/support/browser.rs"]
mod browser;
mod example;
#[path = "../../tests/support/mod.rs"]
mod support;

use browser::{Browser, wait_until};
use example::Example;

const MESSAGE: &str = "p[role='status']";

#[test]
fn flash_shows_a_message_once_in_one_tab() {
    let flash = Example::start("flash");
    let browser = Browser::start();
    open(&browser, &flash);
    assert!(!browser.has(MESSAGE));

    browser.fill("input[name='name']", "<b>bob</b>");
    browser.click("button");
    wait_until("the message", || browser.has(MESSAGE));
    assert_eq!(browser.text(MESSAGE), "Your name is <b>bob</b> now.");
    open(&browser, &flash);
    assert!(!browser.has(MESSAGE));
}

#[test]
fn flash_shows_a_message_in_one_of_two_tabs_that_load_at_once() {
    let flash = Example::start("flash");
    let browser = Browser::start();
    open(&browser, &flash);
    let first = browser.new_tab();
    open(&browser, &flash);
    let second = browser.switch(&first);
    for round in 0..5 {
        // Without following the redirect, so that the message waits for the next page.
        browser.script_async(
            "const body = new URLSearchParams({ name: 'bob' });
            fetch('/name', { method: 'POST', redirect: 'manual', body }).then(arguments[0])",
        );
        for tab in [&first, &second] {
            browser.switch(tab);
            browser.script("window.isOld = true; setTimeout(() => location.reload())");
        }
        let mut shown = 0;
        for tab in [&first, &second] {
            browser.switch(tab);
            let is_loaded = "return !window.isOld && document.readyState === 'complete'";
            wait_until("the page", || browser.script(is_loaded) == true);
            shown += usize::from(browser.has(MESSAGE));
        }
        assert_eq!(shown, 1, "round {round}");
    }
}

#[test]
fn csrf_takes_orders_from_its_own_page_only() {
    let (csrf, other) = (Example::start("csrf"), Example::start("flash"));
    let browser = Browser::start();
    open(&browser, &csrf);
    order(&browser, 1);
    let right = token(&browser);

    // Another port is another origin but the same site, so the cookie is sent with the form.
    for token in ["", &right] {
        open(&browser, &other);
        send_order(&browser, &csrf, token);
        wait_until("the refusal", || is_refused(&browser));
    }
    // Another site.
    open(&browser, &other);
    browser.script(&format!("location = 'http://localhost:{}/'", other.port()));
    let is_there = "return location.hostname === 'localhost' && document.readyState === 'complete'";
    wait_until("the other site", || browser.script(is_there) == true);
    send_order(&browser, &csrf, &right);
    wait_until("the refusal", || is_refused(&browser));

    open(&browser, &csrf);
    assert_eq!(browser.text("p"), "Orders: 1");
    order(&browser, 2);
}

#[test]
fn csrf_refuses_a_form_that_was_loaded_before_the_login() {
    let csrf = Example::start("csrf");
    let browser = Browser::start();
    open(&browser, &csrf);
    let first = browser.new_tab();
    open(&browser, &csrf);
    let before = token(&browser);
    browser.click("button[formaction='/login']");
    wait_until("a new token", || browser.has("[name='token']") && token(&browser) != before);
    order(&browser, 1);

    browser.switch(&first);
    assert_eq!(token(&browser), before);
    browser.click("button[formaction='/order']");
    wait_until("the refusal", || is_refused(&browser));
    open(&browser, &csrf);
    order(&browser, 2);
}

fn open(browser: &Browser, example: &Example) {
    browser.open(example.port(), "/");
}

/// Sends the form of the page of `csrf`, and waits until the page counts the order.
fn order(browser: &Browser, orders: u32) {
    browser.click("button[formaction='/order']");
    wait_until("the order", || browser.text("p") == format!("Orders: {orders}"));
}

/// Returns the token in the form of the page of `csrf`.
fn token(browser: &Browser) -> String {
    let token = browser.script("return document.querySelector('[name=token]').value");
    token.as_str().expect("a text").to_owned()
}

/// Sends an order to `csrf` by a form on the page that is open.
fn send_order(browser: &Browser, csrf: &Example, token: &str) {
    let action = format!("http://{}/order", csrf.address());
    browser.script(&format!(
        "const form = document.createElement('form');
        form.method = 'post';
        form.action = '{action}';
        form.innerHTML = '<input name=\"token\" value=\"{token}\">';
        document.body.append(form);
        form.submit()"
    ));
}

fn is_refused(browser: &Browser) -> bool {
    browser.text("body") == "Load the page again."
}
