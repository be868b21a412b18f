//! The list of measurements, in order.

use crate::{
    Result,
    at_rest::{self, AtRest},
    comparison::{self, Case, Conditions, Effort, Outcome},
    load::{self, Load, LoadOptions},
    redis::Redis,
    serial::{self, Count},
    server::{Name, Route, Server, Sessions},
    threads::{self, Threads},
    writes::{self, Writes},
};

/// The extent of a benchmark run.
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// For the measurements with a target, and for the peers beside them.
    pub(crate) main: Effort,
    /// For everything else. `None` omits it.
    pub(crate) rest: Option<Effort>,
    /// For writes, to many sessions and to one.
    pub(crate) writes: Option<Effort>,
    /// For hashed ids and encrypted items.
    pub(crate) at_rest: Option<Effort>,
    /// The rounds for reads in many threads.
    pub(crate) threads: Option<usize>,
}

/// A comparison with its results.
pub(crate) struct Comparison {
    pub(crate) title: &'static str,
    pub(crate) conditions: Conditions,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Small reads on one storage, alone and beside reads of 10 MB.
pub(crate) struct Interference {
    pub(crate) storage: Name,
    pub(crate) alone: Load,
    pub(crate) disturbed: Load,
}

pub(crate) struct Results {
    pub(crate) main: Comparison,
    /// The main comparison with one condition changed.
    pub(crate) variations: Vec<Comparison>,
    /// The main comparison for several sizes of a session.
    pub(crate) sizes: Vec<Comparison>,
    pub(crate) interference: Vec<Interference>,
    pub(crate) counts: Vec<Count>,
    pub(crate) writes: Option<Writes>,
    pub(crate) at_rest: Option<AtRest>,
    pub(crate) threads: Option<Threads>,
}

/// The target for one route on one storage.
pub(crate) struct Target {
    pub(crate) title: &'static str,
    pub(crate) case: Case,
    /// The lowest rate relative to actix-web alone.
    pub(crate) relative: f64,
    /// The highest processor time beyond that of actix-web alone, in microseconds.
    pub(crate) over_bare: Option<f64>,
    pub(crate) allocations: Option<f64>,
}

pub(crate) const TARGETS: &[Target] = &[
    Target {
        title: "session not used, cookie sent",
        case: Case { server: Name::KEY_VALUE, route: Route::Untouched },
        relative: 0.97,
        over_bare: Some(0.4),
        allocations: None,
    },
    Target {
        title: "whole session, hot near cache",
        case: Case { server: Name::KEY_VALUE_NEAR_CACHE, route: Route::Whole },
        relative: 0.88,
        over_bare: Some(0.9),
        allocations: Some(18.0),
    },
    Target {
        title: "whole session, memory",
        case: Case { server: Name::MEMORY, route: Route::Whole },
        relative: 0.88,
        over_bare: None,
        allocations: Some(18.0),
    },
    Target {
        title: "whole session, file",
        case: Case { server: Name::FILE, route: Route::Whole },
        relative: 0.50,
        over_bare: None,
        allocations: None,
    },
    Target {
        title: "whole session, key-value",
        case: Case { server: Name::KEY_VALUE, route: Route::Whole },
        relative: 0.52,
        over_bare: None,
        allocations: Some(28.0),
    },
    Target {
        title: "one item, hash",
        case: Case { server: Name::HASH, route: Route::Item },
        relative: 0.50,
        over_bare: None,
        allocations: Some(28.0),
    },
    Target {
        title: "write one item, hash",
        case: Case { server: Name::HASH, route: Route::Set },
        relative: 0.47,
        over_bare: None,
        allocations: None,
    },
    Target {
        title: "write one item, key-value with near cache",
        case: Case { server: Name::KEY_VALUE_NEAR_CACHE, route: Route::Set },
        relative: 0.42,
        over_bare: None,
        allocations: None,
    },
    Target {
        title: "write one item, key-value",
        case: Case { server: Name::KEY_VALUE, route: Route::Set },
        relative: 0.34,
        over_bare: None,
        allocations: None,
    },
];

pub(crate) const USUAL: Conditions =
    Conditions { processes: 1, workers: 1, connections: 32, sessions: Sessions::USUAL };

const SIZES: [usize; 9] = [100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000, 10_000_000];

impl Profile {
    pub(crate) fn full() -> Self {
        let main = Effort { rounds: 4, seconds: 2, warms_up: true };
        let rest = Some(Effort { rounds: 2, seconds: 1, warms_up: true });
        let (writes, at_rest) = (Some(writes::EFFORT), Some(at_rest::EFFORT));
        Self { name: "full", main, rest, writes, at_rest, threads: Some(threads::ROUNDS) }
    }

