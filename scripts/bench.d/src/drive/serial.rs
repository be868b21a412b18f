//! Counts allocations and commands exactly, with one request after the other.

use crate::{
    Result,
    comparison::Case,
    redis::Redis,
    server::{Route, Server, Sessions},
};

/// The number of counted requests, after the same number of uncounted ones.
const REQUESTS: u64 = 500;

/// The cost of one request of a case.
pub(crate) struct Count {
    pub(crate) case: Case,
    pub(crate) allocations: f64,
    /// Commands sent to Redis.
    pub(crate) commands: f64,
}

/// Counts the costs of the requests on one of these sessions.
pub(crate) fn count(redis: &Redis, cases: &[Case], sessions: Sessions) -> Result<Vec<Count>> {
    redis.clear()?;
    let mut counts = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        eprint!("\r  {}/{}   ", at + 1, cases.len());
        let one = Sessions { count: 1, ..sessions };
        let server = Server::start(case.server, 1, redis, one, true)?;
        let path = server.path(case.route);
        let ask = || (0..REQUESTS).try_for_each(|_| server.ask(&path).map(drop));
        ask()?;
        // The two readings below include the cost of one reading.
        let reading = allocations(&server)?.abs_diff(allocations(&server)?);
        let before = allocations(&server)?;
        let sent = redis.sent_during(ask)?;
        let after = allocations(&server)?;
        counts.push(Count {
            case: *case,
            allocations: (after - before - reading) as f64 / REQUESTS as f64,
            commands: sent as f64 / REQUESTS as f64,
        });
    }
    eprintln!();
    Ok(counts)
}

fn allocations(server: &Server) -> Result<u64> {
    Ok(server.ask("allocations")?.parse()?)
}

/// Returns all routes of these servers.
pub(crate) fn cases(servers: &[crate::server::Name]) -> Vec<Case> {
    let routes = |server| Route::ALL.iter().map(move |&route| Case { server, route });
    servers.iter().copied().flat_map(routes).collect()
}
