//! The real demo server as a separate process.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use super::client::Client;
use crate::support::redis::free_port;

/// Longer than anything here takes, even on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

const DEMO: &str = env!("CARGO_BIN_EXE_demo-server");

/// A demo server on a free port with its own working directory. Killed on drop.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    program: Vec<String>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    process: Child,
    port: u16,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Starts a server with the default settings and these.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_with(settings, &[])
    }

    /// Starts a server with these settings and arguments.
    pub(crate) fn start_with(settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::launch(&[DEMO], settings, arguments)
    }

    /// Starts a server through a command that executes its arguments, such as `env`.
    pub(crate) fn start_through(wrapper: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::start_program(&[wrapper, &[DEMO]].concat(), settings)
    }

    /// Starts another program that reads its port from the same variable as the demo and logs its
    /// address in the same words.
    pub(crate) fn start_program(program: &[&str], settings: &[(&str, &str)]) -> Self {
        Self::launch(program, settings, &[])
    }

    fn launch(program: &[&str], settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Vec<_> = settings.iter().map(pair).collect();
        let (program, arguments) = (owned(program), owned(arguments));
        let log = Arc::default();
        let port = free_port();
        let (process, port) =
            launch(directory.path(), &program, &environment, &arguments, port, &log);
        Self { directory, program, environment, arguments, process, port, log }
    }

    /// Changes a setting for the next start.
    pub(crate) fn configure(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the server again on the same port, after it was stopped or killed.
    pub(crate) fn restart(&mut self) {
        let (directory, port) = (self.directory.path(), self.port);
        let (program, environment) = (&self.program, &self.environment);
        (self.process, _) =
            launch(directory, program, environment, &self.arguments, port, &self.log);
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The working directory of the server.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The standard error of the server so far, restarts included.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(status.expect("kill(1) runs").success());
    }

    /// The resident memory of the server in bytes.
    pub(crate) fn resident_bytes(&self) -> usize {
        self.resident_memory()()
    }

    /// Returns a function that returns the resident memory of the server in bytes.
    pub(crate) fn resident_memory(&self) -> impl Fn() -> usize + Send + use<> {
        let status = format!("/proc/{}/status", self.process.id());
        move || {
            let status = fs::read_to_string(&status).expect("Linux");
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kilobytes = line.expect("a size").trim().trim_end_matches(" kB");
            kilobytes.parse::<usize>().expect("a number") << 10
        }
    }

    /// Limits the size of the files that the server writes: bytes, or `unlimited`.
    ///
    /// The server must ignore the signal `XFSZ`, which would kill it at the limit.
    pub(crate) fn limit_file_size(&self, size: &str) {
        let id = self.process.id().to_string();
        let limit = format!("--fsize={size}:");
        let status = Command::new("prlimit").args(["--pid", &id, &limit]).status();
        assert!(status.expect("prlimit(1) runs").success());
    }

    /// Waits until the server exits.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the server exits", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.expect("the server has exited")
    }

    /// Stops the server with SIGTERM. Panics unless it exits with status 0.
    pub(crate) fn terminate(&mut self) {
        self.signal("TERM");
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("the server runs");
        self.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("--- the server's log\n{}---", self.log());
        }
    }
}

/// Runs a server that exits by itself. Returns its exit code and its standard error.
pub(crate) fn run_until_exit(
    directory: &Path,
    settings: &[(&str, &str)],
    arguments: &[&str],
) -> (Option<i32>, String) {
    let mut process = command(directory, &[DEMO.to_owned()])
        .envs(settings.iter().copied())
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let deadline = Instant::now() + TIMEOUT;
    while process.try_wait().unwrap().is_none() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    let _ = process.kill();
    let output = process.wait_with_output().expect("the output can be read");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

/// Polls until the condition holds. Panics after [`TIMEOUT`].
#[track_caller]
pub(crate) fn eventually(description: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !condition() {
        assert!(Instant::now() < deadline, "timed out waiting for: {description}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn command(directory: &Path, program: &[String]) -> Command {
    let (first, arguments) = program.split_first().expect("a program is never empty");
    let mut command = Command::new(first);
    command.args(arguments);
    // The environment in which the tests run must not change the settings.
    command.env_clear().current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn launch(
    directory: &Path,
    program: &[String],
    environment: &[(String, String)],
    arguments: &[String],
    port: u16,
    log: &Arc<Mutex<String>>,
) -> (Child, u16) {
    let mut process = command(directory, program)
        .env("RUST_LOG", "info,session_core=debug,session_actix=debug,demo_server=debug")
        .envs(environment.iter().cloned())
        .env("DEMO__SERVER__PORT", port.to_string())
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let errors = BufReader::new(process.stderr.take().expect("it is piped"));
    let before = log.lock().unwrap().len();
    let copy = log.clone();
    thread::spawn(move || {
        for line in errors.split(b'\n').map_while(Result::ok) {
            let mut log = copy.lock().unwrap();
            log.push_str(&String::from_utf8_lossy(&line));
            log.push('\n');
        }
    });
    let mut port = 0;
    eventually("the server listens", || {
        let log = log.lock().unwrap();
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none(), "the server has exited: {}", &log[before..]);
        let address = log[before..].split_once("listening on http://127.0.0.1:");
        port = address.map_or(0, |(_, rest)| leading_number(rest));
        port != 0
    });
    eventually("/healthz answers", || Client::new(port).try_get("/healthz").is_ok());
    (process, port)
}

/// Returns the number at the start of a text, or 0 while the log may not contain all of it yet.
fn leading_number(text: &str) -> u16 {
    let end = text.find(|character: char| !character.is_ascii_digit());
    end.map_or(0, |end| text[..end].parse().expect("a port"))
}

/// Returns every file in a directory and its subdirectories with its content.
pub(crate) fn files_under(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("a directory").map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                directories.push(entry.path());
            } else {
                let content = fs::read(entry.path()).unwrap_or_default();
                found.push((entry.path().display().to_string(), content));
            }
        }
    }
    found.sort();
    found
}
