//! The index has every session of a user, and nothing is left of it.

use futures_util::{StreamExt, stream};
use session_core::UserEntry;

use crate::*;

const SHORT: Duration = Duration::from_secs(2);
const LOGINS_AT_ONCE: usize = 16;
/// Files are slow, unless `INDEX_LOGINS_IN_FILES` says how many log in.
const MOST_LOGINS_IN_FILES: usize = 5_000;

async fn entries(manager: &Manager) -> Vec<UserEntry> {
    manager.storage().users().unwrap().list("bob").await.unwrap()
}

/// `INDEX_LOGINS` says how many log in on each storage, several times each; by default few, for the
/// daily run.
#[tokio::test]
async fn g17_the_index_leaks_nothing() {
    let named = |name, default| {
        std::env::var(name).map_or(default, |logins| logins.parse::<usize>().unwrap())
    };
    let logins = named("INDEX_LOGINS", 50);
    let in_files = logins.min(named("INDEX_LOGINS_IN_FILES", MOST_LOGINS_IN_FILES));
    // Where there are many, one may take seconds.
    let ttl = SHORT * (1 + u32::try_from(logins / 10_000).unwrap());
    let Places { places, server, _directory } = Places::new();
    for place in &places {
        let builder = place.builder().ttl(ttl).grace(Duration::ZERO).timeout(TTL);
        let manager = &builder.build().unwrap();
        let logins = if place.name == "file" { in_files } else { logins };
        let began = std::time::Instant::now();
        let log_in = async |number| {
            log_in(manager, &format!("user {}", number % (logins / 7))).await;
        };
        stream::iter(0..logins).for_each_concurrent(LOGINS_AT_ONCE, log_in).await;
        println!("{}: {logins} logins in {:?}", place.name, began.elapsed());
    }
    let keys = || server.cli(&["DBSIZE"]);
    assert_ne!(keys(), "0");
    // Without a sweep, and without any use.
    tokio::time::sleep(ttl + ttl / 2).await;
    assert_eq!(keys(), "0", "{}", server.cli(&["KEYS", "*"]));
    for place in &places {
        let manager = place.manager();
        assert_eq!(manager.storage().users().unwrap().list("user 0").await.unwrap(), []);
    }
}

#[tokio::test]
async fn g17_files_of_the_index_are_swept_when_they_have_expired() {
    let places = Places::new();
    let place = &places.places[1];
    let manager = place.builder().ttl(SHORT).build().unwrap();
    for number in 0..10 {
        log_in(&manager, &format!("user {number}")).await;
    }
    let files = || {
        let files = std::fs::read_dir(places._directory.path()).unwrap();
        files
            .filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with('@'))
            .count()
    };
    assert_eq!(files(), 10);
    tokio::time::sleep(SHORT + SHORT / 2).await;
    manager.storage().sweep().await.unwrap();
    assert_eq!(files(), 0);
}

#[tokio::test]
async fn g17_a_session_in_use_stays_in_the_index_whatever_uses_it() {
    let all = Places::new();
    let mut uses = tokio::task::JoinSet::new();
    for place in &all.places {
        // Sessions that the second node does not know to be a user's when it uses them.
        for how in ["read", "write", "update", "touch"] {
            let builder = || place.builder().ttl(SHORT).touch_interval(SHORT / 20).timeout(TTL);
            let user = format!("bob {how}");
            let id = log_in(&builder().build().unwrap(), &user).await;
            uses.spawn(stays_in_the_index(builder().build().unwrap(), id, user, how, place.name));
        }
    }
    uses.join_all().await;
}

async fn stays_in_the_index(
    node: Manager,
    id: SessionId,
    user: String,
    how: &'static str,
    place: &'static str,
) {
    let began = std::time::Instant::now();
    while began.elapsed() < SHORT * 2 {
        let session = node.open(Some(id.clone()));
        match how {
            "read" => drop(session.get::<u8>("a").await.unwrap()),
            "write" => session.set("b", 1).await.unwrap(),
            "update" => drop(session.update_or("n", 0, |n| n + 1).await.unwrap()),
            _ => drop(session.contains("a").await.unwrap()),
        }
        assert!(session.close().await.failure.is_none());
        tokio::time::sleep(Duration::from_millis(70)).await;
    }
    assert_eq!(count(&node, &user).await, 1, "{place}: {how}");
    assert_eq!(node.end_all(&user).await.unwrap(), 1, "{place}: {how}");
    assert_eq!(user_of(&node, &id).await, None);
}

#[tokio::test]
async fn a_regenerated_id_takes_its_place_in_the_index() {
    for place in Places::new().places {
        let [one, other] = place.nodes();
        let id = log_in(&one, "bob").await;
        let session = other.open(Some(id));
        session.regenerate_id().await.unwrap();
        let new = issued(&session).await;
        eventually("the index has the new id", async || count(&one, "bob").await == 1).await;
        assert_eq!(one.end_all("bob").await.unwrap(), 1, "{}", place.name);
        assert_eq!(user_of(&other, &new).await, None, "{}", place.name);
        eventually("no entry is left alive", async || {
            entries(&one).await.iter().all(|entry| entry.is_ended)
        })
        .await;
    }
}

#[tokio::test]
async fn keys_that_rotate_lose_no_entry() {
    let memory = Arc::new(MemoryStorage::new());
    let [old, new] = [EncryptionKey::random(), EncryptionKey::random()];
    let open = |keys: &[&EncryptionKey]| {
        let keys = KeyRing::new(keys.iter().map(|key| (*key).clone())).unwrap();
        Manager::builder(Sealed::new(memory.clone(), keys)).ttl(TTL).build().unwrap()
    };
    let before = open(&[&old]);
    let ids = [log_in(&before, "bob").await, log_in(&before, "bob").await];
    let both = open(&[&new, &old]);
    assert_eq!(count(&both, "bob").await, 2);
    // A write encrypts the session, and with it whose it is, under the new key.
    let session = both.open(Some(ids[0].clone()));
    session.set("a", 2).await.unwrap();
    assert!(session.close().await.failure.is_none());
    eventually("the entry has moved", async || {
        open(&[&new]).sessions_of("bob").await.unwrap().len() == 1
    })
    .await;
    assert_eq!(user_of(&open(&[&new]), &ids[0]).await.as_deref(), Some("bob"));
    assert_eq!(both.end_all("bob").await.unwrap(), 2);
    for id in &ids {
        assert_eq!(user_of(&both, id).await, None);
    }
}

#[tokio::test]
async fn sessions_whose_ids_are_hashed_from_now_on_can_be_ended() {
    let memory = Arc::new(MemoryStorage::new());
    let plain = Manager::builder(memory.clone()).ttl(TTL).build().unwrap();
    let ids = [log_in(&plain, "bob").await, log_in(&plain, "bob").await];
    let hashed = HashedIds::new(memory).move_plain_ids(TTL);
    let hashed = Manager::builder(hashed).ttl(TTL).build().unwrap();
    // One of them has moved.
    assert_eq!(user_of(&hashed, &ids[0]).await.as_deref(), Some("bob"));
    assert_eq!(count(&hashed, "bob").await, 2);
    assert_eq!(hashed.end_all("bob").await.unwrap(), 2);
    for id in &ids {
        assert_eq!(user_of(&hashed, id).await, None);
    }
}
