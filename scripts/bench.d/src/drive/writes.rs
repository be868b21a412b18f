//! Measures writes, to many sessions and to one that is used by many at once.

use std::env;

use crate::{
    Result,
    comparison::{self, Case, Conditions, Effort},
    plan::{Comparison, USUAL},
    redis::Redis,
    server::{Name, Route, Sessions},
};

pub(crate) const EFFORT: Effort = Effort { rounds: 5, seconds: 1, warms_up: true };

pub(crate) const SERVERS: [Name; 4] =
    [Name::FILE, Name::KEY_VALUE, Name::KEY_VALUE_NEAR_CACHE, Name::ACTIX_SESSION];
/// Those whose processes share a session in the store.
const IN_PROCESSES: [Name; 2] = [Name::KEY_VALUE, Name::KEY_VALUE_NEAR_CACHE];
const WRITERS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Writes on one kind of server for the sessions.
pub(crate) struct OnServer {
    /// To one session, to one in two processes, to many.
    pub(crate) comparisons: [Comparison; 3],
}

pub(crate) struct Writes {
    pub(crate) redis: OnServer,
    /// `None` if there is no Valkey.
    pub(crate) valkey: Option<OnServer>,
    /// Writes to one session, one for each number of writers.
    pub(crate) writers: Vec<Comparison>,
}

pub(crate) fn measure(redis: &Redis, effort: Effort) -> Result<Writes> {
    let valkey = match env::var_os("BENCH_VALKEY") {
        Some(program) => Some(measure_writes(&Redis::start_program(&program)?, "Valkey", effort)?),
        None => None,
    };
    let redis_writes = measure_writes(redis, "Redis", effort)?;
    let few = Effort { rounds: effort.rounds.min(2), ..effort };
    let with_writers = |&connections: &usize| {
        eprintln!("{connections} writers of one session");
        compare(redis, Conditions { connections, sessions: ONE, ..USUAL }, &SERVERS, few)
    };
    let writers = WRITERS.iter().map(with_writers).collect::<Result<_>>()?;
    Ok(Writes { redis: redis_writes, valkey, writers })
}

const ONE: Sessions = Sessions { count: 1, ..Sessions::USUAL };

fn measure_writes(redis: &Redis, name: &str, effort: Effort) -> Result<OnServer> {
    let one = Conditions { sessions: ONE, ..USUAL };
    eprintln!("writes to one session, {name}");
    let in_one = compare(redis, one, &SERVERS, effort)?;
    eprintln!("writes to one session in two processes, {name}");
    let in_two = compare(redis, Conditions { processes: 2, ..one }, &IN_PROCESSES, effort)?;
    eprintln!("writes to many sessions, {name}");
    Ok(OnServer { comparisons: [in_one, in_two, compare(redis, USUAL, &SERVERS, effort)?] })
}

fn compare(
    redis: &Redis,
    conditions: Conditions,
    servers: &[Name],
    effort: Effort,
) -> Result<Comparison> {
    let cases: Vec<Case> =
        servers.iter().map(|&server| Case { server, route: Route::Set }).collect();
    let outcomes = comparison::measure(redis, conditions, &cases, comparison::bare, effort)?;
    Ok(Comparison { title: "writes", conditions, outcomes })
}
