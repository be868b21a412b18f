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
const WRITERS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// Writes on one kind of server for the sessions.
pub(crate) struct OnServer {
    /// To one session, then to many.
    pub(crate) comparisons: [Comparison; 2],
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
        compare(redis, Conditions { connections, sessions: ONE, ..USUAL }, few)
    };
    let writers = WRITERS.iter().map(with_writers).collect::<Result<_>>()?;
    Ok(Writes { redis: redis_writes, valkey, writers })
}

const ONE: Sessions = Sessions { count: 1, ..Sessions::USUAL };

fn measure_writes(redis: &Redis, name: &str, effort: Effort) -> Result<OnServer> {
    eprintln!("writes to one session, {name}");
    let one = compare(redis, Conditions { sessions: ONE, ..USUAL }, effort)?;
    eprintln!("writes to many sessions, {name}");
    Ok(OnServer { comparisons: [one, compare(redis, USUAL, effort)?] })
}

fn compare(redis: &Redis, conditions: Conditions, effort: Effort) -> Result<Comparison> {
    let cases = SERVERS.map(|server| Case { server, route: Route::Set });
    let outcomes = comparison::measure(redis, conditions, &cases, comparison::bare, effort)?;
    Ok(Comparison { title: "writes", conditions, outcomes })
}
