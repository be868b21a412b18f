//! Measures servers side by side under the same load.

use std::time::Duration;

use crate::{
    Result,
    load::{self, LoadOptions},
    redis::Redis,
    server::{Name, Route, Server, Sessions},
};

/// The conditions of a comparison, the same for all servers.
#[derive(Clone, Copy)]
pub(crate) struct Conditions {
    /// The processes of a server, which share the sessions.
    pub(crate) processes: usize,
    /// In each process.
    pub(crate) workers: usize,
    /// To all processes together.
    pub(crate) connections: usize,
    pub(crate) sessions: Sessions,
}

/// The number and the length of the measurements.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) seconds: u64,
    /// Begins with a round that is not measured.
    pub(crate) warms_up: bool,
}

/// A route of a server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) server: Name,
    pub(crate) route: Route,
}

/// A figure measured in several rounds.
#[derive(Clone)]
pub(crate) struct Figure(pub(crate) Vec<f64>);

/// The results for a case.
pub(crate) struct Outcome {
    pub(crate) case: Case,
    /// Requests per second.
    pub(crate) rate: Figure,
    /// The rate relative to that of the reference in the same round.
    pub(crate) relative: Figure,
    /// Processor time of the server per request, in microseconds.
    pub(crate) cpu: Figure,
    /// The processor time beyond that of the reference in the same round.
    pub(crate) over: Figure,
    /// Processor time of Redis per request, in microseconds.
    pub(crate) redis_cpu: Figure,
    /// Commands that Redis executed per request, including those called by scripts.
    pub(crate) executed: Figure,
    /// Latency in microseconds; of several processes, of the slower one.
    pub(crate) p50: Figure,
    pub(crate) p99: Figure,
    /// The proportion of failed requests.
    pub(crate) failed: f64,
}

impl Outcome {
    /// Returns the processor time of the server and of Redis per request, in microseconds.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu.median() + self.redis_cpu.median()
    }
}

/// The measurement of a case in one round.
struct Sample {
    rate: f64,
    cpu: f64,
    redis_cpu: f64,
    executed: f64,
    p50: f64,
    p99: f64,
    failed: f64,
}

impl Figure {
    /// Returns the figure in another unit.
    pub(crate) fn divided_by(&self, unit: f64) -> Self {
        Self(self.0.iter().map(|value| value / unit).collect())
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        (low + high) / 2.0
    }

    /// Returns half of the distance between the smallest and the largest value.
    pub(crate) fn spread(&self) -> f64 {
        let largest = self.0.iter().copied().fold(f64::MIN, f64::max);
        let smallest = self.0.iter().copied().fold(f64::MAX, f64::min);
        (largest - smallest) / 2.0
    }
}

/// Returns actix-web alone on the same route.
pub(crate) fn bare(case: &Case) -> Case {
    Case { server: Name::BARE, ..*case }
}

/// Measures cases together with the reference of each. The servers take turns within each round,
/// so that a disturbance of the machine affects all of them.
pub(crate) fn measure(
    redis: &Redis,
    conditions: Conditions,
    cases: &[Case],
    reference: fn(&Case) -> Case,
    effort: Effort,
) -> Result<Vec<Outcome>> {
    redis.clear()?;
    let mut all: Vec<Case> = Vec::new();
    for case in cases.iter().flat_map(|case| [reference(case), *case]) {
        if !all.contains(&case) {
            all.push(case);
        }
    }
    let mut servers: Vec<Vec<Server>> = Vec::new();
    for case in &all {
        if servers.iter().all(|processes| processes[0].name != case.server) {
            servers.push(start(redis, case.server, conditions)?);
        }
    }
    let options = LoadOptions {
        threads: conditions.workers,
        connections: conditions.connections,
        seconds: effort.seconds,
    };
    let mut rounds: Vec<Vec<Sample>> = Vec::new();
    // Round 0 only warms up.
    for round in usize::from(!effort.warms_up)..=effort.rounds {
        let mut samples = Vec::new();
        for (at, case) in all.iter().enumerate() {
            eprint!("\r  round {round} of {}: {}/{}   ", effort.rounds, at + 1, all.len());
            let server = servers.iter().find(|processes| processes[0].name == case.server);
            let server = server.expect("every case's server was started");
            let seconds = if round == 0 { 1 } else { options.seconds };
            samples.push(sample(redis, server, case.route, LoadOptions { seconds, ..options })?);
        }
        if round > 0 {
            rounds.push(samples);
        }
    }
    eprintln!();
    let outcome = |(at, case): (usize, &Case)| {
        let reference = all.iter().position(|other| *other == reference(case));
        let reference = reference.expect("it is among them");
        let figure = |read: fn(&Sample, &Sample) -> f64| {
            Figure(rounds.iter().map(|round| read(&round[at], &round[reference])).collect())
        };
        Outcome {
            case: *case,
            rate: figure(|this, _| this.rate),
            relative: figure(|this, reference| this.rate / reference.rate),
            cpu: figure(|this, _| this.cpu),
            over: figure(|this, reference| this.cpu - reference.cpu),
            redis_cpu: figure(|this, _| this.redis_cpu),
            executed: figure(|this, _| this.executed),
            p50: figure(|this, _| this.p50),
            p99: figure(|this, _| this.p99),
            failed: rounds.iter().map(|round| round[at].failed).fold(0.0, f64::max),
        }
    };
    Ok(all.iter().enumerate().map(outcome).collect())
}

/// Starts all processes of a server.
fn start(redis: &Redis, name: Name, conditions: Conditions) -> Result<Vec<Server>> {
    let Conditions { processes, workers, sessions, .. } = conditions;
    let mut servers = vec![Server::start(name, workers, redis, sessions, false)?];
    while servers.len() < processes {
        servers.push(servers[0].start_another(workers, redis)?);
    }
    Ok(servers)
}

/// Measures all processes of a server together.
fn sample(redis: &Redis, servers: &[Server], route: Route, options: LoadOptions) -> Result<Sample> {
    let cpu = || servers.iter().map(|server| server.process().cpu()).sum::<Result<Duration>>();
    let before = (cpu()?, redis.cpu()?, redis.executed()?);
    let load = load::run_all(servers, route, options)?;
    let after = (cpu()?, redis.cpu()?, redis.executed()?);
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / load.requests;
    Ok(Sample {
        rate: load.requests / load.seconds,
        cpu: each(after.0 - before.0),
        redis_cpu: each(after.1 - before.1),
        executed: (after.2 - before.2) as f64 / load.requests,
        p50: load.p50,
        p99: load.p99,
        failed: load.errors / load.requests,
    })
}
