//! A limit of sessions per user.

use session_core::{Error, WhenFull};
use tokio::task::JoinSet;

use crate::*;

fn limited(place: &Place, max: usize, when_full: WhenFull) -> Manager {
    place.builder().max_sessions_per_user(max, when_full).build().unwrap()
}

#[tokio::test]
async fn the_oldest_login_is_ended() {
    for place in Places::new().places {
        let manager = limited(&place, 2, WhenFull::EndOldest);
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(log_in(&manager, "bob").await);
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let mut alive = Vec::new();
        for id in &ids {
            alive.push(user_of(&manager, id).await.is_some());
        }
        assert_eq!(alive, [false, false, true, true], "{}", place.name);
        // A renewal is no further session.
        let session = manager.open(Some(ids[2].clone()));
        session.login("bob").await.unwrap();
        assert_eq!(user_of(&manager, &ids[3]).await.as_deref(), Some("bob"), "{}", place.name);
    }
}

#[tokio::test]
async fn a_login_too_many_is_refused_and_leaves_nothing() {
    for place in Places::new().places {
        let manager = limited(&place, 1, WhenFull::Refuse);
        let first = log_in(&manager, "bob").await;
        let session = manager.open(None);
        assert!(matches!(session.login("bob").await, Err(Error::TooManySessions)));
        let closed = session.close().await;
        assert!(matches!(closed.outcome, Outcome::Untouched), "{}: {closed:?}", place.name);
        assert_eq!(count(&manager, "bob").await, 1, "{}", place.name);
        log_in(&manager, "alice").await;

        manager.open(Some(first)).logout().await.unwrap();
        log_in(&manager, "bob").await;
    }
}

#[tokio::test]
async fn entries_without_a_session_do_not_count() {
    for place in Places::new().places {
        let manager = limited(&place, 1, WhenFull::Refuse);
        let id = log_in(&manager, "bob").await;
        // As an operator does, or a process that dies between two commands.
        let storage = manager.storage();
        assert!(storage.remove_all(&id, None).await.unwrap());
        assert_eq!(storage.users().unwrap().list("bob").await.unwrap().len(), 1);
        log_in(&manager, "bob").await;
        assert_eq!(storage.users().unwrap().list("bob").await.unwrap().len(), 1, "{}", place.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_simultaneous_logins_keep_a_limit_of_one() {
    for place in Places::new().places {
        for when_full in [WhenFull::EndOldest, WhenFull::Refuse] {
            let nodes = [(); 2].map(|()| limited(&place, 1, when_full));
            let user = format!("bob {when_full:?}");
            let mut logins = JoinSet::new();
            for number in 0..20 {
                let (node, user) = (nodes[number % 2].clone(), user.clone());
                logins.spawn(async move {
                    let session = node.open(None);
                    let login = session.login(&user).await;
                    let _ = session.close().await;
                    login.is_ok()
                });
            }
            let accepted = logins.join_all().await.into_iter().filter(|ok| *ok).count();
            assert_eq!(count(&nodes[0], &user).await, 1, "{} {when_full:?}", place.name);
            if when_full == WhenFull::Refuse {
                assert_eq!(accepted, 1, "{}", place.name);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_logins_at_once_both_stand_with_a_limit_of_two() {
    for place in Places::new().places {
        for when_full in [WhenFull::EndOldest, WhenFull::Refuse] {
            for round in 0..5 {
                let nodes = [(); 2].map(|()| limited(&place, 2, when_full));
                let user = format!("bob {round} {when_full:?}");
                let [one, other] =
                    tokio::join!(log_in(&nodes[0], &user), log_in(&nodes[1], &user)).into();
                for id in [one, other] {
                    let found = user_of(&nodes[0], &id).await;
                    assert_eq!(found.as_ref(), Some(&user), "{}", place.name);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_limit_that_cannot_be_kept_is_refused_when_the_manager_is_built() {
    let place = &Places::new().places[0];
    let none = place.builder().max_sessions_per_user(0, WhenFull::Refuse).build();
    assert!(none.unwrap_err().to_string().contains("at least one session"));
    let without_index = common::RenamesByCopying(Arc::new(MemoryStorage::new()));
    let builder = Manager::builder(without_index).max_sessions_per_user(1, WhenFull::Refuse);
    assert!(builder.build().unwrap_err().to_string().contains("index of users"));
}
