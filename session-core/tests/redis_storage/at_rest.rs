//! Encrypted items in the fields of a hash, each written and read by itself.

use crate::common::*;
use serde_json::value::RawValue;
use session_core::{EncryptionKey, ItemSwap, KeyRing, Sealed, SwapOptions};

fn keys() -> [EncryptionKey; 2] {
    [EncryptionKey::random(), EncryptionKey::random()]
}

fn sealed(server: &RedisServer, keys: &[EncryptionKey]) -> Sealed<RedisHashTableStorage> {
    let ring = KeyRing::new(keys.iter().cloned()).unwrap();
    Sealed::new(RedisHashTableStorage::new(handle(server)), ring)
}

fn item(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

async fn swap(storage: &dyn Storage, seen: Option<&str>, new: Option<&str>) -> ItemSwap {
    let [seen, new] = [seen, new].map(|text| text.map(item));
    let options = SwapOptions::ttl(TTL);
    storage.swap_item(&id("bob"), "a", seen.as_deref(), new.as_deref(), options).await.unwrap()
}

#[tokio::test]
async fn plain_fields_are_read_and_encrypted_one_by_one() {
    let server = RedisServer::start();
    let storage = sealed(&server, &keys()[..1]);
    server.cli(&["HSET", "session:bob", "a", "alice", "b", "user"]);
    assert_eq!(json(&storage, &id("bob")).await, r#"{"a":"alice","b":"user"}"#);
    assert!(matches!(swap(&storage, Some("\"eve\""), Some("1")).await, ItemSwap::Changed(Some(_))));
    assert!(matches!(swap(&storage, Some("\"alice\""), Some("\"eve\"")).await, ItemSwap::Saved));
    assert_eq!(json(&storage, &id("bob")).await, r#"{"a":"eve","b":"user"}"#);
    assert!(server.cli(&["HGET", "session:bob", "a"]).starts_with("$sealed:"));
    assert_eq!(server.cli(&["HGET", "session:bob", "b"]), "user");
    storage.set_session(&id("bob"), &changes(r#"{"b":2}"#, &[]), UPDATE).await.unwrap();
    assert!(server.cli(&["HGET", "session:bob", "b"]).starts_with("$sealed:"));
}

#[tokio::test]
async fn an_item_of_the_old_key_is_swapped_and_encrypted_with_the_new_one() {
    let server = RedisServer::start();
    let [new, old] = keys();
    let bob = id("bob");
    let before = sealed(&server, std::slice::from_ref(&old));
    before.set_session(&bob, &changes(r#"{"a":1,"b":2}"#, &[]), CREATE).await.unwrap();
    let both = sealed(&server, &[new.clone(), old]);
    assert_eq!(json(&both, &bob).await, r#"{"a":1,"b":2}"#);
    assert!(matches!(swap(&both, Some("1"), Some("3")).await, ItemSwap::Saved));
    assert_eq!(json(&both, &bob).await, r#"{"a":3,"b":2}"#);
    let after = sealed(&server, &[new]);
    assert_eq!(json(&after, &bob).await, r#"{"a":3}"#);
    // A session with items of two keys is moved, and ended, as it was seen.
    let seen = both.get_session(&bob).await.unwrap().unwrap();
    assert!(both.rename(&bob, &id("to"), RenameOptions::default()).await.unwrap());
    assert_eq!(json(&after, &id("to")).await, r#"{"a":3,"b":2}"#);
    assert!(!both.remove_all(&id("to"), Some(&seen)).await.unwrap(), "it is another session");
}

#[tokio::test]
async fn g10_an_item_that_cannot_be_decrypted_counts_as_none_and_is_left_by_an_update() {
    let server = RedisServer::start();
    let [mine, other] = keys();
    let bob = id("bob");
    let storage = sealed(&server, std::slice::from_ref(&mine));
    storage.set_session(&bob, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    let other = sealed(&server, &[other]);
    let before = server.cli(&["HGETALL", "session:bob"]);
    assert_eq!(json(&other, &bob).await, "none");
    assert!(other.get(&bob, "a").await.unwrap().is_none());
    for seen in [None, Some("1")] {
        for new in [None, Some("2")] {
            assert!(matches!(swap(&other, seen, new).await, ItemSwap::Missing));
        }
    }
    let seen = snapshot(r#"{"a":1}"#);
    for options in [SetOptions::update_seen(&seen, TTL), SetOptions::retire(&seen, TTL)] {
        let written = other.set_session(&bob, &changes(r#"{"b":1}"#, &[]), options).await.unwrap();
        assert_eq!(written, Written::Refused);
    }
    assert!(!other.remove_all(&bob, Some(&seen)).await.unwrap());
    assert!(!other.rename(&bob, &id("to"), RenameOptions::default()).await.unwrap());
    assert_eq!(server.cli(&["HGETALL", "session:bob"]), before);
    assert_eq!(json(&storage, &bob).await, r#"{"a":1}"#);
}

#[tokio::test]
async fn g18_a_field_with_a_wrong_bit_or_from_another_place_is_never_served() {
    let server = RedisServer::start();
    let bob = id("bob");
    let storage = sealed(&server, &keys()[..1]);
    let session = changes(r#"{"a":"admin","b":"user"}"#, &[]);
    storage.set_session(&bob, &session, CREATE).await.unwrap();
    let stored = server.cli(&["HGET", "session:bob", "a"]);
    for bit in 0..stored.len() * 8 {
        let mut damaged = stored.clone().into_bytes();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let Ok(damaged) = String::from_utf8(damaged) else { continue };
        if damaged.contains('\0') {
            // Cannot be an argument.
            continue;
        }
        server.cli(&["HSET", "session:bob", "a", &damaged]);
        assert!(storage.get(&bob, "a").await.unwrap().is_none(), "{damaged}");
        assert_eq!(json(&storage, &bob).await, r#"{"b":"user"}"#);
    }
    server.cli(&["HSET", "session:bob", "b", &stored]);
    assert!(storage.get(&bob, "b").await.unwrap().is_none());
    server.cli(&["HSET", "session:eve", "a", &stored]);
    assert!(storage.get(&id("eve"), "a").await.unwrap().is_none());
}

#[tokio::test]
async fn g18_whose_session_it_is_cannot_be_written_into_the_store() {
    let server = RedisServer::start();
    let [key, _] = keys();
    let login = r#"{"login":{"user":"mad hatter","at":1}}"#;
    let required = sealed(&server, std::slice::from_ref(&key)).require_encryption();
    let manager = session_core::Manager::builder(required).build().unwrap();
    let session = manager.open(None);
    session.set("a", 1).await.unwrap();
    let id = session.id().await.unwrap().unwrap();
    server.cli(&["HSET", &format!("session:{}", id.as_str()), "$meta", login]);
    let seen = manager.open(Some(id.clone()));
    assert_eq!(seen.user().await.unwrap(), None);
    assert_eq!(seen.get::<u8>("a").await.unwrap(), Some(1));
    let whole = manager.storage().get_session(&id).await.unwrap().unwrap();
    assert!(!whole.stored().contains("mad hatter"), "{}", whole.stored());

    // Nor copied from another session.
    let [one, other] = [manager.open(None), manager.open(None)];
    one.login("bob").await.unwrap();
    other.set("a", 1).await.unwrap();
    let [from, to] = [one.id().await.unwrap().unwrap(), other.id().await.unwrap().unwrap()];
    let copied = server.cli(&["HGET", &format!("session:{}", from.as_str()), "$meta"]);
    assert!(copied.contains("$sealed:"), "{copied}");
    server.cli(&["HSET", &format!("session:{}", to.as_str()), "$meta", &copied]);
    assert_eq!(manager.open(Some(to)).user().await.unwrap(), None);
    assert_eq!(manager.open(Some(from)).user().await.unwrap().as_deref(), Some("bob"));
}
