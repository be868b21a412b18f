//! Logging in and out.

use std::time::SystemTime;

use session_core::{Error, Outcome};

use crate::*;

#[tokio::test]
async fn a_login_renews_the_id_and_keeps_the_items() {
    for place in Places::new().places {
        let [one, other] = place.nodes();
        let session = one.open(None);
        session.set("cart", ["apple"]).await.unwrap();
        let anonymous = issued(&session).await;

        let session = one.open(Some(anonymous.clone()));
        assert_eq!(session.user().await.unwrap(), None, "{}", place.name);
        session.login("bob").await.unwrap();
        assert_eq!(session.user().await.unwrap().as_deref(), Some("bob"), "{}", place.name);
        let id = issued(&session).await;
        assert_ne!(id, anonymous);

        let seen = other.open(Some(id));
        assert_eq!(seen.user().await.unwrap().as_deref(), Some("bob"), "{}", place.name);
        let at = seen.authenticated_at().await.unwrap().unwrap();
        assert!(at.elapsed().is_ok_and(|ago| ago < TTL) && at <= SystemTime::now());
        assert!(seen.contains("cart").await.unwrap());
        assert_eq!(seen.size().await.unwrap(), 1, "{}: it is no item", place.name);
        assert_eq!(user_of(&other, &anonymous).await, None, "the old id is worth nothing");
    }
}

#[tokio::test]
async fn a_login_needs_no_items() {
    for place in Places::new().places {
        let manager = place.manager();
        let session = manager.open(None);
        session.login("bob").await.unwrap();
        let id = issued(&session).await;
        assert_eq!(user_of(&manager, &id).await.as_deref(), Some("bob"), "{}", place.name);
        let session = manager.open(Some(id));
        assert_eq!(session.size().await.unwrap(), 0, "{}", place.name);
        session.set("a", 1).await.unwrap();
        assert!(matches!(session.close().await.outcome, Outcome::Kept { .. }));
        assert_eq!(count(&manager, "bob").await, 1);
    }
}

#[tokio::test]
async fn a_second_login_of_the_user_renews_the_time_and_keeps_one_session() {
    for place in Places::new().places {
        let manager = place.manager();
        let id = log_in(&manager, "bob").await;
        let before = manager.open(Some(id.clone())).authenticated_at().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        let session = manager.open(Some(id.clone()));
        session.login("bob").await.unwrap();
        let new = issued(&session).await;
        assert!(manager.open(Some(new)).authenticated_at().await.unwrap() > before);
        assert_eq!(count(&manager, "bob").await, 1, "{}", place.name);
        assert_eq!(user_of(&manager, &id).await, None);
    }
}

#[tokio::test]
async fn a_login_of_another_user_takes_over_nothing() {
    for place in Places::new().places {
        let manager = place.manager();
        let id = log_in(&manager, "bob").await;
        let session = manager.open(Some(id.clone()));
        session.login("alice").await.unwrap();
        assert!(!session.contains("a").await.unwrap(), "{}: that is bob's", place.name);
        let hers = issued(&session).await;
        assert_eq!(user_of(&manager, &hers).await.as_deref(), Some("alice"));
        assert_eq!(user_of(&manager, &id).await, None);
        assert_eq!(count(&manager, "bob").await, 0, "{}", place.name);
        assert_eq!(count(&manager, "alice").await, 1, "{}", place.name);
    }
}

#[tokio::test]
async fn a_logout_ends_the_session_and_its_entry() {
    let Places { places, server, _directory } = Places::new();
    for place in places {
        let [one, other] = place.nodes();
        let id = log_in(&one, "bob").await;
        let session = other.open(Some(id.clone()));
        session.logout().await.unwrap();
        assert_eq!(session.close().await.outcome, Outcome::Ended, "{}", place.name);
        assert_eq!(user_of(&one, &id).await, None, "{}", place.name);
        let entries = one.storage().users().unwrap().list("bob").await.unwrap();
        assert_eq!(entries, [], "{}", place.name);
    }
    // Only the markers of ids that were renewed.
    let keys = server.cli(&["KEYS", "*@*"]);
    assert_eq!(keys, "", "an index is left");
}

#[tokio::test]
async fn names_that_cannot_be_users_are_refused() {
    for place in Places::new().places {
        let manager = place.manager();
        let session = manager.open(None);
        for name in ["", "a\nb", "\0", &"x".repeat(256)] {
            let refused = session.login(name).await;
            assert!(matches!(refused, Err(Error::InvalidUser)), "{name:?}");
        }
        assert!(matches!(session.close().await.outcome, Outcome::Untouched));
        for name in ["é{}\"\\'@../*", &"{".repeat(255), "$sealed:", "0"] {
            let id = log_in(&manager, name).await;
            assert_eq!(user_of(&manager, &id).await.as_deref(), Some(name), "{}", place.name);
            assert_eq!(count(&manager, name).await, 1, "{}: {name}", place.name);
        }
    }
}

#[tokio::test]
async fn g15_a_users_session_ends_at_its_absolute_end_whatever_the_name() {
    for place in Places::new().places {
        let life = Duration::from_millis(1500);
        let manager = place.builder().absolute_ttl(life).build().unwrap();
        let id = log_in(&manager, &"{\"}".repeat(80)).await;
        let began = std::time::Instant::now();
        while began.elapsed() < life + Duration::from_millis(500) {
            let session = manager.open(Some(id.clone()));
            let _ = session.get::<u8>("a").await.unwrap();
            let _ = session.close().await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let left = manager.open(Some(id)).expires_in().await.unwrap();
        assert_eq!(left, None, "{}", place.name);
    }
}
