//! Times to live and expiry.

use std::time::Duration;

use session_core::{Error, Granularity, Manager, Outcome, SessionId};
use tokio::time::sleep;

use super::{TTL, close, create, managers, probe::Probe, stored};

#[tokio::test(start_paused = true)]
async fn g9_a_read_keeps_a_session_alive_and_expiry_is_exact() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        for _ in 0..20 {
            sleep(Duration::from_secs(37)).await;
            let session = manager.open(Some(id.clone()));
            assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
            close(&session).await;
        }
        sleep(TTL - Duration::from_millis(200)).await;
        assert!(stored(&manager, &id).await.is_some());
        sleep(Duration::from_millis(400)).await;
        assert_eq!(stored(&manager, &id).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn g9_frequent_reads_write_the_ttl_once_per_interval_and_expiry_stays_exact() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        probe.asked();
        for _ in 0..600 {
            sleep(Duration::from_millis(100)).await;
            let session = manager.open(Some(id.clone()));
            assert!(session.contains("n").await.unwrap());
            close(&session).await;
        }
        let writes = probe.asked().iter().filter(|method| **method == "update_ttl").count();
        assert!((9..=11).contains(&writes), "{writes} in 60 s at an interval of 6 s");
        sleep(TTL - Duration::from_millis(200)).await;
        assert!(stored(&manager, &id).await.is_some());
        sleep(Duration::from_millis(400)).await;
        assert_eq!(stored(&manager, &id).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn g9_reading_an_absent_item_keeps_a_session_alive_too() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        sleep(TTL - Duration::from_secs(1)).await;
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("absent").await.unwrap(), None);
        close(&session).await;
        sleep(TTL - Duration::from_secs(1)).await;
        assert!(stored(&manager, &id).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn g9_flush_writes_the_pending_ttls() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        sleep(Duration::from_secs(5)).await;
        let session = manager.open(Some(id.clone()));
        assert!(session.contains("n").await.unwrap());
        close(&session).await;
        let left = async || manager.storage().expires_in(&id).await.unwrap().unwrap().as_secs();
        assert!(left().await < 56);
        manager.flush().await;
        assert!(left().await >= 59);
    }
}

#[tokio::test(start_paused = true)]
async fn reading_the_time_left_does_not_extend_it() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        for passed in [10, 20, 30] {
            sleep(Duration::from_secs(10)).await;
            let session = manager.open(Some(id.clone()));
            let left = session.expires_in().await.unwrap().unwrap();
            assert_eq!(left.as_secs_f32().round() as u64, 60 - passed);
            assert_eq!(close(&session).await, Outcome::Untouched);
        }
        assert_eq!(manager.open(None).expires_in().await.unwrap(), None);
        assert_eq!(manager.open(Some(SessionId::random())).expires_in().await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_that_could_not_be_written_is_written_when_the_store_is_back() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        sleep(Duration::from_secs(50)).await;
        let session = manager.open(Some(id.clone()));
        assert!(session.contains("n").await.unwrap());
        probe.set_down(true);
        close(&session).await;
        sleep(Duration::from_secs(3)).await;
        probe.set_down(false);
        sleep(Duration::from_secs(20)).await;
        assert!(stored(&manager, &id).await.is_some());
    }
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let build = |ttl| Manager::builder(Probe::new(Granularity::Whole)).ttl(ttl).build();
    assert!(matches!(build(Duration::ZERO), Err(Error::Config(_))));
    assert!(matches!(build(Duration::MAX), Err(Error::Config(_))));
    assert!(build(Duration::from_millis(1)).is_ok());
    assert!(build(session_core::MAX_TTL).is_ok());
}

#[tokio::test(start_paused = true)]
async fn g9_a_lowered_ttl_reaches_sessions_that_are_only_read() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        let lowered = Manager::builder(probe.clone()).ttl(TTL / 10).build().unwrap();
        let session = lowered.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        close(&session).await;
        sleep(TTL / 5).await;
        assert_eq!(stored(&manager, &id).await, None);
    }
}
