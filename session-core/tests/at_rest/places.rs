//! An item is bound to its place, and its text to each of its bits.

use serde_json::value::RawValue;
use session_core::{Sealed, Written};

use super::*;

fn text(stored: &Snapshot) -> String {
    stored.stored().to_owned()
}

async fn put(storage: &dyn Storage, id: &SessionId, text: &str) -> bool {
    storage.remove_all(id, None).await.unwrap();
    let Ok(Some(session)) = Snapshot::parse(text) else { return false };
    let changes = Changes::between(None, &session);
    storage.set_session(id, &changes, CREATE).await.unwrap() == Written::Saved
}

#[tokio::test]
async fn g18_a_value_copied_to_another_place_is_not_served() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let sealed = Sealed::new(store.clone(), ring(&[1]));
        let [bob, eve] = ["bob", "eve"].map(id);
        sealed.set_session(&bob, &set(r#"{"a":"admin","b":"user"}"#), CREATE).await.unwrap();
        let stored = store.get_session(&bob).await.unwrap().unwrap();
        let copied = text(&stored);
        // The whole record to another session.
        assert!(put(&*store, &eve, &copied).await);
        assert_eq!(json(&sealed, &eve).await, None);
        // One value to another key of the same session.
        let [a, b] = ["a", "b"].map(|key| stored.item(key).unwrap());
        assert!(put(&*store, &bob, &format!(r#"{{"a":{b},"b":{a}}}"#)).await);
        assert_eq!(json(&sealed, &bob).await, None);
        assert!(put(&*store, &bob, &copied).await);
        assert_eq!(json(&sealed, &bob).await.unwrap(), r#"{"a":"admin","b":"user"}"#);
    }
}

#[tokio::test]
async fn g18_a_record_with_a_wrong_bit_is_never_served() {
    assert_no_wrong_bit_is_served(r#"{"a":"admin","longer key":[1,2,3]}"#).await;
    // Here no other item shows that the session is encrypted.
    assert_no_wrong_bit_is_served(r#"{"a":1}"#).await;
}

async fn assert_no_wrong_bit_is_served(session: &str) {
    let store = Arc::new(MemoryStorage::new());
    let bob = id("bob");
    let strict = || Sealed::new(store.clone(), ring(&[1, 2])).require_encryption();
    for sealed in [Sealed::new(store.clone(), ring(&[1, 2])), strict()] {
        store.remove_all(&bob, None).await.unwrap();
        sealed.set_session(&bob, &set(session), CREATE).await.unwrap();
        let stored = text(&store.get_session(&bob).await.unwrap().unwrap());
        // Also not because it was decrypted before.
        assert_eq!(json(&sealed, &bob).await.unwrap(), session);
        let mut records = 0;
        for bit in 0..stored.len() * 8 {
            let mut damaged = stored.clone().into_bytes();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Ok(damaged) = String::from_utf8(damaged) else { continue };
            if put(&*store, &bob, &damaged).await {
                records += 1;
                assert_eq!(json(&sealed, &bob).await, None, "{damaged}");
            }
        }
        assert!(records > stored.len(), "{records} of the records can be read as JSON");
    }
}

#[tokio::test]
async fn g10_a_session_that_cannot_be_decrypted_counts_as_none_and_is_left() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let (mine, other) =
            (Sealed::new(store.clone(), ring(&[1])), Sealed::new(store.clone(), ring(&[2])));
        let bob = id("bob");
        let seen = Snapshot::parse(r#"{"a":1}"#).unwrap().unwrap();
        mine.set_session(&bob, &set(r#"{"a":1}"#), CREATE).await.unwrap();
        let stored = text(&store.get_session(&bob).await.unwrap().unwrap());
        assert_eq!(json(&other, &bob).await, None);
        assert!(other.get(&bob, "a").await.unwrap().is_none());
        assert!(!other.contains(&bob, "a").await.unwrap());
        assert_eq!(other.get_size(&bob).await.unwrap(), 0);
        let changes = set(r#"{"b":1}"#);
        let seen_update = SetOptions::update_seen(&seen, TTL);
        let retire = SetOptions::retire(&seen, TTL);
        for options in [CREATE, UPDATE, UPDATE.seen(&seen), seen_update, retire] {
            let written = other.set_session(&bob, &changes, options).await.unwrap();
            assert_eq!(written, Written::Refused, "{options:?}");
        }
        assert!(!other.remove_all(&bob, None).await.unwrap());
        assert!(!other.remove_all(&bob, Some(&seen)).await.unwrap());
        let rename = other.rename(&bob, &id("to"), Default::default()).await.unwrap();
        assert!(!rename);
        let new = RawValue::from_string("2".to_owned()).unwrap();
        let swap = session_core::SwapOptions::ttl(TTL);
        let swapped = other.swap_item(&bob, "a", None, Some(&new), swap).await.unwrap();
        assert!(matches!(swapped, session_core::ItemSwap::Missing));
        assert_eq!(text(&store.get_session(&bob).await.unwrap().unwrap()), stored);
        assert_eq!(json(&mine, &bob).await.unwrap(), r#"{"a":1}"#);
    }
}
