//! Warnings about middlewares of one process that get in each other's way.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::shared::Shared;

/// Logs a warning if another live middleware of this process has the same cookie or header.
///
/// Either it keeps the sessions in another storage. That happens when the storage is built inside
/// the closure of `HttpServer::new`, which runs once for each worker: with `MemoryStorage`, each
/// worker then has sessions of its own. Or it is another session of the app, whose cookie this one
/// would replace.
pub(crate) fn warn(shared: &Arc<Shared>) {
    let transport = &shared.transport;
    match find(shared) {
        Some(Conflict::Session(other)) => log::warn!(
            "{transport} is that of two sessions, {} and {}: give each one of its own",
            shared.name_text(),
            other.name_text()
        ),
        Some(Conflict::Storage) => log::warn!(
            "the sessions of {transport} are kept in several storages: build the storage and the \
             manager once, outside of the closure of `HttpServer::new`, and clone the middleware"
        ),
        None => {}
    }
}

enum Conflict {
    Session(Arc<Shared>),
    Storage,
}

fn find(shared: &Arc<Shared>) -> Option<Conflict> {
    // A std mutex: a few comparisons when a middleware is built.
    static LIVE: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

    let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
    live.retain(|other| other.strong_count() > 0);
    let conflict = |other: Arc<Shared>| {
        let names = [shared, &other].map(|shared| shared.transport.name());
        let storages = [shared, &other].map(|shared| shared.manager.storage());
        if names[0] != names[1] {
            None
        } else if shared.name != other.name {
            // The same name is fine where no request has both cookies: below `/shop` and `/admin`.
            let overlap = shared.transport.overlaps(&other.transport);
            overlap.then_some(Conflict::Session(other))
        } else {
            (!std::ptr::addr_eq(storages[0], storages[1])).then_some(Conflict::Storage)
        }
    };
    let found = live.iter().filter_map(Weak::upgrade).find_map(conflict);
    live.push(Arc::downgrade(shared));
    found
}

#[cfg(test)]
mod tests {
    use session_core::{Manager, MemoryStorage};

    use super::*;
    use crate::{CookieConfig, name::Name, transport::Transport};

    struct Admin;

    fn manager() -> Manager {
        Manager::builder(MemoryStorage::new()).build().unwrap()
    }

    fn shared(manager: &Manager, cookie: &str, path: &str, name: Option<Name>) -> Arc<Shared> {
        let cookie = Some(CookieConfig::new().name(cookie).path(path));
        let transport = Transport { cookie, header: None, ring: None };
        Arc::new(Shared { name, manager: manager.clone(), transport })
    }

    #[actix_web::test]
    async fn a_second_storage_for_the_same_cookie_is_noticed() {
        let (one, other) = (manager(), manager());
        let shared = |manager, cookie| shared(manager, cookie, "/", None);
        let is_second_storage =
            |shared: Arc<Shared>| matches!(find(&shared), Some(Conflict::Storage));
        let first = shared(&one, "__Host-of-this-test");
        assert!(!is_second_storage(first.clone()));
        assert!(!is_second_storage(shared(&one, "__Host-of-this-test")), "the same storage");
        assert!(!is_second_storage(shared(&other, "__Host-of-another")), "another cookie");
        assert!(is_second_storage(shared(&other, "__Host-of-this-test")));
        drop(first);
        assert!(!is_second_storage(shared(&other, "__Host-of-this-test")), "the first is gone");
    }

    #[actix_web::test]
    async fn two_sessions_with_the_same_cookie_are_noticed() {
        let (manager, name) = (manager(), Some(Name::of::<Admin>()));
        let shared = |cookie, path, name| shared(&manager, cookie, path, name);
        let conflicts = |shared: Arc<Shared>| matches!(find(&shared), Some(Conflict::Session(_)));
        let first = shared("of-two-sessions", "/shop", None);
        assert!(!conflicts(first.clone()));
        assert!(!conflicts(shared("of-two-sessions", "/shop", None)), "the same session");
        assert!(!conflicts(shared("of-two-sessions-2", "/shop", name)), "another cookie");
        assert!(!conflicts(shared("of-two-sessions", "/admin", name)), "other requests");
        assert!(!conflicts(shared("of-two-sessions", "/shopping", name)), "other requests");
        for path in ["/shop", "/shop/cart", "/shop/", "/"] {
            assert!(conflicts(shared("of-two-sessions", path, name)), "{path}");
        }
    }
}
