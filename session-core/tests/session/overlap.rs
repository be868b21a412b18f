//! Requests that overlap a login, which renews the id, or come after it with the id before.

use session_core::{Closed, Error, Manager, Outcome, SessionId};
use tokio::time::sleep;

use super::{close, create, managers, stored};

/// Logs in: renews the id and sets an item.
async fn log_in(manager: &Manager, id: &SessionId) -> SessionId {
    let session = manager.open(Some(id.clone()));
    session.regenerate_id().await.unwrap();
    session.set("user", "bob").await.unwrap();
    let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
    id
}

/// The same store on another node.
fn other_node(manager: &Manager, storage: impl session_core::Storage) -> Manager {
    Manager::builder(storage).ttl(manager.ttl()).build().unwrap()
}

#[tokio::test]
async fn g4_a_write_with_the_id_before_a_login_is_refused_and_told_no_cookie() {
    for (manager, probe) in managers() {
        let old = create(&manager).await;
        let new = log_in(&manager, &old).await;
        for node in [manager.clone(), other_node(&manager, probe.clone())] {
            let session = node.open(Some(old.clone()));
            let _ = session.set("seen", 1).await;
            let Closed { outcome, failure, .. } = session.close().await;
            assert!(matches!(failure, Some(Error::Vanished)), "{failure:?}");
            assert_eq!(outcome, Outcome::Untouched);

            let session = node.open(Some(old.clone()));
            assert_eq!(session.data().await.unwrap(), None, "a read sees no session");
            let _ = session.set("seen", 1).await;
            let Closed { outcome, failure, .. } = session.close().await;
            assert!(matches!(failure, Some(Error::Vanished)), "{failure:?}");
            assert_eq!(outcome, Outcome::Untouched);
        }
        assert_eq!(stored(&manager, &old).await, None);
        assert_eq!(stored(&manager, &new).await.unwrap(), r#"{"n":1,"user":"bob"}"#);
    }
}

#[tokio::test]
async fn a_read_alone_with_the_id_before_a_login_is_answered_and_told_no_cookie() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        log_in(&manager, &old).await;
        let session = manager.open(Some(old));
        assert_eq!(session.get::<u32>("n").await.unwrap(), None);
        assert_eq!(close(&session).await, Outcome::Untouched);
    }
}

#[tokio::test]
async fn a_copy_of_the_id_before_a_login_copies_no_marker() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        log_in(&manager, &old).await;
        let session = manager.open(Some(old));
        assert_eq!(session.regenerate_id_keeping_old().await.unwrap(), None);
        session.set("n", 2).await.unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"n":2}"#);
    }
}

#[tokio::test]
async fn a_login_with_the_id_before_another_login_starts_anew() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        let first = log_in(&manager, &old).await;
        let second = log_in(&manager, &old).await;
        assert_ne!(first, second);
        assert_eq!(stored(&manager, &second).await.unwrap(), r#"{"user":"bob"}"#, "no fixation");
        assert_eq!(stored(&manager, &first).await.unwrap(), r#"{"n":1,"user":"bob"}"#);
    }
}

#[tokio::test]
async fn a_logout_with_the_id_before_a_login_may_start_anew() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        let new = log_in(&manager, &old).await;
        let session = manager.open(Some(old));
        session.remove_all().await.unwrap();
        session.set("guest", true).await.unwrap();
        assert!(matches!(close(&session).await, Outcome::Issued { .. }));
        assert!(stored(&manager, &new).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewed_id_is_forgotten_after_the_grace() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        log_in(&manager, &old).await;
        sleep(manager.grace()).await;
        let session = manager.open(Some(old.clone()));
        session.set("seen", 1).await.unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        assert_ne!(id, old);
    }
}

#[tokio::test]
async fn g2_a_logout_leaves_no_marker() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.remove_all().await.unwrap();
        close(&session).await;
        assert_eq!(manager.storage().get_session(&id).await.unwrap(), None);
    }
}
