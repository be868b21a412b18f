//! Sessions that were decrypted before.

use session_core::{RenameOptions, Sealed, Written};

use super::*;

/// Reads a session that has the item `a`. Returns it, and where the item is in memory.
async fn read(storage: &dyn Storage, id: &SessionId) -> (Snapshot, *const u8) {
    let session = storage.get_session(id).await.unwrap().unwrap();
    let item = session.item("a").unwrap().as_ptr();
    (session, item)
}

#[tokio::test]
async fn a_session_that_has_not_changed_is_decrypted_once() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let (sealed, bob) = (Sealed::new(store.clone(), ring(&[1])), id("bob"));
        sealed.set_session(&bob, &set(r#"{"a":1}"#), CREATE).await.unwrap();
        let (_first, one) = read(&sealed, &bob).await;
        let (_second, other) = read(&sealed, &bob).await;
        assert_eq!(one, other);
        // Another node writes.
        let node = Sealed::new(store, ring(&[1]));
        node.set_session(&bob, &set(r#"{"a":2}"#), UPDATE).await.unwrap();
        assert_eq!(json(&sealed, &bob).await.unwrap(), r#"{"a":2}"#);
    }
}

#[tokio::test]
async fn a_session_that_has_ended_does_not_stay_decrypted_in_memory() {
    let store = Arc::new(MemoryStorage::new());
    let (sealed, bob) = (Sealed::new(store.clone(), ring(&[1])), id("bob"));
    let changes = set(r#"{"a":1}"#);
    for ends_by_renewal in [false, true] {
        sealed.set_session(&bob, &changes, CREATE).await.unwrap();
        let stored = store.get_session(&bob).await.unwrap().unwrap();
        let (_before, one) = read(&sealed, &bob).await;
        if ends_by_renewal {
            let grace = RenameOptions::grace(Duration::from_millis(1));
            assert!(sealed.rename(&bob, &id("new"), grace).await.unwrap());
        } else {
            assert!(sealed.remove_all(&bob, None).await.unwrap());
        }
        // Put back as it was, when the marker of the renewal has expired.
        let stored = Changes::between(None, &stored);
        while store.set_session(&bob, &stored, CREATE).await.unwrap() != Written::Saved {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (_after, other) = read(&sealed, &bob).await;
        assert_ne!(one, other, "{ends_by_renewal}");
        store.remove_all(&bob, None).await.unwrap();
    }
}
