//! Where and with what was measured.

use std::{fs, process::Command};

/// Crates whose versions matter.
const CRATES: [&str; 8] = [
    "actix-web",
    "session-actix",
    "session-core",
    "redis",
    "actix-session",
    "tower-sessions",
    "tower-sessions-redis-store",
    "axum",
];

/// One line about the machine, one about the programs, one about the crates.
pub(crate) fn describe() -> [String; 3] {
    let cpu = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let gigabytes =
        memory.trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / f64::from(1 << 20);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let machine =
        format!("{cpu}, {cores} cores, {gigabytes:.0} GiB, {}", said("uname", &["-sr"], 2));
    let programs = format!(
        "{}, Redis {}, wrk {}",
        said("rustc", &["-V"], 2),
        said("redis-server", &["-v"], 3).rsplit("v=").next().unwrap_or_default(),
        said("wrk", &["-v"], 2).rsplit(' ').next().unwrap_or_default()
    );
    [machine, programs, CRATES.map(version).join(", ")]
}

/// The first words of what a program says.
fn said(program: &str, arguments: &[&str], words: usize) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.split_whitespace().take(words).collect::<Vec<_>>().join(" ")
}

fn field(file: &str, name: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

/// A crate with its versions; there are two of the redis crate.
fn version(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let packages = lock.split("[[package]]").filter_map(|package| {
        let value = |key: &str| package.split_once(key)?.1.split('"').next();
        (value("name = \"")? == name).then(|| value("version = \""))?
    });
    format!("{name} {}", packages.collect::<Vec<_>>().join(" and "))
}
