//! Runs the servers side by side under load and writes the report.

mod comparison;
mod load;
mod machine;
mod plan;
mod process;
mod redis;
mod report;
mod serial;
mod server;
mod svg;
mod table;

use std::{error::Error, fs, path::PathBuf};

use plan::Profile;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (profile, directory) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["quick", directory] => (Profile::quick(), PathBuf::from(directory)),
        ["smoke", directory] => (Profile::smoke(), PathBuf::from(directory)),
        ["full", directory] => (Profile::full(), PathBuf::from(directory)),
        _ => return Err("usage: drive full|quick|smoke DIRECTORY".into()),
    };
    let results = plan::run(&profile)?;
    fs::create_dir_all(&directory)?;
    let report = report::markdown(&profile, &results);
    println!("\n{report}");
    fs::write(directory.join("BENCHMARKS.md"), report)?;
    fs::write(directory.join("benchmarks.svg"), svg::picture(&results))?;
    eprintln!("written to {}", directory.display());
    Ok(())
}
