//! What a listener is told.
#![cfg(feature = "memory")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use session_core::{
    Changes, ClaimRefusal, Error, Event, Manager, ManagerBuilder, MemoryStorage, Result, SessionId,
    SetOptions, Snapshot, Storage, TtlRange, Written,
};
use tokio::time::{advance, sleep};

/// What was told, in words that tests compare.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn manager(&self, builder: ManagerBuilder) -> Manager {
        let told = self.clone();
        let listener = move |event: &Event<'_>| told.0.lock().unwrap().push(words(event));
        builder.listener(listener).build().unwrap()
    }
}

fn words(event: &Event<'_>) -> String {
    match event {
        Event::Created { session, .. } => format!("created {}", session.fingerprint()),
        Event::Renewed { session, before, renewal, .. } => {
            let (old, new) = (before.fingerprint(), session.fingerprint());
            format!("renewed {old} to {new}, {}", renewal.as_str())
        }
        Event::Ended { session, by, .. } => {
            format!("ended {} by {}", session.fingerprint(), by.as_str())
        }
        Event::LoggedIn { session, .. } => format!("logged in {}", session.fingerprint()),
        Event::LoggedOut { session, .. } => format!("logged out {}", session.fingerprint()),
        Event::UnknownClaim { session, .. } => format!("unknown {}", session.fingerprint()),
        Event::RefusedClaim { reason, .. } => format!("refused: {}", reason.as_str()),
        Event::StoreFailed { operation, class, reason, is_new, .. } => {
            format!("{} failed, {}, {reason}, new: {is_new}", operation.as_str(), class.as_str())
        }
        Event::StoreRecovered { operation, .. } => format!("{} works again", operation.as_str()),
        other => format!("{other:?}"),
    }
}

/// A memory storage that can be down.
#[derive(Debug, Default)]
struct Fragile {
    inner: MemoryStorage,
    is_down: AtomicBool,
}

