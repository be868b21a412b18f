//! Sessions opened with several claimed ids.

use session_core::{Outcome, SessionId};

use super::{close, create, is_whole, managers, stored};

fn unknown() -> SessionId {
    SessionId::random()
}

#[tokio::test]
async fn the_first_known_claim_is_read_and_kept() {
    for (manager, probe) in managers() {
        let good = create(&manager).await;
        probe.asked();
        let session = manager.open_any([unknown(), unknown(), good.clone(), unknown()]);
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        assert_eq!(session.id().await.unwrap(), Some(good.clone()));
        assert!(matches!(close(&session).await, Outcome::Kept { id, .. } if id == good));
        let expected = if is_whole(&manager) { 3 } else { 4 };
        let asked = probe.asked().into_iter().filter(|method| *method != "update_ttl");
        assert_eq!(asked.count(), expected, "an unknown claim costs one call");
        assert_eq!(manager.unknown_claims(), 2);
    }
}

#[tokio::test]
async fn the_first_known_claim_is_written() {
    for (manager, _) in managers() {
        let good = create(&manager).await;
        let session = manager.open_any([unknown(), good.clone()]);
        session.set("m", 2).await.unwrap();
        assert!(matches!(close(&session).await, Outcome::Kept { id, .. } if id == good));
        assert_eq!(stored(&manager, &good).await.unwrap(), r#"{"m":2,"n":1}"#);
    }
}

#[tokio::test]
async fn g2_the_first_known_claim_is_ended() {
    for (manager, _) in managers() {
        let good = create(&manager).await;
        let session = manager.open_any([unknown(), good.clone()]);
        session.remove_all().await.unwrap();
        assert_eq!(close(&session).await, Outcome::Ended);
        assert_eq!(stored(&manager, &good).await, None);
    }
}

#[tokio::test]
async fn g4_the_first_known_claim_is_renewed() {
    for (manager, _) in managers() {
        let good = create(&manager).await;
        let session = manager.open_any([unknown(), good.clone()]);
        let new = session.regenerate_id().await.unwrap().expect("it is known");
        assert_eq!(close(&session).await, Outcome::Issued { id: new.clone() });
        assert_eq!(stored(&manager, &good).await, None);
        assert_eq!(stored(&manager, &new).await.unwrap(), r#"{"n":1}"#);
    }
}

#[tokio::test]
async fn g3_unknown_claims_alone_are_never_adopted() {
    for (manager, _) in managers() {
        let claims = [unknown(), unknown()];
        let session = manager.open_any(claims.clone());
        assert_eq!(session.data().await.unwrap(), None);
        session.set("n", 1).await.unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        assert!(!claims.contains(&id));
        assert_eq!(manager.unknown_claims(), 2);
    }
}

#[tokio::test]
async fn the_time_left_is_that_of_the_first_known_claim() {
    for (manager, _) in managers() {
        let session = manager.open_any([unknown(), create(&manager).await]);
        assert!(session.expires_in().await.unwrap().is_some());
    }
}
