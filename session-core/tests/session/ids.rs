//! Session ids: claims, renewal, and ids chosen by the application.

use session_core::{Closed, Error, Outcome, SessionId};

use super::{close, create, managers, stored};

#[tokio::test]
async fn g3_an_unknown_claim_is_never_adopted() {
    for (manager, _) in managers() {
        let claim = SessionId::random();
        let session = manager.open(Some(claim.clone()));
        assert_eq!(session.id().await.unwrap(), None);
        session.set("n", 1).await.unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        assert_ne!(id, claim);
        assert_eq!(stored(&manager, &claim).await, None);
        assert_eq!(manager.unknown_claims(), 1);

        // Not even if the first operation is a write.
        let session = manager.open(Some(claim.clone()));
        session.set("n", 1).await.unwrap();
        assert!(matches!(close(&session).await, Outcome::Issued { id } if id != claim));
        assert_eq!(manager.unknown_claims(), 2);
    }
}

#[tokio::test]
async fn reads_and_removals_under_a_stale_claim_leave_the_cookie_untouched() {
    for (manager, _) in managers() {
        let session = manager.open(Some(SessionId::random()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), None);
        session.remove(["n"]).await.unwrap();
        session.remove_all().await.unwrap();
        assert_eq!(close(&session).await, Outcome::Untouched);
    }
}

#[tokio::test]
async fn g4_renewing_keeps_the_data_and_kills_the_old_id() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        let session = manager.open(Some(old.clone()));
        let new = session.regenerate_id().await.unwrap().unwrap();
        assert_eq!(stored(&manager, &old).await, None, "the old id is dead at once");
        // A write after the renewal does not undo it.
        session.set("m", 2).await.unwrap();
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        assert_eq!(close(&session).await, Outcome::Issued { id: new.clone() });
        assert_eq!(stored(&manager, &new).await.as_deref(), Some(r#"{"m":2,"n":1}"#));
    }
}

#[tokio::test]
async fn renewing_can_leave_the_old_session_to_expire() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        let session = manager.open(Some(old.clone()));
        let new = session.regenerate_id_keeping_old().await.unwrap().unwrap();
        assert_eq!(close(&session).await, Outcome::Issued { id: new.clone() });
        assert_eq!(stored(&manager, &old).await, stored(&manager, &new).await);
    }
}

#[tokio::test]
async fn renewing_a_missing_session_does_nothing() {
    for (manager, _) in managers() {
        for claim in [None, Some(SessionId::random())] {
            let session = manager.open(claim);
            assert_eq!(session.regenerate_id().await.unwrap(), None);
            assert_eq!(close(&session).await, Outcome::Untouched);
        }
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        assert!(session.contains("n").await.unwrap());
        manager.open(Some(id)).remove_all().await.unwrap();
        assert!(matches!(session.regenerate_id().await, Err(Error::Vanished)));
    }
}

#[tokio::test]
async fn g4_a_renewed_id_is_issued_even_if_the_store_fails_afterwards() {
    for (manager, probe) in managers() {
        let old = create(&manager).await;
        let session = manager.open(Some(old));
        let new = session.regenerate_id().await.unwrap().unwrap();
        probe.set_down(true);
        let _ = session.set("m", 2).await;
        let Closed { outcome, failure, .. } = session.close().await;
        assert!(matches!(failure, Some(Error::Storage(_))));
        assert_eq!(outcome, Outcome::Issued { id: new });
    }
}

#[tokio::test]
async fn an_id_can_be_chosen_before_the_session_starts() {
    for (manager, probe) in managers() {
        let chosen = SessionId::parse("chosen").unwrap();
        let session = manager.open(Some(SessionId::random()));
        session.set_id(chosen.clone()).unwrap();
        assert_eq!(
            session.id().await.unwrap(),
            None,
            "the session does not exist before its first item"
        );
        assert!(probe.asked().is_empty());
        session.set("n", 1).await.unwrap();
        assert!(matches!(session.set_id(SessionId::random()), Err(Error::Started)));
        assert_eq!(close(&session).await, Outcome::Issued { id: chosen.clone() });

        let second = manager.open(None);
        second.set_id(chosen.clone()).unwrap();
        let _ = second.set("n", 2).await;
        let Closed { outcome, failure, .. } = second.close().await;
        assert!(matches!(failure, Some(Error::IdTaken)));
        assert_eq!(outcome, Outcome::Untouched);
        assert_eq!(stored(&manager, &chosen).await.as_deref(), Some(r#"{"n":1}"#));

        let third = manager.open(None);
        third.set_id_fn(|| SessionId::parse("generated").unwrap()).unwrap();
        third.set("n", 3).await.unwrap();
        assert!(
            matches!(close(&third).await, Outcome::Issued { id } if id.as_str() == "generated")
        );
    }
}

#[tokio::test]
async fn a_client_without_an_id_is_told_of_no_end() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        session.set("n", 1).await.unwrap();
        session.remove_all().await.unwrap();
        assert_eq!(close(&session).await, Outcome::Untouched);
    }
}

#[tokio::test]
async fn renewing_a_session_that_is_not_stored_yet_gives_it_another_id() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        session.set("n", 1).await.unwrap();
        let before = session.id().await.unwrap().unwrap();
        let new = session.regenerate_id().await.unwrap().expect("it has an item");
        assert_ne!(new, before);
        assert_eq!(session.id().await.unwrap(), Some(new.clone()));
        assert_eq!(close(&session).await, Outcome::Issued { id: new.clone() });
        assert_eq!(stored(&manager, &new).await.unwrap(), r#"{"n":1}"#);
        assert_eq!(stored(&manager, &before).await, None);
    }
}
