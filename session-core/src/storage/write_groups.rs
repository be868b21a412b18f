//! Writers of one session that wait for each other: one write for all who wait.
//!
//! The first writer of a session writes by itself. Whoever comes meanwhile waits, and is written
//! for together with all others who wait, in one write of the store. The answers are those of
//! writes one after the other. A task of its own writes for groups, so that a writer that is
//! dropped takes no other writer with it.

use std::{collections::HashMap, future::Future, mem, sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::oneshot::{self, Receiver},
    task::yield_now,
    time::timeout,
};

use crate::{
    Changes, Condition, Error, Lifetime, Result, SessionId, SetOptions, Snapshot, Written,
    shards::Shards,
};

/// A group takes no more than this many bytes of changes, so that small writes are not held up by
/// large ones, nor fail with them.
const MAX_BYTES: usize = 256 * 1024;

/// A storage that can write for several writers at once.
pub(crate) trait GroupedWrites: Clone + Send + Sync + 'static {
    /// The name of the storage in errors.
    const NAME: &'static str;

    fn groups(&self) -> &WriteGroups;

    /// Returns how long a writer waits for its group, unless others see to that.
    fn patience(&self) -> Option<Duration>;

    /// Applies all writes of a group to the session and answers each. `latest` is the session as
    /// the group before has stored it. Returns the session as this one has.
    fn write_group(
        &self,
        id: &SessionId,
        group: Group,
        latest: Option<Snapshot>,
    ) -> impl Future<Output = Option<Snapshot>> + Send;
}

/// The sessions that are being written, with the writers that wait.
#[derive(Default)]
pub(crate) struct WriteGroups(Shards<HashMap<SessionId, Vec<Waiting>>, 32>);

/// Writes that are stored together.
pub(crate) struct Group(Vec<Waiting>);

/// A write that somebody waits for.
struct Waiting {
    changes: Changes,
    lifetime: Lifetime,
    #[cfg(feature = "redis")]
    seen: Option<Snapshot>,
    condition: Option<Arc<dyn Condition>>,
    answer: oneshot::Sender<Answer>,
}

/// What a waiting writer is told; `None` if it has to try again. Dropped if nobody knows.
type Answer = Option<Result<Written>>;

/// The turn of a session's first writer. When it ends, those who wait are written for.
struct Turn<'a, S: GroupedWrites> {
    storage: &'a S,
    id: &'a SessionId,
    stored: Option<Snapshot>,
}

/// The outcome of the writes of a group.
pub(crate) struct Applied {
    /// The session to store and its time to live; `None` if nothing is to be written.
    pub(crate) new: Option<(Snapshot, Duration)>,
    /// The answers, once that is stored.
    pub(crate) answers: Vec<Written>,
}

/// Updates a session: by `alone`, which also returns the session as stored if it knows it, or in a
/// group if the session is being written.
///
/// A write that is dropped before its group is applied is not written.
pub(crate) async fn update<S: GroupedWrites>(
    storage: &S,
    id: &SessionId,
    changes: &Changes,
    options: SetOptions<'_>,
    alone: impl Future<Output = Result<(Written, Option<Snapshot>)>>,
) -> Result<Written> {
    while let Some(answer) = storage.groups().begin(id, changes, options) {
        let answer = match storage.patience() {
            None => answer.await,
            Some(patience) => timeout(patience, answer).await.map_err(|_| Error::Timeout)?,
        };
        // Nobody answers if the runtime that wrote for the group was shut down meanwhile.
        let abandoned = |_| Some(Err(Error::storage(S::NAME, "the write was abandoned")));
        if let Some(answer) = answer.unwrap_or_else(abandoned) {
            return answer;
        }
    }
    let mut turn = Turn { storage, id, stored: None };
    let (written, stored) = alone.await?;
    turn.stored = stored;
    Ok(written)
}

