//! Measures reads in many threads of one process, without HTTP.

use std::{
    env,
    process::{Command, Stdio},
};

use crate::{Result, comparison::Figure, redis::Redis, server::Name};

pub(crate) const ROUNDS: usize = 5;
pub(crate) const COUNTS: [usize; 4] = [1, 2, 8, 32];

const STORAGES: [Name; 2] = [Name::MEMORY, Name::KEY_VALUE_NEAR_CACHE];

/// The sessions that the threads read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sessions {
    Shared,
    Own,
}

impl Sessions {
    const ALL: [Self; 2] = [Self::Shared, Self::Own];

    fn argument(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Own => "1000",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Shared => "one session",
            Self::Own => "1,000 sessions per thread",
        }
    }
}

/// Reads of these sessions.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) storage: Name,
    pub(crate) sessions: Sessions,
}

/// The results for one number of threads.
pub(crate) struct Cell {
    /// Requests per second of all threads together.
    pub(crate) rate: Figure,
    /// Processor time per request, in nanoseconds.
    pub(crate) cpu: Figure,
    /// The proportion of the requests that had to wait for the store.
    pub(crate) waited: Figure,
}

pub(crate) struct Threads {
    /// With a cell for each of [`COUNTS`].
    pub(crate) rows: Vec<(Row, Vec<Cell>)>,
}

struct Sample {
    rate: f64,
    cpu: f64,
    waited: f64,
}

/// Measures every number of threads in turn, so that a disturbance of the machine affects all.
pub(crate) fn measure(redis: &Redis, rounds: usize) -> Result<Threads> {
    eprintln!("reads in many threads");
    let sessions = |storage| Sessions::ALL.map(|sessions| Row { storage, sessions });
    let rows = STORAGES.map(sessions).concat();
    let mut samples: Vec<Vec<Vec<Sample>>> = Vec::new();
    for round in 1..=rounds {
        let of_row = |(at, row): (usize, &Row)| {
            eprint!("\r  round {round} of {rounds}: {}/{}   ", at + 1, rows.len());
            COUNTS.iter().map(|&threads| sample(redis, *row, threads)).collect()
        };
        samples.push(rows.iter().enumerate().map(of_row).collect::<Result<_>>()?);
    }
    eprintln!();
    let cell = |row: usize, count: usize| {
        let figure = |read: fn(&Sample) -> f64| {
            Figure(samples.iter().map(|round| read(&round[row][count])).collect())
        };
        let (rate, cpu) = (figure(|sample| sample.rate), figure(|sample| sample.cpu));
        Cell { rate, cpu, waited: figure(|sample| sample.waited) }
    };
    let cells = |at: usize| (0..COUNTS.len()).map(|count| cell(at, count)).collect();
    Ok(Threads { rows: rows.iter().enumerate().map(|(at, row)| (*row, cells(at))).collect() })
}

/// Measures in a process of its own, so that nothing is left of the threads before.
fn sample(redis: &Redis, row: Row, threads: usize) -> Result<Sample> {
    redis.clear()?;
    let mut command = Command::new(env::current_exe()?.with_file_name("threads"));
    command.args([row.storage.argument(), &redis.url(), &threads.to_string()]);
    command.arg(row.sessions.argument()).stderr(Stdio::inherit());
    let output = String::from_utf8(command.output()?.stdout)?;
    let result = output.lines().find_map(|line| line.strip_prefix("RESULT "));
    let numbers = result.unwrap_or_default().split(' ').map(str::parse);
    match numbers.collect::<Result<Vec<f64>, _>>().as_deref() {
        Ok(&[requests, nanos, cpu, waited]) if requests > 0.0 => Ok(Sample {
            rate: requests / nanos * 1e9,
            cpu: cpu / requests,
            waited: waited / requests,
        }),
        _ => Err(format!("{command:?} failed: {output}").into()),
    }
}
