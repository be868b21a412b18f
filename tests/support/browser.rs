//! A real browser: Chromium, driven through WebDriver.

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
const PATIENCE: Duration = Duration::from_secs(60);

const ARGUMENTS: [&str; 10] = [
    "--headless",
    // Root, as in containers, has no sandbox.
    "--no-sandbox",
    "--disable-gpu",
    // Shared memory is small in containers.
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// A browser with a profile of its own. Ends with its drop.
pub(crate) struct Browser {
    runtime: actix_rt::Runtime,
    driver: Option<WebDriver>,
    process: Child,
    _profile: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Browser {
    /// Starts a browser, when it is this test's turn: one at a time is work enough for a machine.
    pub(crate) fn start() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (process, port) = start_driver();
        let profile = tempfile::tempdir().expect("a temporary directory");
        let runtime = actix_rt::Runtime::new().expect("a runtime");
        let address = format!("http://127.0.0.1:{port}");
        let driver = capabilities(profile.path())
            .and_then(|capabilities| runtime.block_on(WebDriver::new(address, capabilities)));
        // In place before anything may panic, so that nothing outlives the test.
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

    /// Opens another tab and goes on there; returns to where one goes back.
    pub(crate) fn new_tab(&self) -> Tab {
        let before = self.run(self.driver().window());
        let tab = self.run(self.driver().new_tab());
        self.run(self.driver().switch_to_window(tab));
        Tab(before)
    }

    /// Goes to another tab, and returns the one before.
    pub(crate) fn switch(&self, tab: &Tab) -> Tab {
        let before = self.run(self.driver().window());
        self.run(self.driver().switch_to_window(tab.0.clone()));
        Tab(before)
    }

    /// The text of an element as it is seen; empty if it is not, or not yet.
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

    /// Replaces what is in a field.
    pub(crate) fn fill(&self, css: &str, text: &str) {
        let field = self.find(css);
        self.run(field.clear());
        self.run(field.send_keys(text));
    }

    /// Presses a key wherever the focus is.
    pub(crate) fn press(&self, key: Key) {
        self.run(self.driver().action_chain().send_keys(key).perform());
    }

    /// Runs a script in the page and returns what it returns.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.run(self.driver().execute(script, Vec::new())).json().clone()
    }

    /// Runs a script that calls its last argument when it is done.
    pub(crate) fn script_until_done(&self, script: &str) -> Value {
        self.run(self.driver().execute_async(script, Vec::new())).json().clone()
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub(crate) fn devtools(&self, method: &str, parameters: Value) -> Value {
        self.run(self.driver().cdp().send_raw(method, parameters))
    }

    /// Makes the window look like one of this width, light or dark.
    pub(crate) fn look(&self, width: u32, scheme: &str) {
        let size = json!({
            "width": width, "height": if width < 600 { 844 } else { 900 },
            "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let feature = json!({"name": "prefers-color-scheme", "value": scheme});
        self.devtools("Emulation.setEmulatedMedia", json!({"features": [feature]}));
    }

    /// The page as a PNG: whole in a wide window, what is first to be seen in a narrow one.
    pub(crate) fn picture(&self, width: u32, scheme: &str) -> Vec<u8> {
        self.script("document.activeElement.blur(); scrollTo(0, 0)");
        if width < 600 {
            return self.run(self.driver().screenshot_as_png());
        }
        let height = self.script("return document.documentElement.scrollHeight");
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
        let picture = self.run(self.driver().screenshot_as_png());
        self.look(width, scheme);
        picture
    }

    /// What the browser has complained about since the last call, in its console.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let entries = self.run(self.driver().browser_log());
        let bad = |level: &str| matches!(level, "SEVERE" | "WARNING");
        entries
            .into_iter()
            .filter(|entry| bad(&entry.level))
            .map(|entry| format!("{} {}", entry.source.unwrap_or_default(), entry.message))
            .collect()
    }

    fn find(&self, css: &str) -> WebElement {
        let found = self.runtime.block_on(self.driver().find(By::Css(css)));
        found.unwrap_or_else(|error| panic!("no {css}: {error}"))
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("it runs until the drop")
    }

    fn run<T>(&self, step: impl Future<Output = WebDriverResult<T>>) -> T {
        self.runtime.block_on(step).expect("the browser does as it is told")
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
            // The browser ends with its session.
            let _ = self.runtime.block_on(driver.quit());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A tab of a browser.
pub(crate) struct Tab(thirtyfour::WindowHandle);

/// Polls until it is so.
pub(crate) fn becomes(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "still not so: {what}");
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

/// Starts a driver on a free port, which it tells.
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
    // Whatever it says later has to go somewhere.
    thread::spawn(move || lines.for_each(drop));
    (process, port.expect("chromedriver tells its port"))
}
