//! The ring of keys.

use session_core::{Error, Sealed, Written};

use super::*;

fn problem(texts: &[&str]) -> String {
    KeyRing::parse(texts).expect_err("refused").to_string()
}

#[test]
fn keys_that_are_none_are_refused_in_one_line() {
    let good = key(1).to_base64();
    for (texts, expected) in [
        (&[][..], "encryption keys: allowed is one key or more"),
        (&[""], "encryption key 1 has 0 bytes; allowed is the base64 of 32 bytes"),
        (&[&good, "c2hvcnQ="], "encryption key 2 has 5 bytes; allowed is the base64 of 32 bytes"),
        (&[&good, "secret!"], "encryption key 2 is not base64; allowed is the base64 of 32 bytes"),
        (&[&good[..43]], "encryption key 1 is not base64; allowed is the base64 of 32 bytes"),
        (&[&good, &key(2).to_base64(), &good], "encryption keys 1 and 3 are the same"),
    ] {
        let problem = problem(texts);
        assert!(problem.ends_with(expected) && !problem.contains('\n'), "{problem}");
        assert!(!problem.contains("secret") && !problem.contains(&good), "{problem}");
    }
    assert!(matches!(KeyRing::new([]), Err(Error::Config(_))));
}

#[test]
fn g12_no_encryption_key_is_shown() {
    let (key, ring) = (key(77), ring(&[77, 78]));
    let sealed = Sealed::new(MemoryStorage::new(), ring.clone());
    for shown in [format!("{key:?}"), format!("{ring:?}"), format!("{sealed:#?}")] {
        assert!(shown.contains("not shown"), "{shown}");
        assert!(!shown.contains("TU1N") && !shown.contains("77"), "{shown}");
    }
}

#[tokio::test]
async fn keys_are_rotated_by_changing_the_list() {
    let (storages, _directory) = whole_storages();
    for store in storages {
        let at = |keys: &[u8]| Sealed::new(store.clone(), ring(keys));
        let (read, written) = (id("read"), id("written"));
        for id in [&read, &written] {
            at(&[1]).set_session(id, &set(r#"{"a":1,"b":2}"#), CREATE).await.unwrap();
        }
        let before = json(&*store, &read).await;
        let both = at(&[2, 1]);
        for id in [&read, &written] {
            assert_eq!(json(&both, id).await.unwrap(), r#"{"a":1,"b":2}"#);
        }
        assert_eq!(json(&*store, &read).await, before, "a read writes nothing");
        // A write encrypts the whole session with the new key.
        let saved = both.set_session(&written, &set(r#"{"a":3}"#), UPDATE).await.unwrap();
        assert_eq!(saved, Written::Saved);
        assert_eq!(json(&at(&[2]), &written).await.unwrap(), r#"{"a":3,"b":2}"#);
        assert_eq!(json(&at(&[2]), &read).await, None);
        assert_eq!(json(&at(&[1]), &read).await.unwrap(), r#"{"a":1,"b":2}"#);
    }
}

#[tokio::test]
async fn no_write_is_lost_while_keys_are_rotated() {
    let store = Arc::new(MemoryStorage::new());
    let bob = id("bob");
    Sealed::new(store.clone(), ring(&[1]))
        .set_session(&bob, &set(r#"{"a":1}"#), CREATE)
        .await
        .unwrap();
    let nodes = [ring(&[2, 1]), ring(&[1, 2])].map(|ring| {
        let sealed: Arc<dyn Storage> = Arc::new(Sealed::new(store.clone(), ring));
        sealed
    });
    let writes = (0..40).map(|number: usize| {
        let (node, bob) = (nodes[number % 2].clone(), bob.clone());
        tokio::spawn(async move {
            let changes = set(&format!(r#"{{"item{number}":{number}}}"#));
            // As a request does: a read, and then the write.
            let seen = node.get_session(&bob).await.unwrap();
            tokio::task::yield_now().await;
            let update = UPDATE.seen(seen.as_ref().filter(|_| number % 4 < 2));
            assert_eq!(node.set_session(&bob, &changes, update).await.unwrap(), Written::Saved);
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap();
    }
    for node in &nodes {
        assert_eq!(node.get_session(&bob).await.unwrap().unwrap().len(), 41);
    }
}