impl Fragile {
    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    fn check(&self) -> Result<()> {
        match self.is_down.load(Ordering::Relaxed) {
            true => Err(Error::storage("fragile", "is down")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Storage for Fragile {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.check()?;
        self.inner.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.check()?;
        self.inner.set_session(id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.check()?;
        self.inner.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.check()?;
        self.inner.remove_all(id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.check()?;
        self.inner.expires_in(id).await
    }

    async fn sweep(&self) -> Result<()> {
        self.check()
    }
}

async fn new_session(manager: &Manager) -> SessionId {
    let session = manager.open(None);
    session.set("name", "secret-of-bob").await.unwrap();
    session.save().await.unwrap();
    let id = session.id().await.unwrap().expect("it is stored");
    let _ = session.close().await;
    id
}

#[tokio::test]
async fn a_session_is_told_when_it_begins_is_renewed_and_ends() {
    let told = Told::default();
    let manager = told.manager(Manager::builder(MemoryStorage::new()));
    let id = new_session(&manager).await;
    assert_eq!(told.take(), [format!("created {}", id.fingerprint())]);

    let session = manager.open(Some(id.clone()));
    assert!(session.contains("name").await.unwrap());
    assert_eq!(told.take(), [""; 0], "a read tells nothing");
    let new = session.regenerate_id().await.unwrap().expect("it is stored");
    let [old_print, print] = [&id, &new].map(SessionId::fingerprint);
    assert_eq!(told.take(), [format!("renewed {old_print} to {print}, explicit")]);
    let copy = session.regenerate_id_keeping_old().await.unwrap().expect("it is stored");
    let copied = copy.fingerprint();
    assert_eq!(told.take(), [format!("renewed {print} to {copied}, copy")]);
    session.remove_all().await.unwrap();
    assert_eq!(told.take(), [format!("ended {copied} by request")]);
}

#[tokio::test]
async fn a_renewal_by_itself_is_told() {
    let told = Told::default();
    let builder = Manager::builder(MemoryStorage::new()).grace(Duration::from_millis(20));
    let manager = told.manager(builder.renew_after(Duration::from_millis(30)));
    let id = new_session(&manager).await;
    told.take();
    sleep(Duration::from_millis(40)).await;
    let session = manager.open(Some(id.clone()));
    assert!(session.contains("name").await.unwrap());
    let _ = session.close().await;
    let told = told.take();
    let beginning = format!("renewed {} to ", id.fingerprint());
    assert!(matches!(&told[..], [one] if one.starts_with(&beginning)), "{told:?}");
    assert!(told[0].ends_with(", by_itself"), "{told:?}");
}

#[tokio::test]
async fn an_id_that_the_store_does_not_know_or_is_not_asked_about_is_told() {
    let told = Told::default();
    let manager = told.manager(Manager::builder(MemoryStorage::new()));
    let invented = SessionId::parse("invented").unwrap();
    assert_eq!(manager.open(Some(invented.clone())).data().await.unwrap(), None);
    assert_eq!(told.take(), [format!("unknown {}", invented.fingerprint())]);
    manager.refuse_claim(ClaimRefusal::Malformed);
    assert_eq!(told.take(), ["refused: malformed"]);
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_store_and_its_recovery_are_told() {
    let told = Told::default();
    let storage = Arc::new(Fragile::default());
    let manager = told.manager(Manager::builder(storage.clone()));
    let id = new_session(&manager).await;
    sleep(Duration::from_millis(100)).await;
    told.take();
    storage.set_down(true);
    let reason = "session storage failed: fragile: is down";
    for is_new in [true, false] {
        manager.open(Some(id.clone())).data().await.unwrap_err();
        assert_eq!(told.take(), [format!("read failed, storage, {reason}, new: {is_new}")]);
    }
    let session = manager.open(Some(id.clone()));
    session.remove_all().await.unwrap_err();
    assert_eq!(told.take(), [format!("write failed, storage, {reason}, new: false")]);

    storage.set_down(false);
    advance(Duration::from_secs(10)).await;
    assert!(manager.open(Some(id)).contains("name").await.unwrap());
    assert_eq!(told.take(), ["read works again"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_only_background_tasks_notice_is_told_once() {
    let told = Told::default();
    let storage = Arc::new(Fragile::default());
    let manager = told.manager(Manager::builder(storage.clone()));
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(new_session(&manager).await);
    }
    sleep(Duration::from_secs(20)).await;
    for id in &ids {
        // A use, whose time to live is written by the background task.
        assert!(manager.open(Some(id.clone())).contains("name").await.unwrap());
    }
    told.take();
    storage.set_down(true);
    sleep(Duration::from_secs(30)).await;
    let reason = "session storage failed: fragile: is down";
    let told_once = [format!("extend failed, storage, {reason}, new: true")];
    let extensions = |told: &Told| {
        let told = told.take().into_iter();
        told.filter(|told| told.starts_with("extend")).collect::<Vec<_>>()
    };
    assert_eq!(extensions(&told), told_once);
    storage.set_down(false);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(extensions(&told), ["extend works again"]);
}

#[tokio::test]
async fn a_listener_that_panics_harms_no_request() {
    let builder = Manager::builder(MemoryStorage::new());
    let manager = builder.listener(|_: &Event<'_>| panic!("on purpose")).build().unwrap();
    let id = new_session(&manager).await;
    let session = manager.open(Some(id));
    assert!(session.contains("name").await.unwrap());
    session.remove_all().await.unwrap();
}

#[tokio::test]
async fn a_listener_may_call_the_manager() {
    let (told, storage) = (Told::default(), Arc::new(Fragile::default()));
    let slot: Arc<Mutex<Option<Manager>>> = Arc::default();
    let (inner, words) = (slot.clone(), told.clone());
    let listener = move |_: &Event<'_>| {
        let manager = inner.lock().unwrap().clone().expect("it is built");
        words.0.lock().unwrap().push(format!("{:?}", manager.last_failure().is_some()));
    };
    let manager = Manager::builder(storage.clone()).listener(listener).build().unwrap();
    *slot.lock().unwrap() = Some(manager.clone());
    let id = new_session(&manager).await;
    storage.set_down(true);
    manager.open(Some(id)).data().await.unwrap_err();
    let told = told.take();
    assert_eq!((told.first(), told.last()), (Some(&"false".into()), Some(&"true".into())));
    // It holds itself.
    *slot.lock().unwrap() = None;
}

#[tokio::test]
async fn g12_no_event_shows_an_id_or_a_value() {
    let shown: Arc<Mutex<String>> = Arc::default();
    let all = shown.clone();
    let listener = move |event: &Event<'_>| *all.lock().unwrap() += &format!("{event:?}\n");
    let storage = Arc::new(Fragile::default());
    let manager = Manager::builder(storage.clone()).listener(listener).build().unwrap();
    let mut ids = vec![new_session(&manager).await, SessionId::random()];
    assert_eq!(manager.open(Some(ids[1].clone())).data().await.unwrap(), None);
    let session = manager.open(Some(ids[0].clone()));
    ids.extend(session.regenerate_id().await.unwrap());
    ids.extend(session.regenerate_id_keeping_old().await.unwrap());
    session.remove_all().await.unwrap();
    storage.set_down(true);
    manager.open(Some(ids[2].clone())).data().await.unwrap_err();
    manager.refuse_claim(ClaimRefusal::Signature);

    let shown = shown.lock().unwrap();
    for kind in ["Created", "Renewed", "Ended", "UnknownClaim", "StoreFailed", "RefusedClaim"] {
        assert!(shown.contains(kind), "{kind}: {shown}");
    }
    for id in &ids {
        assert!(!shown.contains(&id.as_str()[..8]), "{shown}");
    }
    assert!(ids.len() == 4 && !shown.contains("secret-of-bob"), "{shown}");
}

#[tokio::test]
async fn logins_logouts_and_ends_by_others_are_told() {
    let told = Told::default();
    let manager =
        told.manager(Manager::builder(session_core::HashedIds::new(MemoryStorage::new())));
    let session = manager.open(None);
    session.login("bob").await.unwrap();
    let one = session.fingerprint().await.unwrap().unwrap();
    assert_eq!(told.take(), [format!("created {one}"), format!("logged in {one}")]);
    session.logout().await.unwrap();
    let ended = format!("ended {one} by request");
    assert_eq!(told.take(), [format!("logged out {one}"), ended]);

    let session = manager.open(None);
    session.login("bob").await.unwrap();
    let other = session.fingerprint().await.unwrap().unwrap();
    told.take();
    assert!(manager.end("bob", &other).await.unwrap());
    assert_eq!(told.take(), [format!("ended {other} by administration")]);
}
