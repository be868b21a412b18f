//! Load, made by wrk.

use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    Result,
    server::{Route, Server},
};

/// How hard a server is pressed.
#[derive(Clone, Copy)]
pub(crate) struct Pressure {
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    /// wrk counts in whole ones.
    pub(crate) seconds: u64,
}

/// What wrk saw.
pub(crate) struct Load {
    pub(crate) requests: f64,
    pub(crate) seconds: f64,
    pub(crate) errors: f64,
    /// Microseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Presses a server, with all its sessions in turn.
pub(crate) fn press(server: &Server, route: Route, pressure: Pressure) -> Result<Load> {
    wait(start(server, route, pressure)?)
}

/// Begins to press a server.
pub(crate) fn start(server: &Server, route: Route, pressure: Pressure) -> Result<Child> {
    let Pressure { threads, connections, seconds } = pressure;
    let threads = threads.min(connections).to_string();
    let mut wrk = Command::new("wrk");
    wrk.args(["-t", &threads, "-c", &connections.to_string(), "-d", &seconds.to_string()]);
    wrk.args(["--timeout", "10", "-s"]);
    wrk.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("load.lua"));
    wrk.arg(server.url(route)).arg("--").arg(server.cookie_file()).arg(&threads);
    Ok(wrk.stdout(Stdio::piped()).spawn()?)
}

/// Waits for the end of a load.
pub(crate) fn wait(wrk: Child) -> Result<Load> {
    let output = String::from_utf8(wrk.wait_with_output()?.stdout)?;
    let result = output.lines().find_map(|line| line.strip_prefix("RESULT "));
    let numbers = result.unwrap_or_default().split(' ').map(str::parse);
    match numbers.collect::<Result<Vec<f64>, _>>().as_deref() {
        Ok(&[requests, duration, errors, p50, p99]) if requests > 0.0 => {
            Ok(Load { requests, seconds: duration / 1e6, errors, p50, p99 })
        }
        _ => Err(format!("wrk did not get through: {output}").into()),
    }
}
