//! A store with sessions from before its items were encrypted.

use serde_json::value::RawValue;
use session_core::{ItemSwap, Sealed, SwapOptions, Written};

use super::*;

fn item(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

#[tokio::test]
async fn plain_sessions_are_read_and_encrypted_when_they_are_written() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let sealed = Sealed::new(store.clone(), ring(&[1]));
        let bob = id("bob");
        store.set_session(&bob, &set(r#"{"a":"bob","b":"cheshire cat"}"#), CREATE).await.unwrap();
        assert_eq!(json(&sealed, &bob).await.unwrap(), r#"{"a":"bob","b":"cheshire cat"}"#);
        let seen = sealed.get_session(&bob).await.unwrap();
        let update = UPDATE.seen(seen.as_ref());
        let saved = sealed.set_session(&bob, &set(r#"{"a":"mad hatter"}"#), update).await.unwrap();
        assert_eq!(saved, Written::Saved);
        assert_eq!(json(&sealed, &bob).await.unwrap(), r#"{"a":"mad hatter","b":"cheshire cat"}"#);
        let stored = json(&*store, &bob).await.unwrap();
        assert!(!stored.contains("cheshire cat") && !stored.contains("mad hatter"), "{stored}");
    }
}

#[tokio::test]
async fn an_update_of_one_item_encrypts_a_plain_session() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let sealed = Sealed::new(store.clone(), ring(&[1]));
        let bob = id("bob");
        store.set_session(&bob, &set(r#"{"a":1,"b":"cheshire cat"}"#), CREATE).await.unwrap();
        let (one, two) = (item("1"), item("2"));
        let swap = sealed.swap_item(&bob, "a", Some(&one), Some(&two), SwapOptions::ttl(TTL));
        assert!(matches!(swap.await.unwrap(), ItemSwap::Saved));
        assert_eq!(json(&sealed, &bob).await.unwrap(), r#"{"a":2,"b":"cheshire cat"}"#);
        assert!(!json(&*store, &bob).await.unwrap().contains("cheshire cat"));
    }
}

#[tokio::test]
async fn writers_of_a_plain_session_lose_nothing() {
    let store = Arc::new(MemoryStorage::new());
    let sealed = Arc::new(Sealed::new(store.clone(), ring(&[1])));
    let bob = id("bob");
    store.set_session(&bob, &set(r#"{"a":1}"#), CREATE).await.unwrap();
    let writes = (0..20).map(|number| {
        let (sealed, bob) = (sealed.clone(), bob.clone());
        tokio::spawn(async move {
            let changes = set(&format!(r#"{{"item{number}":{number}}}"#));
            sealed.set_session(&bob, &changes, UPDATE).await.unwrap()
        })
    });
    for write in writes.collect::<Vec<_>>() {
        assert_eq!(write.await.unwrap(), Written::Saved);
    }
    assert_eq!(sealed.get_session(&bob).await.unwrap().unwrap().len(), 21);
}

#[tokio::test]
async fn plain_sessions_count_as_none_once_encryption_is_required() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let strict = Sealed::new(store.clone(), ring(&[1])).require_encryption();
        let bob = id("bob");
        store.set_session(&bob, &set(r#"{"a":"bob"}"#), CREATE).await.unwrap();
        assert_eq!(json(&strict, &bob).await, None);
        let refused = strict.set_session(&bob, &set(r#"{"a":1}"#), UPDATE).await.unwrap();
        assert_eq!(refused, Written::Refused);
        assert!(!strict.remove_all(&bob, None).await.unwrap());
        assert_eq!(json(&*store, &bob).await.unwrap(), r#"{"a":"bob"}"#);
    }
}

/// Somebody who can write to the store cannot add an item to an encrypted session.
#[tokio::test]
async fn a_session_that_is_encrypted_in_part_counts_as_none() {
    let store = Arc::new(MemoryStorage::new());
    let sealed = Sealed::new(store.clone(), ring(&[1]));
    let bob = id("bob");
    sealed.set_session(&bob, &set(r#"{"a":"bob"}"#), CREATE).await.unwrap();
    store.set_session(&bob, &set(r#"{"admin":true}"#), UPDATE).await.unwrap();
    assert_eq!(json(&sealed, &bob).await, None);
}
