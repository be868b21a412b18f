//! Servers under the load of browsers, and the checks afterwards.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

use super::{
    check::{Conditions, check},
    load::Load,
    record::{Event, Operation},
};
use crate::demo::server::Server;

/// Servers that share a store, under load.
pub(crate) struct Run {
    what: String,
    conditions: Conditions,
    servers: Vec<Server>,
    load: Load,
}

impl Run {
    pub(crate) fn begin(what: &str, servers: Vec<Server>, conditions: Conditions) -> Self {
        let ends = match conditions {
            // Sessions live long enough for a renewal.
            Conditions { grace: Some(_), .. } => 2,
            // A fault finds some of them under way.
            Conditions { failures: [_, ..], .. } => 40,
            _ => 16,
        };
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
        let Self { what, conditions, servers, load } = self;
        let seed = load.seed;
        let events = load.finish(&ports(&servers));
        let violations = check(&events, conditions);
        assert!(violations.is_empty(), "{what}, seed {seed}: {violations:#?}");
        let count = |is_counted: &dyn Fn(&Event) -> bool| {
            events.iter().filter(|event| is_counted(event)).count()
        };
        let is_login = |operation: &Operation| matches!(operation, Operation::Login(_));
        let logins = count(&|event| event.status == 200 && is_login(&event.operation));
        let ends = count(&|event| event.status == 200 && event.operation.is_end());
        let failed = count(&Event::is_uncertain);
        let renewed: BTreeSet<&str> = events
            .iter()
            .filter(|event| event.operation.is_read())
            .filter_map(Event::told_without_login)
            .collect();
        let renewed = renewed.len();
        let requests = events.len();
        println!(
            "{what}: {requests} requests, {logins} logins, {ends} ends, {renewed} renewals, \
             {failed} failed (seed {seed})"
        );
        assert!(logins > 10 && ends > 5, "a history worth checking");
        for &status in conditions.failures {
            assert!(count(&|event| event.status == status) > 0, "{what}: no failure {status}");
        }
        let renews = conditions.grace.is_some();
        assert!(!renews || renewed > 10, "renewals worth checking");
        for server in &servers {
            assert!(!server.log().contains("panicked"), "{}", server.log());
        }
    }
}

fn ports(servers: &[Server]) -> Vec<u16> {
    servers.iter().map(Server::port).collect()
}
