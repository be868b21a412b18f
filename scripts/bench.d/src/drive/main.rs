//! Runs the servers side by side under load and writes the report.

mod against;
mod at_rest;
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
mod threads;
mod writes;

use std::{error::Error, fs, path::Path};

use plan::Profile;
use redis::Redis;

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (profile, directory) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["quick", directory] => (Profile::quick(), directory),
        ["smoke", directory] => (Profile::smoke(), directory),
        ["full", directory] => (Profile::full(), directory),
        ["at-rest", directory] => {
            let results = at_rest::measure(&Redis::start()?, at_rest::EFFORT)?;
            return write(directory, &report::at_rest_alone(&results), None);
        }
        ["writes", directory] => {
            let results = writes::measure(&Redis::start()?, writes::EFFORT)?;
            let picture = svg::writers(&results);
            return write(directory, &report::writes_alone(&results), Some(&picture));
        }
        ["threads", directory] => {
            let results = threads::measure(&Redis::start()?, threads::ROUNDS)?;
            return write(directory, &report::threads_alone(&results), None);
        }
        ["against", directory] => {
            let results = against::measure(&Redis::start()?)?;
            return write(directory, &report::against(&results), None);
        }
        _ => {
            let profiles = "full|quick|smoke|at-rest|writes|threads|against";
            return Err(format!("usage: drive {profiles} DIRECTORY").into());
        }
    };
    let results = plan::run(&profile)?;
    write(directory, &report::markdown(&profile, &results), Some(&svg::picture(&results)))
}

fn write(directory: &str, report: &str, picture: Option<&str>) -> Result {
    let directory = Path::new(directory);
    fs::create_dir_all(directory)?;
    println!("\n{report}");
    fs::write(directory.join("BENCHMARKS.md"), report)?;
    if let Some(picture) = picture {
        fs::write(directory.join("benchmarks.svg"), picture)?;
    }
    eprintln!("written to {}", directory.display());
    Ok(())
}
