//! What all requests behind one middleware share.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use session_core::{Closed, Manager, Outcome};

use crate::transport::Transport;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) manager: Manager,
    pub(crate) transport: Transport,
}

impl Shared {
    /// Finds out whether the session still exists before its id is sent again.
    ///
    /// Another request may have renewed or ended it while this one was running. Its cookie must not
    /// replace the one that the client was sent then.
    pub(crate) async fn prove_cookie(&self, mut closed: Closed) -> Closed {
        if let Outcome::Kept { id, .. } = &closed.outcome
            && !self.manager.extend(id, closed.time_left).await
        {
            closed.outcome = Outcome::Untouched;
        }
        closed
    }
}

/// Logs a warning if another live middleware of this process keeps sessions of the same cookie or
/// header in another storage.
///
/// That happens when the storage is built inside the closure of `HttpServer::new`, which runs once
/// for each worker: with `MemoryStorage`, each worker then has sessions of its own.
pub(crate) fn warn_of_second_storage(shared: &Arc<Shared>) {
    if is_second_storage(shared) {
        log::warn!(
            "the sessions of {} are kept in several storages: build the storage and the \
             manager once, outside of the closure of `HttpServer::new`, and clone the middleware",
            shared.transport
        );
    }
}

fn is_second_storage(shared: &Arc<Shared>) -> bool {
    // A std mutex: a few comparisons when a middleware is built.
    static LIVE: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|other| other.strong_count() > 0);
    let is_other = |other: Arc<Shared>| {
        let names = [shared, &other].map(|shared| shared.transport.to_string());
        let storages = [shared, &other].map(|shared| shared.manager.storage());
        names[0] == names[1] && !std::ptr::addr_eq(storages[0], storages[1])
    };
    let is_second = live.iter().filter_map(Weak::upgrade).any(is_other);
    live.push(Arc::downgrade(shared));
    is_second
}

#[cfg(test)]
mod tests {
    use session_core::MemoryStorage;

    use super::*;
    use crate::CookieConfig;

    fn manager() -> Manager {
        Manager::builder(MemoryStorage::new()).build().unwrap()
    }

    fn shared(manager: &Manager, name: &str) -> Arc<Shared> {
        let cookie = Some(CookieConfig::new().name(name));
        let transport = Transport { cookie, header: None, ring: None };
        Arc::new(Shared { manager: manager.clone(), transport })
    }

    #[actix_web::test]
    async fn a_second_storage_for_the_same_cookie_is_noticed() {
        let (one, other) = (manager(), manager());
        let first = shared(&one, "__Host-of-this-test");
        assert!(!is_second_storage(&first));
        assert!(!is_second_storage(&shared(&one, "__Host-of-this-test")), "the same storage");
        assert!(!is_second_storage(&shared(&other, "__Host-of-another")), "another cookie");
        assert!(is_second_storage(&shared(&other, "__Host-of-this-test")));
        drop(first);
        assert!(!is_second_storage(&shared(&other, "__Host-of-this-test")), "the first is gone");
    }
}
