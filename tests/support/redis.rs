//! Real Redis servers for tests.

use std::{
    io::{Read, Write},
    net::TcpStream,
    ops::Range,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// A redis-server of the test's own, on a free port, without persistence. Killed on drop.
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

    /// Starts a server with more settings, as on its command line: `["--maxmemory", "1mb"]`.
    pub fn start_with(settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        // Another process may take the port between here and there.
        for _ in 0..10 {
            let port = free_port();
            if let Some(process) = launch(port, &settings, &directory) {
                return Self { process, port, settings, directory };
            }
        }
        panic!("redis-server does not start; is it installed?");
    }

    /// Starts a sentinel with these lines of configuration.
    pub fn start_sentinel(port: u16, lines: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join("sentinel.conf"), lines).expect("a file");
        let settings = vec!["--sentinel".to_owned()];
        let process = launch(port, &settings, &directory).expect("the sentinel starts");
        Self { process, port, settings, directory }
    }

    /// What `INFO` says about `name`; empty if nothing.
    pub fn info(&self, name: &str) -> String {
        told(&self.cli(&["INFO", "everything"]), name)
    }

    /// How many replicas receive what is written here.
    pub fn replicas(&self) -> usize {
        self.cli(&["INFO", "replication"]).matches("state=online").count()
    }

    /// Whether so many replicas confirm a write, which is the removal of everything. A new
    /// replica takes up to a second to confirm its first one.
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

    /// What `CLUSTER INFO` says about `name`; empty if nothing.
    pub fn cluster_info(&self, name: &str) -> String {
        told(&self.cli(&["CLUSTER", "INFO"]), name)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Runs a command as redis-cli would and returns what it prints, without the last newline.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.strip_suffix('\n').unwrap_or(&text).to_owned()
    }

    /// Stops answering, with all connections open.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Goes on after [`pause`](Self::pause), with everything it has been sent meanwhile.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Dies at once and loses everything.
    pub fn kill(&mut self) {
        self.process.kill().expect("a child can be killed");
        self.process.wait().expect("a child can be waited for");
    }

    /// Starts again on the same port, after [`kill`](Self::kill), with what was saved.
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
        // SIGKILL reaches a stopped process too.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port of this machine that nobody listens on.
///
/// Never the same one twice, and below those that the system hands out for outgoing connections:
/// until the server listens, and while it restarts, nobody else comes to have it.
pub fn free_port() -> u16 {
    const PORTS: Range<u32> = 12_000..32_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    loop {
        // Processes that test at the same time begin far from each other.
        let next = std::process::id().wrapping_mul(997).wrapping_add(TAKEN.fetch_add(1, Relaxed));
        let port = (PORTS.start + next % (PORTS.end - PORTS.start)) as u16;
        if is_free(port) {
            return port;
        }
    }
}

/// Whether nobody listens on a port of this machine.
///
/// Asked by connecting, never by listening: a process that another thread starts at this moment
/// has the listener too until it becomes what it was started for, and clients connect to it.
pub fn is_free(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_err()
}

fn launch(port: u16, settings: &[String], directory: &TempDir) -> Option<Child> {
    let configuration = directory.path().join("sentinel.conf");
    let mut process = Command::new("redis-server")
        .args(configuration.exists().then_some(configuration))
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .args(settings)
        .current_dir(directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed");
    let patience = Instant::now() + Duration::from_secs(10);
    while Instant::now() < patience {
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

/// The value of a line `name:value`.
fn told(lines: &str, name: &str) -> String {
    let value =
        |line: &str| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim_end().to_owned());
    lines.lines().find_map(value).unwrap_or_default()
}

/// Whether a server answers PING, be it with an error.
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