impl WriteGroups {
    /// Begins a turn, or waits if there is one.
    fn begin(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Option<Receiver<Answer>> {
        let mut shard = self.0.lock(id.as_str());
        let Some(waiting) = shard.get_mut(id) else {
            shard.insert(id.clone(), Vec::new());
            return None;
        };
        let (answer, answered) = oneshot::channel();
        let (changes, lifetime) = (changes.clone(), options.lifetime);
        waiting.push(Waiting {
            changes,
            lifetime,
            #[cfg(feature = "redis")]
            seen: options.seen.cloned(),
            condition: options.condition.cloned(),
            answer,
        });
        Some(answered)
    }

    /// Takes those who wait. If there are none, the turn has ended.
    fn next(&self, id: &SessionId) -> Option<Group> {
        let mut shard = self.0.lock(id.as_str());
        let waiting = shard.get_mut(id)?;
        waiting.retain(Waiting::is_awaited);
        if waiting.is_empty() {
            shard.remove(id);
            return None;
        }
        let mut bytes = 0;
        let fits = |write: &&Waiting| {
            bytes += write.changes.size();
            bytes <= MAX_BYTES
        };
        let count = waiting.iter().take_while(fits).count().max(1);
        let rest = waiting.split_off(count);
        Some(Group(mem::replace(waiting, rest)))
    }

    /// Ends a turn before its time: those who wait try again.
    fn abandon(&self, id: &SessionId) {
        let waiting = self.0.lock(id.as_str()).remove(id);
        for write in waiting.into_iter().flatten() {
            let _ = write.answer.send(None);
        }
    }
}

impl<S: GroupedWrites> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        let Some(group) = self.storage.groups().next(self.id) else { return };
        let (storage, id) = (self.storage.clone(), self.id.clone());
        let rest = Rest { storage, id, has_ended: false };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(rest.write(group, self.stored.take()));
        }
    }
}

/// The turn of a task that writes for others.
struct Rest<S: GroupedWrites> {
    storage: S,
    id: SessionId,
    has_ended: bool,
}

impl<S: GroupedWrites> Rest<S> {
    async fn write(mut self, group: Group, mut latest: Option<Snapshot>) {
        let mut group = Some(group);
        while let Some(writes) = group {
            latest = self.storage.write_group(&self.id, writes, latest).await;
            // Those whose requests are ready to be read get into the next group.
            yield_now().await;
            group = self.storage.groups().next(&self.id);
        }
        self.has_ended = true;
    }
}

/// Whatever ends the task, the session can be written again.
impl<S: GroupedWrites> Drop for Rest<S> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.storage.groups().abandon(&self.id);
        }
    }
}

impl Group {
    /// Returns the session as the last of the writers has seen it, if one has.
    #[cfg(feature = "redis")]
    pub(crate) fn seen(&self) -> Option<Snapshot> {
        self.0.iter().rev().find_map(|write| write.seen.clone())
    }

    /// Returns the size of all changes in bytes.
    #[cfg(feature = "redis")]
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|write| write.changes.size()).sum()
    }

    /// Applies the writes to the session that is stored, one after the other.
    pub(crate) fn apply(&self, stored: Option<&Snapshot>) -> Applied {
        let mut current = stored.cloned();
        let mut applied = Applied { new: None, answers: Vec::with_capacity(self.0.len()) };
        for alike in self.0.chunk_by(Waiting::is_like) {
            let accept = |write: &Waiting| write.accepts(current.as_ref());
            let accepted: Vec<bool> = alike.iter().map(accept).collect();
            let mut changes = None::<Changes>;
            for (write, _) in alike.iter().zip(&accepted).filter(|(_, accepts)| **accepts) {
                if write.is_awaited() {
                    changes.get_or_insert_default().extend(write.changes.clone());
                }
            }
            let lifetime = alike[0].lifetime;
            let update = SetOptions::update(lifetime.ttl).lifetime(lifetime);
            let new = changes.and_then(|changes| update.apply(&changes, current.as_ref()));
            let answer = new.as_ref().map_or(Written::Refused, |(new, _)| Written::saved(new));
            let answer = |accepts| if accepts { answer.clone() } else { Written::Refused };
            applied.answers.extend(accepted.into_iter().map(answer));
            if let Some((new, ttl)) = new {
                current = Some(new.clone());
                applied.new = Some((new, ttl));
            }
        }
        applied
    }

    /// Answers each writer. Some may wait no longer.
    pub(crate) fn answer(self, result: Result<Vec<Written>>) {
        match result {
            Ok(answers) => self.0.into_iter().zip(answers).for_each(|(write, answer)| {
                let _ = write.answer.send(Some(Ok(answer)));
            }),
            Err(error) => self.0.into_iter().for_each(|write| {
                let _ = write.answer.send(Some(Err(error.shared())));
            }),
        }
    }
}

impl Waiting {
    fn is_awaited(&self) -> bool {
        !self.answer.is_closed()
    }

    /// Returns whether changes may be applied to this session, as far as the writer knows.
    fn accepts(&self, stored: Option<&Snapshot>) -> bool {
        let session = stored.filter(|stored| !stored.is_marker());
        let (Some(condition), Some(session)) = (&self.condition, session) else { return true };
        condition.is_met_by(session)
    }

    /// Returns whether two writes have the same answer, so that they can be applied as one.
    fn is_like(&self, next: &Self) -> bool {
        self.lifetime == next.lifetime && !self.changes.has_meta() && !next.changes.has_meta()
    }
}

#[cfg(test)]
mod tests;
