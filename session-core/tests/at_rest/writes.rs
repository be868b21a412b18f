//! Writes by requests that have not read the session.

use session_core::{Sealed, Written};

use super::*;

/// Returns what is stored of a session, as another program would read it.
async fn stored(store: &dyn Storage, id: &SessionId) -> Snapshot {
    store.get_session(id).await.unwrap().unwrap()
}

/// Puts another record in the place of a session's.
async fn replace(store: &dyn Storage, id: &SessionId, record: &Snapshot) {
    store.remove_all(id, None).await.unwrap();
    let record = Changes::between(None, record);
    assert_eq!(store.set_session(id, &record, CREATE).await.unwrap(), Written::Saved);
}

#[tokio::test]
async fn g18_nothing_is_added_to_a_record_that_cannot_be_decrypted() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let sealed = Sealed::new(store.clone(), ring(&[1]));
        let (bob, eve) = (id("bob"), id("eve"));
        for who in [&bob, &eve] {
            sealed.set_session(who, &set(r#"{"a":"cheshire cat"}"#), CREATE).await.unwrap();
            sealed.set_session(who, &set(r#"{"b":1}"#), UPDATE).await.unwrap();
        }
        let good = stored(&*store, &bob).await;
        let of_another_id = stored(&*store, &eve).await;
        let of_another_key = Sealed::new(store.clone(), ring(&[2]));
        store.remove_all(&bob, None).await.unwrap();
        of_another_key.set_session(&bob, &set(r#"{"a":1}"#), CREATE).await.unwrap();
        let of_another_key = stored(&*store, &bob).await;
        let text = good.stored();
        let end = text.rfind('"').unwrap();
        let damaged = [&text[..end - 1], if &text[end - 1..end] == "A" { "B" } else { "A" }];
        let damaged = Snapshot::parse([&damaged.concat(), &text[end..]].concat());
        let damaged = damaged.unwrap().unwrap();
        for record in [of_another_id, of_another_key, damaged] {
            // This process has written the good one last, and read it.
            replace(&*store, &bob, &good).await;
            sealed.set_session(&bob, &set(r#"{"c":1}"#), UPDATE).await.unwrap();
            assert!(json(&sealed, &bob).await.is_some());
            replace(&*store, &bob, &record).await;
            let written = sealed.set_session(&bob, &set(r#"{"d":1}"#), UPDATE).await.unwrap();
            assert_eq!(written, Written::Refused);
            assert_eq!(stored(&*store, &bob).await, record, "it is left as it is");
        }
    }
}

#[tokio::test]
async fn a_plain_record_in_the_place_of_an_encrypted_one_is_encrypted_by_the_next_write() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let (sealed, bob) = (Sealed::new(store.clone(), ring(&[1])), id("bob"));
        sealed.set_session(&bob, &set(r#"{"a":1}"#), CREATE).await.unwrap();
        let seen = sealed.get_session(&bob).await.unwrap();
        replace(&*store, &bob, &Snapshot::parse(r#"{"a":"mad hatter"}"#).unwrap().unwrap()).await;
        // Of two requests, one has read the session before.
        for (update, item) in [(UPDATE.seen(seen.as_ref()), "b"), (UPDATE, "c")] {
            let changes = set(&format!(r#"{{"{item}":1}}"#));
            assert_eq!(sealed.set_session(&bob, &changes, update).await.unwrap(), Written::Saved);
            assert!(!stored(&*store, &bob).await.stored().contains("hatter"), "{item}");
        }
        assert_eq!(json(&sealed, &bob).await.unwrap(), r#"{"a":"mad hatter","b":1,"c":1}"#);
    }
}

#[tokio::test]
async fn a_write_with_a_new_key_encrypts_the_session_anew() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let (before, bob) = (Sealed::new(store.clone(), ring(&[1])), id("bob"));
        before.set_session(&bob, &set(r#"{"a":1}"#), CREATE).await.unwrap();
        let rotated = Sealed::new(store.clone(), ring(&[2, 1]));
        assert_eq!(
            rotated.set_session(&bob, &set(r#"{"b":2}"#), UPDATE).await.unwrap(),
            Written::Saved
        );
        let after = Sealed::new(store, ring(&[2]));
        assert_eq!(json(&after, &bob).await.unwrap(), r#"{"a":1,"b":2}"#);
    }
}
