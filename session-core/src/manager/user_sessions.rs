//! The sessions of a user, read one by one.

use std::{
    cmp::Reverse,
    collections::HashSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    handle::Manager,
    users::{AT_ONCE, MOVES},
};
use crate::{Error, Result, SessionId, Snapshot, snapshot::Meta};

/// A session of a user, as [`Manager::sessions_of`] lists it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UserSession {
    /// What can be shown in place of the id. [`Session::fingerprint`](crate::Session::fingerprint)
    /// is the same for the session of a request.
    pub fingerprint: String,
    /// When the session was created.
    pub created: SystemTime,
    /// When the user has logged in.
    pub authenticated: SystemTime,
    /// When the session was last used, exact to a [touch interval](Manager::touch_interval). `None`
    /// if that cannot be told, because the session is close to its absolute end.
    pub last_used: Option<SystemTime>,
    /// When the session ends unless it is used before, exact to a touch interval.
    pub expires: SystemTime,
    /// The items of the session.
    pub items: Snapshot,
    pub(super) id: SessionId,
}

/// The sessions of a user, read one after the other while others may be renewed.
struct Reading {
    found: Vec<UserSession>,
    doubts: Vec<Doubt>,
}

/// What a renewal between two reads looks like.
#[derive(PartialEq, Eq, Hash)]
enum Doubt {
    /// The session of this entry may have been renewed before it was read.
    Absent(SessionId),
    /// This session and another one may be the same, before and after a renewal.
    Repeated(SessionId),
}

impl Reading {
    fn new(read: Vec<(SessionId, Option<UserSession>)>) -> Self {
        let mut reading = Self { found: Vec::new(), doubts: Vec::new() };
        for (id, session) in read {
            match session {
                Some(session) => reading.found.push(session),
                None => reading.doubts.push(Doubt::Absent(id)),
            }
        }
        let order = |session: &UserSession| (session.authenticated, session.created);
        reading.found.sort_by_key(|session| Reverse((order(session), session.id.clone())));
        let pairs = reading.found.windows(2).filter(|pair| order(&pair[0]) == order(&pair[1]));
        reading.doubts.extend(pairs.flatten().map(|one| Doubt::Repeated(one.id.clone())));
        reading
    }
}

impl Manager {
    /// Lists the sessions of a user, the one with the latest login first.
    ///
    /// Reads every session of the user: two round trips for each, 16 at once. A session that lives
    /// all the while is in the list once, even if it is renewed meanwhile: where it may have been,
    /// all are read again.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the storage has no [index of users](crate::Storage::users);
    /// [`Error::Storage`] or [`Error::Timeout`] if the store fails.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let session = manager.open(None);
    /// session.set("browser", "Firefox").await?;
    /// session.login("bob").await?;
    ///
    /// let sessions = manager.sessions_of("bob").await?;
    /// assert_eq!(sessions[0].items.get("browser")?, Some("Firefox".to_owned()));
    /// # Ok(()) }
    /// ```
    pub async fn sessions_of(&self, user: &str) -> Result<Vec<UserSession>> {
        let mut known_doubts = HashSet::new();
        for _ in 0..MOVES {
            let sessions = self.read_sessions_of(user).await?;
            // Each doubt is worth one more look. That of a stale entry never goes away.
            let number = known_doubts.len();
            known_doubts.extend(sessions.doubts);
            if known_doubts.len() == number {
                return Ok(sessions.found);
            }
        }
        Ok(self.read_sessions_of(user).await?.found)
    }

    async fn read_sessions_of(&self, user: &str) -> Result<Reading> {
        let entries = self.limited(self.index()?.list(user)).await?;
        let read: Vec<(SessionId, Option<UserSession>)> = stream::iter(entries)
            .map(|entry| async {
                let session = self.session_of(user, entry.id.clone()).await?;
                Ok::<_, Error>((entry.id, session))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(Reading::new(read))
    }

    async fn session_of(&self, user: &str, id: SessionId) -> Result<Option<UserSession>> {
        let found = self.limited(self.stored().get_session(&id)).await?;
        let left = self.limited(self.stored().expires_in(&id)).await?;
        let Some((items, left)) = found.zip(left) else { return Ok(None) };
        let meta = items.read_meta();
        let (Some(login), Some(ttl)) = (meta.login(), self.lifetime().ttl_by(&meta)) else {
            return Ok(None);
        };
        if *login.user != *user {
            return Ok(None);
        }
        let (now, left) = (SystemTime::now(), left.min(ttl));
        Ok(Some(UserSession {
            fingerprint: id.fingerprint(),
            created: moment(meta.created().unwrap_or(login.at)),
            authenticated: moment(login.at),
            last_used: self.idle_time(&meta, left).and_then(|idle| now.checked_sub(idle)),
            expires: now + left,
            items,
            id,
        }))
    }

    /// Returns how long a session was not used, unless its absolute end is nearer than its expiry.
    fn idle_time(&self, meta: &Meta, left: Duration) -> Option<Duration> {
        let lifetime = self.lifetime();
        let ttl = meta.ttl().unwrap_or(lifetime.ttl);
        let is_capped = lifetime.left_of_absolute(meta).is_some_and(|end| end <= left);
        (!is_capped || left == ttl).then(|| ttl.saturating_sub(left))
    }
}

fn moment(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}
