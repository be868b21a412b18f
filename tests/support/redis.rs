//! Real Redis servers for tests.

use std::{
    ffi::OsString,
    io::{Read, Write},
    net::TcpStream,
    ops::Range,
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A redis-server on a free port, without persistence. Killed on drop.
pub struct RedisServer {
    process: Child,
    port: u16,
    settings: Vec<String>,
    directory: TempDir,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with more command line options, such as `["--maxmemory", "1mb"]`.
    pub fn start_with(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        // Another process may take the port before the server listens on it.
        for _ in 0..10 {
            let port = free_port();
            if let Some(process) = launch(port, &settings, &directory) {
                return Self { process, port, settings, directory };
            }
        }
        panic!("redis-server does not start; is it installed?");
    }

    /// Starts a sentinel with this configuration file.
    pub fn start_sentinel(port: u16, lines: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("sentinel.conf"), lines).expect("a file");
        let settings = vec!["--sentinel".to_owned()];
        let process = launch(port, &settings, &directory).expect("the sentinel starts");
        Self { process, port, settings, directory }
    }

    /// Returns the field `name` of `INFO`, or an empty text if there is none.
    pub fn info(&self, name: &str) -> String {
        field(&self.cli(&["INFO", "everything"]), name)
    }

    /// Returns the number of replicas that receive writes.
    pub fn replicas(&self) -> usize {
        self.cli(&["INFO", "replication"]).matches("state=online").count()
    }

    /// Returns whether exactly this number of replicas confirms a write. The write is `FLUSHALL`.
    /// A new replica takes up to a second to confirm its first write.
    pub fn is_confirmed_by(&self, replicas: usize) -> bool {
        if self.replicas() != replicas {
            return false;
        }
        let mut cli = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-cli runs");
        let commands = format!("FLUSHALL\nWAIT {replicas} 100\n");
        let input = cli.stdin.take().expect("it is piped").write_all(commands.as_bytes());
        input.expect("redis-cli reads");
        let output = cli.wait_with_output().expect("redis-cli ends");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().last().and_then(|count| count.parse().ok()) == Some(replicas)
    }

    /// Returns the field `name` of `CLUSTER INFO`, or an empty text if there is none.
    pub fn cluster_info(&self, name: &str) -> String {
        field(&self.cli(&["CLUSTER", "INFO"]), name)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command with redis-cli and returns its output without the last newline.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// Stops the process. Its connections stay open.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Continues after [`pause`](Self::pause) with the commands received in the meantime.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Kills the process with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }

    /// Starts the server again on the same port after [`kill`](Self::kill), with the data that was
    /// persisted.
    pub fn restart(&mut self) {
        self.process = launch(self.port, &self.settings, &self.directory)
            .expect("redis-server starts again on its port");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // SIGKILL also ends a stopped process.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Returns a free port of this machine, never the same one twice.
///
/// The ports are below those that the system assigns to outgoing connections, so that a port
/// stays free until a server listens on it and while the server restarts.
pub fn free_port() -> u16 {
    const PORTS: Range<u32> = 12_000..32_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Concurrent test processes start at ports far from each other.
        let next = std::process::id().wrapping_mul(997).wrapping_add(TAKEN.fetch_add(1, Relaxed));
        let port = (PORTS.start + next % (PORTS.end - PORTS.start)) as u16;
        if is_free(port) {
            return port;
        }
    }
}

/// Returns whether a port of this machine is free.
///
/// This connects instead of listening: a child process that another thread starts at the same
/// moment would inherit the listening socket until it executes its program, and clients would
/// connect to it.
pub fn is_free(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_err()
}

/// Returns the program of the server to test with: `REDIS_SERVER`, or the one on the path.
pub fn program() -> OsString {
    std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

/// Returns the first number of the server's version: 6 for Redis 6.0, 8 for Valkey 8.1.
pub fn major_version() -> u32 {
    static MAJOR: LazyLock<u32> = LazyLock::new(|| {
        let output = Command::new(program()).arg("--version").output().expect("the server runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let version = text.split_once(" v=").expect("it prints its version").1;
        version.split('.').next().and_then(|major| major.parse().ok()).expect("a number")
    });
    *MAJOR
}

fn launch(port: u16, settings: &[String], directory: &TempDir) -> Option<Child> {
    let configuration = directory.path().join("sentinel.conf");
    let mut process = Command::new(program())
        .args(configuration.exists().then_some(configuration))
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args(settings)
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the redis-server can be run");
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Ok(Some(_)) = process.try_wait() {
            return None;
        }
        if answers(port) {
            return Some(process);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = process.kill();
    let _ = process.wait();
    None
}

/// Returns the value of a line `name:value`.
fn field(lines: &str, name: &str) -> String {
    let value =
        |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_end().to_owned());
    lines.lines().find_map(value).unwrap_or_default()
}

/// Returns whether a server answers PING, possibly with an error.
fn answers(port: u16) -> bool {
    let ask = || {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        connection.set_read_timeout(Some(Duration::from_millis(500)))?;
        connection.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        connection.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    ask().is_ok()
}
