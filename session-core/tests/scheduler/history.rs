//! What has happened in a run: answers to the requests, and every change of the store.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use session_core::{SessionId, Snapshot, Storage};

use crate::{
    request::{Answer, Op, Response},
    turns::Doing,
};

/// A session as it is stored, or `None` if there is none.
pub(crate) type Stored = Option<Snapshot>;

#[derive(Debug)]
pub(crate) enum Event {
    Started {
        request: usize,
        claims: Vec<SessionId>,
    },
    Answered {
        request: usize,
        op: Op,
        answer: Answer,
    },
    Responded {
        request: usize,
        response: Response,
    },
    Dropped {
        request: usize,
    },
    Generated {
        request: usize,
        id: SessionId,
    },
    /// A request is about to move a session to another id.
    Moving {
        request: usize,
        from: SessionId,
        to: SessionId,
        /// Whether the old id leads to the new one.
        is_followed: bool,
    },
    /// The absolute end of the first session has come.
    Over,
    /// The store has changed. Without `by`, sessions have expired.
    Changed {
        by: Option<Doing>,
        changes: Vec<(SessionId, Stored)>,
    },
    /// A request has asked the store about a session at the end, to send its cookie.
    Proved {
        request: usize,
        id: SessionId,
        exists: bool,
    },
    /// Waiting has not ended.
    Stuck,
}

/// The events of a run in their order. Their positions serve as times.
#[derive(Debug, Default)]
pub(crate) struct History(Mutex<Record>);

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) events: Vec<Event>,
    /// The ids that exist or may come to exist, in the order in which they became known.
    pub(crate) ids: Vec<SessionId>,
    pub(crate) stored: BTreeMap<SessionId, Snapshot>,
}

impl Record {
    pub(crate) fn has_responded(&self, number: usize) -> bool {
        let is_it =
            |event: &Event| matches!(event, Event::Responded { request, .. } if *request == number);
        self.events.iter().any(is_it)
    }
}

impl History {
    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap()
    }

    pub(crate) fn push(&self, event: Event) {
        self.record().events.push(event);
    }

    /// Watches an id from now on.
    pub(crate) fn watch(&self, id: &SessionId) {
        self.record().ids.push(id.clone());
    }

    /// Looks at the store itself, and records what has changed.
    pub(crate) async fn observe(&self, store: &dyn Storage, by: Option<Doing>) {
        let ids = self.record().ids.clone();
        let mut changes = Vec::new();
        for id in ids {
            let now = store.get_session(&id).await.expect("the store itself works");
            let now = now.filter(|session| !session.is_marker());
            let mut record = self.record();
            if record.stored.get(&id) != now.as_ref() {
                match &now {
                    Some(session) => record.stored.insert(id.clone(), session.clone()),
                    None => record.stored.remove(&id),
                };
                changes.push((id, now));
            }
        }
        if !changes.is_empty() {
            self.push(Event::Changed { by, changes });
        }
    }
}
