//! Ids that the store is not shown, and the move of those that it was.

use session_core::{HashedIds, IntoStorage, RenameOptions, Sealed, Written};

use super::*;

const MOVING: Duration = Duration::from_secs(3600);

/// The storages that ids are moved in: in one step, and by copying.
fn storages() -> [Arc<dyn Storage>; 2] {
    let memory = || Arc::new(MemoryStorage::new());
    [memory(), Arc::new(Sealed::new(memory(), ring(&[1])))]
}

#[tokio::test]
async fn g18_a_session_is_stored_under_the_sha_256_of_its_id() {
    let (storages, directory) = whole_storages();
    for store in storages {
        let hashed = HashedIds::new(store.clone()).into_storage();
        hashed.set_session(&id("one"), &set(r#"{"a":1}"#), CREATE).await.unwrap();
        assert_eq!(json(&*store, &id("one")).await, None);
        // From Python: base64.b32encode(hashlib.sha256(b"one").digest()).lower().rstrip(b"=")
        let hash = id("o2jmhljvic5yapacbm5o4zwnrcdremru5igg44kdycw5op7ughwq");
        assert_eq!(json(&*store, &hash).await.unwrap(), r#"{"a":1}"#);
    }
    let name = "o2jmhljvic5yapacbm5o4zwnrcdremru5igg44kdycw5op7ughwq.session";
    assert!(directory.path().join(name).exists());
}

#[tokio::test]
async fn a_plain_id_moves_at_its_next_use_whatever_that_is() {
    type Use = fn(Arc<dyn Storage>) -> tokio::task::JoinHandle<bool>;
    let uses: [Use; 7] = [
        |storage| {
            tokio::spawn(async move { storage.get_session(&id("bob")).await.unwrap().is_some() })
        },
        |storage| {
            tokio::spawn(async move { storage.get(&id("bob"), "a").await.unwrap().is_some() })
        },
        |storage| tokio::spawn(async move { storage.contains(&id("bob"), "a").await.unwrap() }),
        |storage| tokio::spawn(async move { storage.get_size(&id("bob")).await.unwrap() == 1 }),
        |storage| {
            tokio::spawn(async move { storage.expires_in(&id("bob")).await.unwrap().is_some() })
        },
        |storage| {
            let write =
                async move { storage.set_session(&id("bob"), &set(r#"{"a":1}"#), UPDATE).await };
            tokio::spawn(async move { write.await.unwrap() == Written::Saved })
        },
        |storage| {
            let seen = Snapshot::parse(r#"{"a":1}"#).unwrap().unwrap();
            tokio::spawn(async move {
                let update = SetOptions::update_seen(&seen, TTL);
                storage.set_session(&id("bob"), &set(r#"{"a":1}"#), update).await.unwrap()
                    == Written::Saved
            })
        },
    ];
    for used in uses {
        for store in storages() {
            store.set_session(&id("bob"), &set(r#"{"a":1}"#), CREATE).await.unwrap();
            let hashed = HashedIds::new(store.clone()).move_plain_ids(MOVING).into_storage();
            assert!(used(hashed.clone()).await.unwrap());
            assert_eq!(json(&*store, &id("bob")).await, None, "it has moved");
            assert_eq!(json(&*hashed, &id("bob")).await.unwrap(), r#"{"a":1}"#);
        }
    }
}

#[tokio::test]
async fn fifty_requests_find_a_session_that_moves() {
    for store in storages() {
        store.set_session(&id("bob"), &set(r#"{"a":1}"#), CREATE).await.unwrap();
        let hashed = HashedIds::new(store.clone()).move_plain_ids(MOVING).into_storage();
        let reads = (0..50).map(|_| {
            let hashed = hashed.clone();
            tokio::spawn(async move { json(&*hashed, &id("bob")).await })
        });
        for read in reads.collect::<Vec<_>>() {
            assert_eq!(read.await.unwrap().as_deref(), Some(r#"{"a":1}"#));
        }
    }
}

#[tokio::test]
async fn g18_a_hash_that_was_read_in_the_store_leads_to_no_session() {
    for store in storages() {
        let hashed = HashedIds::new(store.clone()).move_plain_ids(MOVING).into_storage();
        hashed.set_session(&id("bob"), &set(r#"{"a":1}"#), CREATE).await.unwrap();
        let stolen = id(&base32_sha256("bob"));
        assert!(store.get_session(&stolen).await.unwrap().is_some());
        assert_eq!(json(&*hashed, &stolen).await, None);
        assert!(!hashed.remove_all(&stolen, None).await.unwrap());
        let renamed = hashed.rename(&stolen, &id("eve"), RenameOptions::default()).await.unwrap();
        assert!(!renamed);
        assert_eq!(json(&*hashed, &id("bob")).await.unwrap(), r#"{"a":1}"#);
    }
}

fn base32_sha256(text: &str) -> String {
    use sha2::Digest;
    let hash = sha2::Sha256::digest(text.as_bytes());
    data_encoding::BASE32_NOPAD.encode(&hash).to_ascii_lowercase()
}

#[tokio::test]
async fn a_logout_ends_a_session_that_has_not_moved() {
    for store in storages() {
        store.set_session(&id("bob"), &set(r#"{"a":1}"#), CREATE).await.unwrap();
        let hashed = HashedIds::new(store.clone()).move_plain_ids(MOVING).into_storage();
        assert!(hashed.remove_all(&id("bob"), None).await.unwrap());
        assert_eq!(json(&*hashed, &id("bob")).await, None);
        assert_eq!(json(&*store, &id("bob")).await, None);
    }
}

#[tokio::test]
async fn an_id_is_taken_under_its_plain_name_too() {
    let store = Arc::new(MemoryStorage::new());
    store.set_session(&id("bob"), &set(r#"{"a":1}"#), CREATE).await.unwrap();
    let hashed = HashedIds::new(store).move_plain_ids(MOVING).into_storage();
    let created = hashed.set_session(&id("bob"), &set(r#"{"b":1}"#), CREATE).await.unwrap();
    assert_eq!(created, Written::Refused);
    assert_eq!(json(&*hashed, &id("bob")).await.unwrap(), r#"{"a":1}"#);
}

#[tokio::test]
async fn plain_ids_are_looked_for_during_a_limited_time() {
    tokio::time::pause();
    let store = Arc::new(MemoryStorage::new());
    let hashed = HashedIds::new(store.clone()).move_plain_ids(MOVING).into_storage();
    tokio::time::advance(MOVING).await;
    store.set_session(&id("bob"), &set(r#"{"a":1}"#), CREATE).await.unwrap();
    assert_eq!(json(&*hashed, &id("bob")).await, None);
    let at_once = HashedIds::new(store).into_storage();
    assert_eq!(json(&*at_once, &id("bob")).await, None);
}

/// A request in flight with an id from before a login is not told that its session is unknown.
#[tokio::test]
async fn the_marker_of_a_renewal_is_found_under_its_plain_id() {
    let store = Arc::new(MemoryStorage::new());
    let session = manager(store.clone()).open(None);
    session.set("a", 1).await.unwrap();
    session.save().await.unwrap();
    let old = session.id().await.unwrap().unwrap();
    session.regenerate_id().await.unwrap();
    let hashed = HashedIds::new(store).move_plain_ids(MOVING).into_storage();
    let marker = hashed.get_session(&old).await.unwrap();
    assert!(marker.is_some_and(|marker| marker.is_marker()));
}

#[tokio::test]
async fn logins_and_renewals_work_with_both_layers() {
    let store = Arc::new(MemoryStorage::new());
    let both = HashedIds::new(Sealed::new(store.clone(), ring(&[1])));
    let manager = manager(both);
    let session = manager.open(None);
    session.set("user", "bob").await.unwrap();
    session.save().await.unwrap();
    let before = session.id().await.unwrap().unwrap();
    session.regenerate_id().await.unwrap();
    let after = session.id().await.unwrap().unwrap();
    assert_ne!(before, after);
    let next = manager.open(Some(after));
    assert_eq!(next.get::<String>("user").await.unwrap().as_deref(), Some("bob"));
    assert_eq!(next.update("n", |n: Option<u32>| n.unwrap_or(0) + 1).await.unwrap(), 1);
    let old = manager.open(Some(before));
    assert!(!matches!(old.get::<String>("user").await, Ok(Some(_))));
    next.remove_all().await.unwrap();
}
