//! Measures the storages beside those of another commit.

use crate::{
    Result,
    comparison::{self, Case, Effort},
    plan::{Comparison, USUAL},
    redis::Redis,
    server::{Name, Route},
};

const EFFORT: Effort = Effort { rounds: 5, seconds: 1, warms_up: true };

/// Measures every route of every storage, beside the same route of the server of the other commit
/// and beside actix-web alone.
pub(crate) fn measure(redis: &Redis) -> Result<Comparison> {
    eprintln!("beside the other commit");
    let cases: Vec<Case> = Name::OURS
        .iter()
        .flat_map(|&server| Route::ALL.iter().map(move |&route| Case { server, route }))
        .collect();
    let outcomes = comparison::measure(redis, USUAL, &cases, before, EFFORT)?;
    Ok(Comparison { title: "against", conditions: USUAL, outcomes })
}

/// Returns the same route of the server of the other commit.
pub(crate) fn before(case: &Case) -> Case {
    Case { server: case.server.before(), ..*case }
}
