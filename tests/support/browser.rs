//! A real browser: Chromium, driven through WebDriver.

#![allow(dead_code, reason = "each test uses only some of it")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use thirtyfour::{
    By, ChromiumLikeCapabilities, DesiredCapabilities, Key, LoggingPrefsLogLevel, WebDriver,
    WebElement, error::WebDriverResult,
};

/// Longer than anything here takes, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

const ARGUMENTS: [&str; 10] = [
    "--headless",
    // The sandbox does not work as root, the usual user in containers.
    "--no-sandbox",
    "--disable-gpu",
    // Containers have little shared memory.
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with its own profile. Closed on drop.
pub(crate) struct Browser {
    runtime: actix_rt::Runtime,
    driver: Option<WebDriver>,
    process: Child,
    _profile: tempfile::TempDir,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Browser {
    /// Starts a browser once no other test has one, to save memory and processor time.
    pub(crate) fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        Self::start_in(Some(TURN.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Starts another browser, with a profile of its own, beside this one.
    pub(crate) fn start_other(&self) -> Self {
        Self::start_in(None)
    }

    fn start_in(turn: Option<MutexGuard<'static, ()>>) -> Self {
        let (process, port) = start_driver();
        let profile = tempfile::tempdir().expect("a temporary directory");
        let runtime = actix_rt::Runtime::new().expect("a runtime");
        let address = format!("http://127.0.0.1:{port}");
        let driver = capabilities(profile.path())
            .and_then(|capabilities| runtime.block_on(WebDriver::new(address, capabilities)));
        // Exists before the first possible panic, so that its drop ends all processes.
        let mut browser = Self { runtime, driver: None, process, _profile: profile, _turn: turn };
        browser.driver = Some(driver.expect("Chromium starts; is it installed?"));
        browser
    }

    /// Opens the page of a server.
    pub(crate) fn open(&self, port: u16, path: &str) {
        self.run(self.driver().goto(format!("http://127.0.0.1:{port}{path}")));
    }

    pub(crate) fn back(&self) {
        self.run(self.driver().back());
    }

    /// Opens a new tab and switches to it. Returns the previous tab.
    pub(crate) fn new_tab(&self) -> Tab {
        let before = self.run(self.driver().window());
        let tab = self.run(self.driver().new_tab());
        self.run(self.driver().switch_to_window(tab));
        Tab(before)
    }

    /// Switches to another tab. Returns the previous tab.
    pub(crate) fn switch(&self, tab: &Tab) -> Tab {
        let before = self.run(self.driver().window());
        self.run(self.driver().switch_to_window(tab.0.clone()));
        Tab(before)
    }

    /// Returns the visible text of an element, or an empty text if there is none.
    pub(crate) fn text(&self, css: &str) -> String {
        let text = async { self.driver().find(By::Css(css)).await?.text().await };
        self.runtime.block_on(text).unwrap_or_default()
    }

    pub(crate) fn has(&self, css: &str) -> bool {
        !self.run(self.driver().find_all(By::Css(css))).is_empty()
    }

    pub(crate) fn click(&self, css: &str) {
        self.run(self.find(css).click());
    }

    /// Replaces the text in a field.
    pub(crate) fn fill(&self, css: &str, text: &str) {
        let field = self.find(css);
        self.run(field.clear());
        self.run(field.send_keys(text));
    }

    /// Sends a key to the focused element.
    pub(crate) fn press(&self, key: Key) {
        self.run(self.driver().action_chain().send_keys(key).perform());
    }

    /// Runs a script in the page and returns its result.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.run(self.driver().execute(script, Vec::new())).json().clone()
    }

    /// Runs a script that passes its result to its last argument, a callback.
    pub(crate) fn script_async(&self, script: &str) -> Value {
        self.run(self.driver().execute_async(script, Vec::new())).json().clone()
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub(crate) fn devtools(&self, method: &str, parameters: Value) -> Value {
        self.run(self.driver().cdp().send_raw(method, parameters))
    }

    /// Emulates a screen of this width with a light or dark colour scheme.
    pub(crate) fn emulate_screen(&self, width: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": if width < 600 { 844 } else { 900 },
            "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools("Emulation.setEmulatedMedia", json!({"features": [feature]}));
    }

    /// Returns the page as a PNG: all of it on a wide screen, the top of it on a narrow one.
    pub(crate) fn screenshot(&self, width: u32, scheme: &str) -> Vec<u8> {
        self.script("document.activeElement.blur(); scrollTo(0, 0)");
        if width < 600 {
            return self.run(self.driver().screenshot_as_png());
        }
        let height = self.script("return document.documentElement.scrollHeight");
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let screenshot = self.run(self.driver().screenshot_as_png());
        self.emulate_screen(width, scheme);
        screenshot
    }

    /// Returns the errors and warnings in the browser's console since the last call.
    pub(crate) fn console_errors(&self) -> Vec<String> {
        let entries = self.run(self.driver().browser_log());
        let is_error = |level: &str| matches!(level, "SEVERE" | "WARNING");
        entries
            .into_iter()
            .filter(|entry| is_error(&entry.level))
            .map(|entry| format!("{} {}", entry.source.unwrap_or_default(), entry.message))
            .collect()
    }

    fn find(&self, css: &str) -> WebElement {
        let found = self.runtime.block_on(self.driver().find(By::Css(css)));
        found.unwrap_or_else(|error| panic!("no {css}: {error}"))
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("the driver exists until the drop")
    }

    fn run<T>(&self, step: impl Future<Output = WebDriverResult<T>>) -> T {
        self.runtime.block_on(step).expect("the browser carries out the command")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            if thread::panicking() {
                let shown =
                    self.runtime.block_on(driver.execute(
                        "return document.URL + '\\n' + document.body.innerText",
                        Vec::new(),
                    ));
                if let Ok(shown) = shown {
                    eprintln!("--- the page\n{}\n---", shown.json().as_str().unwrap_or_default());
                }
            }
            // Closes the browser.
            let _ = self.runtime.block_on(driver.quit());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Panics if axe finds serious violations.
pub(crate) fn assert_accessible(browser: &Browser, state: &str) {
    if browser.script("return !window.axe") == true {
        browser.script(include_str!("../vendor/axe-core/axe.min.js"));
    }
    let found = browser.script_async(
        "axe.run(document, { resultTypes: ['violations'] }).then(
            ({ violations, passes }) => arguments[0]({ violations, passed: passes.length }),
            (error) => arguments[0]({ violations: [{ impact: 'critical', id: String(error) }] }))",
    );
    let violations = found["violations"].as_array().expect("a list");
    let serious =
        |violation: &&Value| matches!(violation["impact"].as_str(), Some("serious" | "critical"));
    let serious: Vec<_> = violations.iter().filter(serious).collect();
    assert!(serious.is_empty(), "{state}: {serious:#?}");
    assert!(found["passed"].as_u64() > Some(15), "{state}: axe found too little to check: {found}");
}

/// A tab of a browser.
pub(crate) struct Tab(thirtyfour::WindowHandle);

/// Polls until the condition holds. Panics after [`TIMEOUT`].
pub(crate) fn wait_until(description: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "timed out waiting for: {description}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn capabilities(profile: &Path) -> WebDriverResult<thirtyfour::ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    for argument in ARGUMENTS {
        capabilities.add_arg(argument)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(capabilities)
}

/// Starts a driver on a free port. Returns the port that it prints.
fn start_driver() -> (Child, u16) {
    let mut process = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed; scripts/test does that");
    let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.rsplit_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // A full pipe would block the driver.
    thread::spawn(move || lines.for_each(drop));
    (process, port.expect("chromedriver prints its port"))
}
