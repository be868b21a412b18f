//! Exact counts of allocations and commands, with one request after the other.

use crate::{
    Result,
    comparison::Case,
    redis::Redis,
    server::{Route, Server, Sessions},
};

/// The number of requests counted, after the same number for warming up.
const REQUESTS: u64 = 500;

/// The average cost of a request of one case.
pub(crate) struct Count {
    pub(crate) case: Case,
    pub(crate) allocations: f64,
    /// Commands sent to Redis.
    pub(crate) commands: f64,
}

/// Counts the allocations and commands of each case, on one session of 100 bytes.
pub(crate) fn count(redis: &Redis, cases: &[Case]) -> Result<Vec<Count>> {
    redis.clear()?;
    let mut counts = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        eprint!("\r  {}/{}   ", at + 1, cases.len());
        let server = Server::start(case.server, 1, redis, Sessions { count: 1, bytes: 100 }, true)?;
        let ask = || (0..REQUESTS).try_for_each(|_| server.ask(case.route.path()).map(drop));
        ask()?;
        // The allocations of one reading, which falls between the two readings below.
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

/// Returns all routes of the servers.
pub(crate) fn cases(servers: &[crate::server::Name]) -> Vec<Case> {
    let routes = |server| Route::ALL.iter().map(move |&route| Case { server, route });
    servers.iter().copied().flat_map(routes).collect()
}
