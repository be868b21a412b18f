//! Servers under the load of browsers, and the checks afterwards.

use std::{
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

use super::{
    check::{Conditions, check},
    load::Load,
    record::{Event, Operation},
};
use crate::demo::server::{Server, eventually};

/// Servers that share a store, under load.
pub(crate) struct Run {
    what: String,
    conditions: Conditions,
    servers: Vec<Server>,
    load: Load,
}

impl Run {
    /// Starts browsers. `ends` is the percentage of requests that log in or end sessions.
    pub(crate) fn begin(
        what: &str,
        servers: Vec<Server>,
        ends: u8,
        conditions: Conditions,
    ) -> Self {
        let load = Load::start(&ports(&servers), ends);
        Self { what: what.to_owned(), conditions, servers, load }
    }

    /// Kills and restarts random servers for a while.
    pub(crate) fn kill_servers(&mut self, length: Duration) {
        let mut rng = Rng::with_seed(self.load.seed);
        let end = Instant::now() + length;
        while Instant::now() < end {
            thread::sleep(Duration::from_millis(rng.u64(100..500)));
            let server = rng.choice(&mut self.servers).expect("there are servers");
            server.kill();
            server.restart();
        }
    }

    /// Stops the load and discards the history.
    pub(crate) fn give_up(mut self) {
        self.load.stop();
    }

    /// Checks the history. The store must be available.
    pub(crate) fn end(self) {
        eventually("a history worth checking", || self.is_worth_checking());
        let Self { what, conditions, servers, load } = self;
        let seed = load.seed;
        let events = load.finish(&ports(&servers));
        let violations = check(&events, conditions);
        assert!(violations.is_empty(), "{what}, seed {seed}: {violations:#?}");
        let count = |is_counted: fn(&Event) -> bool| {
            events.iter().filter(|event| is_counted(event)).count()
        };
        println!(
            "{what}: {} requests, {} logins, {} ends, {} renewals, {} failed (seed {seed})",
            events.len(),
            count(is_login),
            count(is_end),
            count(is_renewal),
            count(Event::is_uncertain),
        );
        for server in &servers {
            assert!(!server.log().contains("panicked"), "{}", server.log());
        }
    }

    fn is_worth_checking(&self) -> bool {
        let has = |status| self.load.count(|event: &Event| event.status == status) > 0;
        let renews = self.conditions.grace.is_some();
        self.load.count(is_login) > 10
            && self.load.count(is_end) > 5
            && (!renews || self.load.count(is_renewal) > 10)
            && self.conditions.failures.iter().all(|&status| has(status))
    }
}

fn is_login(event: &Event) -> bool {
    event.status == 200 && matches!(event.operation, Operation::Login(_))
}

fn is_end(event: &Event) -> bool {
    event.status == 200 && event.operation.is_end()
}

/// Whether it is a request that was told that its session was renewed by itself.
fn is_renewal(event: &Event) -> bool {
    event.operation.is_read() && event.told_without_login().is_some()
}

fn ports(servers: &[Server]) -> Vec<u16> {
    servers.iter().map(Server::port).collect()
}
