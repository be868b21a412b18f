//! Child processes and their processor time.

use std::{
    fs,
    net::TcpStream,
    process::{Child, Command},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::Result;

/// The kernel counts processor time for `/proc` in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// A child process, killed when dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a command and waits until it listens on `port`.
    pub(crate) fn listening(command: &mut Command, port: u16) -> Result<Self> {
        let mut process = Self(command.spawn()?);
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = process.0.try_wait()? {
                return Err(format!("{command:?} ended with {status}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("{command:?} does not listen").into());
            }
            sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// Returns the processor time so far of all threads, in user and kernel mode.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The fields after the name, which is in parentheses and may contain any character.
        let fields = stat.rsplit_once(')').ok_or("no name in stat")?.1;
        let times = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u32>);
        Ok(TICK * times.sum::<Result<u32, _>>()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns a free port.
pub(crate) fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
