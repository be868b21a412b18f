//! Listing sessions, and ending them.

use std::time::SystemTime;

use tokio::task::JoinSet;

use crate::*;

#[tokio::test]
async fn sessions_are_listed_with_their_times_and_items() {
    for place in Places::new().places {
        let [one, other] = place.nodes();
        let _first = log_in(&one, "bob").await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let session = one.open(None);
        session.set("browser", "Firefox").await.unwrap();
        session.set_ttl(TTL * 10).await.unwrap();
        session.login("bob").await.unwrap();
        let fingerprint = session.fingerprint().await.unwrap().unwrap();
        let _second = issued(&session).await;
        log_in(&one, "alice").await;

        let sessions = other.sessions_of("bob").await.unwrap();
        assert_eq!(sessions.len(), 2, "{}", place.name);
        let latest = &sessions[0];
        assert_eq!(latest.fingerprint, fingerprint, "{}: the latest comes first", place.name);
        assert_eq!(latest.items.get("browser").unwrap(), Some("Firefox".to_owned()));
        let now = SystemTime::now();
        let is_near = |time: SystemTime| now.duration_since(time).is_ok_and(|ago| ago < TTL / 4);
        assert!(is_near(latest.created) && is_near(latest.authenticated), "{latest:?}");
        assert!(is_near(latest.last_used.unwrap()), "{}: {latest:?}", place.name);
        assert!(latest.expires > now + TTL * 9, "{}: {latest:?}", place.name);
        assert!(sessions[1].expires < now + TTL * 2);
    }
}

#[tokio::test]
async fn g17_ending_a_users_sessions_ends_all_of_them_on_every_node() {
    for place in Places::new().places {
        let [one, other] = place.nodes();
        let mut ids = Vec::new();
        for number in 0..10 {
            ids.push(log_in([&one, &other][number % 2], "bob").await);
        }
        let hers = log_in(&one, "alice").await;
        // Known to both nodes, and in their near caches.
        for id in &ids {
            assert!(user_of(&other, id).await.is_some());
        }
        assert_eq!(one.end_all("bob").await.unwrap(), 10, "{}", place.name);
        for id in &ids {
            assert_eq!(user_of(&one, id).await, None, "{}", place.name);
        }
        eventually("the other node knows", async || {
            let mut alive = 0;
            for id in &ids {
                alive += usize::from(user_of(&other, id).await.is_some());
            }
            alive == 0
        })
        .await;
        assert_eq!(one.end_all("bob").await.unwrap(), 0, "{}", place.name);
        assert_eq!(user_of(&other, &hers).await.as_deref(), Some("alice"), "{}", place.name);
    }
}

#[tokio::test]
async fn g17_one_session_or_all_others_can_be_ended() {
    for place in Places::new().places {
        let manager = place.manager();
        let [kept, one, other] =
            [(); 3].map(|()| async { log_in(&manager, "bob").await }).map(Box::pin);
        let [kept, one, other] = [kept.await, one.await, other.await];
        let fingerprint = async |id: &SessionId| {
            manager.open(Some(id.clone())).fingerprint().await.unwrap().unwrap()
        };
        let [of_kept, of_one] = [fingerprint(&kept).await, fingerprint(&one).await];
        assert!(!manager.end("alice", &of_one).await.unwrap(), "{}: it is bob's", place.name);
        assert!(manager.end("bob", &of_one).await.unwrap(), "{}", place.name);
        assert!(!manager.end("bob", &of_one).await.unwrap(), "{}", place.name);
        assert_eq!(user_of(&manager, &one).await, None);
        assert_eq!(manager.end_others("bob", &of_kept).await.unwrap(), 1, "{}", place.name);
        assert_eq!(user_of(&manager, &other).await, None);
        assert_eq!(user_of(&manager, &kept).await.as_deref(), Some("bob"), "{}", place.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g17_no_session_from_before_lives_whatever_is_in_flight() {
    for place in Places::new().places {
        for round in 0..3 {
            let [one, other] = place.nodes();
            let user = format!("bob {round}");
            let mut before = Vec::new();
            for _ in 0..20 {
                before.push(log_in(&one, &user).await);
            }
            let mut work = JoinSet::new();
            for (number, id) in before.iter().cloned().enumerate() {
                let (node, user) = ([&one, &other][number % 2].clone(), user.clone());
                work.spawn(async move {
                    let mut ids = Vec::new();
                    let session = node.open(Some(id));
                    // It may have been ended by then.
                    let _ = match number % 4 {
                        0 => session.set("b", 2).await,
                        1 => session.regenerate_id().await.map(drop),
                        2 => session.update_or("n", 0, |n| n + 1).await.map(drop),
                        _ => session.login(&user).await,
                    };
                    if let Outcome::Issued { id } | Outcome::Kept { id, .. } =
                        session.close().await.outcome
                    {
                        ids.push((id, number % 4 == 3));
                    }
                    ids
                });
            }
            tokio::time::sleep(Duration::from_millis(round)).await;
            one.end_all(&user).await.unwrap();
            let after: Vec<_> = work.join_all().await.into_iter().flatten().collect();
            for (id, is_login) in after {
                // A login that overlaps may come after.
                let alive = user_of(&one, &id).await.is_some();
                assert!(is_login || !alive, "{}: a session from before lives", place.name);
            }
            for id in &before {
                assert_eq!(user_of(&one, id).await, None, "{}", place.name);
            }
            // What lives is in the index.
            one.end_all(&user).await.unwrap();
            assert_eq!(count(&one, &user).await, 0, "{}", place.name);
        }
    }
}

#[tokio::test]
async fn g17_a_session_that_renews_itself_stays_in_the_list() {
    for place in Places::new().places {
        let builder = place.builder().grace(Duration::from_millis(100));
        let manager = builder.renew_after(Duration::from_millis(200)).build().unwrap();
        let mut id = log_in(&manager, "bob").await;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(250)).await;
            let session = manager.open(Some(id));
            assert_eq!(session.user().await.unwrap().as_deref(), Some("bob"), "{}", place.name);
            id = issued(&session).await;
            assert_eq!(count(&manager, "bob").await, 1, "{}", place.name);
        }
        assert_eq!(manager.end_all("bob").await.unwrap(), 1, "{}", place.name);
        assert_eq!(user_of(&manager, &id).await, None, "{}", place.name);
    }
}

#[tokio::test]
async fn ended_while_it_renews_itself_a_session_is_gone() {
    for place in Places::new().places {
        let builder = place.builder().grace(Duration::from_millis(50));
        let manager = builder.renew_after(Duration::from_millis(100)).build().unwrap();
        for pause in 0..10 {
            let id = log_in(&manager, "bob").await;
            tokio::time::sleep(Duration::from_millis(110)).await;
            let (node, old) = (manager.clone(), id.clone());
            let renewal = tokio::spawn(async move {
                let session = node.open(Some(old));
                let _ = session.user().await;
                session.close().await.outcome
            });
            tokio::time::sleep(Duration::from_micros(pause * 150)).await;
            manager.end_all("bob").await.unwrap();
            let outcome = renewal.await.unwrap();
            if let Outcome::Issued { id } | Outcome::Kept { id, .. } = outcome {
                assert_eq!(user_of(&manager, &id).await, None, "{} {pause}", place.name);
            }
            assert_eq!(user_of(&manager, &id).await, None, "{} {pause}", place.name);
        }
    }
}
