//! An example as a process of its own.

#![allow(dead_code, reason = "each test uses only some of it")]

use std::{
    env,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use crate::support::redis::free_port;

/// Returns the path of an example that `cargo test` has built.
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the path of this test is known");
    let target = test.ancestors().nth(2).expect("tests are in target/…/deps");
    target.join("examples").join(name).with_extension(env::consts::EXE_EXTENSION)
}

/// A running example. Killed on drop.
pub(crate) struct Example {
    process: Child,
    address: String,
}

impl Example {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    pub(crate) fn start_with(name: &str, environment: &[(&str, &str)]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut example = Command::new(binary(name));
        example.arg(&address).envs(environment.iter().copied());
        let mut process = example.spawn().expect("`cargo test` builds the examples");
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(&address).is_err() {
            assert!(process.try_wait().unwrap().is_none(), "{name} has ended");
            assert!(Instant::now() < deadline, "{name} does not listen");
            thread::sleep(Duration::from_millis(5));
        }
        Self { process, address }
    }

    /// Returns the host and the port, for a URL.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.rsplit_once(':').expect("host:port").1.parse().expect("a port")
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
