//! Measures what it costs to show the store neither ids nor items.

use crate::{
    Result,
    comparison::{self, Case, Conditions, Effort, Outcome},
    plan::{Comparison, USUAL},
    redis::Redis,
    serial::{self, Count},
    server::{Name, Route, Sessions},
};

/// For the items with a target. The others are measured three times at most.
pub(crate) const EFFORT: Effort = Effort { rounds: 5, seconds: 1, warms_up: false };

/// Microseconds of processor time that hashed ids and encrypted items together may cost a request,
/// if the item has [`TARGET_SIZE`].
pub(crate) const TARGET: f64 = 0.6;
pub(crate) const TARGET_SIZE: usize = 100;

pub(crate) const ROUTES: [Route; 2] = [Route::Whole, Route::Replace];
const SIZES: [usize; 3] = [TARGET_SIZE, 1_000, 10_000];
const SESSIONS: Sessions = Sessions { count: 200, bytes: TARGET_SIZE, has_one_item: true };

pub(crate) struct AtRest {
    /// One for each size of the item.
    pub(crate) comparisons: Vec<Comparison>,
    /// For the smallest item.
    pub(crate) counts: Vec<Count>,
}

pub(crate) fn measure(redis: &Redis, effort: Effort) -> Result<AtRest> {
    let cases: Vec<Case> = Name::AT_REST
        .iter()
        .flat_map(|servers| ROUTES.iter().map(move |&route| (servers, route)))
        .flat_map(|(servers, route)| servers.iter().map(move |&server| Case { server, route }))
        .collect();
    eprintln!("at rest: counting allocations and commands");
    let counts = serial::count(redis, &cases, SESSIONS)?;
    let compare = |bytes| -> Result<Comparison> {
        eprintln!("at rest: items of {bytes} bytes");
        let sessions = Sessions { bytes, ..SESSIONS };
        let conditions = Conditions { sessions, ..USUAL };
        let rounds = if bytes == TARGET_SIZE { effort.rounds } else { effort.rounds.min(3) };
        let effort = Effort { rounds, ..effort };
        let outcomes: Vec<Outcome> = comparison::measure(redis, conditions, &cases, plain, effort)?;
        Ok(Comparison { title: "at rest", conditions, outcomes })
    };
    Ok(AtRest { comparisons: SIZES.into_iter().map(compare).collect::<Result<_>>()?, counts })
}

/// Returns the same storage without layers, on the same route.
fn plain(case: &Case) -> Case {
    let servers = Name::AT_REST.iter().find(|servers| servers.contains(&case.server));
    Case { server: servers.expect("only these are measured")[0], ..*case }
}
