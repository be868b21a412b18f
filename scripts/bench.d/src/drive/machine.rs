//! Describes the machine and the software of the measurement.

use std::{fs, process::Command};

/// The crates whose versions are listed.
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

/// Returns a line each about the machine, the programs and the crates.
pub(crate) fn describe() -> [String; 3] {
    let cpu = field("/proc/cpuinfo", "model name");
    let memory = field("/proc/meminfo", "MemTotal");
    let gigabytes =
        memory.trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / f64::from(1 << 20);
    let cores = cores();
    let machine =
        format!("{cpu}, {cores} cores, {gigabytes:.0} GiB, {}", output_of("uname", &["-sr"], 2));
    let programs = format!(
        "{}, Redis {}, wrk {}",
        output_of("rustc", &["-V"], 2),
        output_of("redis-server", &["-v"], 3).rsplit("v=").next().unwrap_or_default(),
        output_of("wrk", &["-v"], 2).rsplit(' ').next().unwrap_or_default()
    );
    [machine, programs, CRATES.map(version).join(", ")]
}

/// Returns the number of cores, 0 if it is not known.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, usize::from)
}

/// Returns the first words of the output of a program.
fn output_of(program: &str, arguments: &[&str], words: usize) -> String {
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

/// Returns a crate with its versions. There are two versions of the redis crate.
fn version(name: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let packages = lock.split("[[package]]").filter_map(|package| {
        let value = |key: &str| package.split_once(key)?.1.split('"').next();
        (value("name = \"")? == name).then(|| value("version = \""))?
    });
    format!("{name} {}", packages.collect::<Vec<_>>().join(" and "))
}
