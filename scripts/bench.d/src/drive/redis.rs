//! The Redis server that the compared servers share.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    Result,
    process::{Process, free_port},
};

/// A Redis without persistence.
pub(crate) struct Redis {
    process: Process,
    port: u16,
}

impl Redis {
    pub(crate) fn start() -> Result<Self> {
        Self::start_program(OsStr::new("redis-server"))
    }

    /// Starts a server that may be another one, such as Valkey.
    pub(crate) fn start_program(program: &OsStr) -> Result<Self> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
        command.arg(port.to_string()).stdout(Stdio::null());
        Ok(Self { process: Process::listening(&mut command, port)?, port })
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) fn cpu(&self) -> Result<Duration> {
        self.process.cpu()
    }

    pub(crate) fn clear(&self) -> Result {
        self.ask("FLUSHALL").map(drop)
    }

    /// Returns the number of commands executed so far, including those called by scripts.
    pub(crate) fn executed(&self) -> Result<u64> {
        let stats = self.ask("INFO commandstats")?;
        let calls =
            |line: &str| line.split_once(":calls=")?.1.split(',').next()?.parse::<u64>().ok();
        let of_load = stats.lines().filter(|line| !line.starts_with("cmdstat_info"));
        Ok(of_load.filter_map(calls).sum())
    }

    /// Counts the commands that clients send while `work` runs.
    pub(crate) fn sent_during(&self, work: impl FnOnce() -> Result) -> Result<u64> {
        const END: &str = "the-end-of-the-work";
        let mut monitor = BufReader::new(self.connect()?);
        monitor.get_mut().write_all(b"MONITOR\r\n")?;
        let mut line = String::new();
        monitor.read_line(&mut line)?;
        work()?;
        self.ask(&format!("PING {END}"))?;
        let mut sent = 0;
        loop {
            line.clear();
            monitor.read_line(&mut line)?;
            if line.contains(END) {
                return Ok(sent);
            }
            // Ignores commands that a script called.
            sent += u64::from(!line.contains(" lua]"));
        }
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(stream)
    }

    /// Sends an inline command. Returns the answer, a line or a bulk string.
    fn ask(&self, command: &str) -> Result<String> {
        let mut stream = BufReader::new(self.connect()?);
        stream.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some(length) = line.strip_prefix('$') else { return Ok(line) };
        let mut text = vec![0; length.trim().parse()?];
        stream.read_exact(&mut text)?;
        Ok(String::from_utf8(text)?)
    }
}
