//! Measures the storages beside those of another commit.

use crate::{
    Result,
    comparison::{self, Case, Effort},
    plan::{Comparison, USUAL},
    redis::Redis,
    serial::{self, Count},
    server::{Name, Route, Sessions},
};

const EFFORT: Effort = Effort { rounds: 7, seconds: 1, warms_up: true };

/// Every route of every storage, and the same of the other commit.
pub(crate) struct Against {
    pub(crate) comparison: Comparison,
    pub(crate) counts: Vec<Count>,
}

/// Measures every route of every storage beside the same route of the server of the other commit.
pub(crate) fn measure(redis: &Redis) -> Result<Against> {
    let cases: Vec<Case> = Name::OURS
        .iter()
        .flat_map(|&server| Route::ALL.iter().map(move |&route| Case { server, route }))
        .collect();
    eprintln!("counting allocations and commands");
    let both: Vec<Case> = cases.iter().flat_map(|case| [before(case), *case]).collect();
    let counts = serial::count(redis, &both, Sessions::USUAL)?;
    eprintln!("beside the other commit");
    let outcomes = comparison::measure(redis, USUAL, &cases, before, EFFORT)?;
    Ok(Against { comparison: Comparison { title: "against", conditions: USUAL, outcomes }, counts })
}

/// Returns the same route of the server of the other commit.
pub(crate) fn before(case: &Case) -> Case {
    Case { server: case.server.before(), ..*case }
}