    pub(crate) fn quick() -> Self {
        let main = Effort { rounds: 5, seconds: 2, warms_up: true };
        Self { name: "quick", main, rest: None, writes: None, at_rest: None, threads: None }
    }

    pub(crate) fn smoke() -> Self {
        let once = Effort { rounds: 1, seconds: 1, warms_up: true };
        let at_rest = Some(Effort { warms_up: false, ..once });
        let rest = Some(once);
        Self { name: "smoke", main: once, rest, writes: at_rest, at_rest, threads: Some(1) }
    }
}

impl Conditions {
    fn with_size(self, bytes: usize) -> Self {
        // Few connections and sessions, because many large ones would need gigabytes.
        let count = (20_000_000 / bytes).clamp(4, self.sessions.count);
        Self { connections: 4, sessions: Sessions { count, bytes, ..self.sessions }, ..self }
    }
}

pub(crate) fn run(profile: &Profile) -> Result<Results> {
    let redis = Redis::start()?;
    let servers = [Name::OURS, Name::PEERS].concat();
    let all = serial::cases(&servers);
    let main_cases = if profile.rest.is_some() { all.clone() } else { targets_and_peers() };
    let comparison = |title, conditions, cases: &[Case], effort| -> Result<Comparison> {
        eprintln!("{title}");
        let outcomes = comparison::measure(&redis, conditions, cases, comparison::bare, effort)?;
        Ok(Comparison { title, conditions, outcomes })
    };
    eprintln!("counting allocations and commands");
    let mut counted = serial::cases(&[Name::BARE]);
    counted.extend(&main_cases);
    let counts = serial::count(&redis, &counted, Sessions::USUAL)?;
    let main = comparison("side by side", USUAL, &main_cases, profile.main)?;
    let (mut variations, mut sizes, mut interference) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(effort) = profile.rest {
        let one_session = Sessions { count: 1, ..USUAL.sessions };
        for (title, conditions) in [
            ("one session", Conditions { sessions: one_session, ..USUAL }),
            ("one connection", Conditions { connections: 1, ..USUAL }),
            ("128 connections", Conditions { connections: 128, ..USUAL }),
            ("two workers", Conditions { workers: 2, ..USUAL }),
        ] {
            variations.push(comparison(title, conditions, &all, effort)?);
        }
        let touching = |case: &Case| case.route != Route::Untouched;
        let ours: Vec<Case> = serial::cases(Name::OURS).into_iter().filter(touching).collect();
        for bytes in SIZES {
            let once = Effort { seconds: 1, ..effort };
            sizes.push(comparison("sizes", USUAL.with_size(bytes), &ours, once)?);
        }
        for &storage in Name::OURS {
            interference.push(measure_interference(&redis, storage, effort)?);
        }
    }
    let writes = profile.writes.map(|effort| writes::measure(&redis, effort)).transpose()?;
    let at_rest = profile.at_rest.map(|effort| at_rest::measure(&redis, effort)).transpose()?;
    let threads = profile.threads.map(|rounds| threads::measure(&redis, rounds)).transpose()?;
    Ok(Results { main, variations, sizes, interference, counts, writes, at_rest, threads })
}

fn targets_and_peers() -> Vec<Case> {
    let mut cases: Vec<Case> = TARGETS.iter().map(|target| target.case).collect();
    for server in [Name::ACTIX_SESSION, Name::TOWER_SESSIONS] {
        let routes = [Route::Untouched, Route::Whole, Route::Set];
        cases.extend(routes.map(|route| Case { server, route }));
    }
    cases
}

/// Measures how much large values delay small ones.
fn measure_interference(redis: &Redis, storage: Name, effort: Effort) -> Result<Interference> {
    eprintln!("small reads beside large ones: {}", storage.title());
    redis.clear()?;
    let small = Sessions { count: 100, ..Sessions::USUAL };
    let large = Sessions { count: 1, bytes: 10_000_000, ..small };
    let small = Server::start(storage, 1, redis, small, false)?;
    let large = small.with_sessions(large)?;
    let seconds = effort.seconds * effort.rounds as u64;
    let options = LoadOptions { threads: 1, connections: 8, seconds };
    let alone = load::run(&small, Route::Item, options)?;
    let other = load::start(&large, Route::Whole, LoadOptions { connections: 1, ..options })?;
    let disturbed = load::run(&small, Route::Item, options)?;
    load::wait(other)?;
    Ok(Interference { storage, alone, disturbed })
}
