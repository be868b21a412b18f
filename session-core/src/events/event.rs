//! The events.

use std::fmt;

use crate::{Error, SessionId, Storage};

/// Something that has happened to a session, a claim or the store.
///
/// An event shows neither an id nor an item, nor who has logged in, so it is safe to log.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A session has begun: its first item is stored.
    #[non_exhaustive]
    Created {
        /// The session.
        session: EventSession<'a>,
    },
    /// A session has a new id.
    #[non_exhaustive]
    Renewed {
        /// The session under its new id.
        session: EventSession<'a>,
        /// The session under its old id.
        before: EventSession<'a>,
        /// How it was renewed.
        renewal: Renewal,
    },
    /// A user has logged in with a session.
    #[non_exhaustive]
    LoggedIn {
        /// The session, under the id that it has from now on.
        session: EventSession<'a>,
    },
    /// A user has logged out.
    #[non_exhaustive]
    LoggedOut {
        /// The session that the user was logged in with.
        session: EventSession<'a>,
    },
    /// A session was removed. One that expires is not noticed, because the store ends it.
    #[non_exhaustive]
    Ended {
        /// The session.
        session: EventSession<'a>,
        /// Who has ended it.
        by: EndedBy,
    },
    /// A client has sent an id that the store does not know: expired, ended or invented.
    #[non_exhaustive]
    UnknownClaim {
        /// The session that the client has asked for.
        session: EventSession<'a>,
        /// The storage that was asked.
        storage: &'a dyn Storage,
    },
    /// A client has sent an id that the store was not asked about.
    ///
    /// Told at most once for each request and reason, however many such ids a request has.
    #[non_exhaustive]
    RefusedClaim {
        /// What is wrong with the id.
        reason: ClaimRefusal,
    },
    /// The store has failed, refused or not answered in time.
    ///
    /// Told for every request that fails, and once for an outage that background tasks notice.
    #[non_exhaustive]
    StoreFailed {
        /// What has failed.
        operation: StoreOperation,
        /// The kind of failure.
        class: FailureClass,
        /// The reason, without ids and items. It may name a file or a setting of the server, so it
        /// is for operators and not for clients.
        reason: &'a str,
        /// Whether this reason is the first of its kind since the store was well, which is worth a
        /// log line.
        is_new: bool,
    },
    /// The store is well again: for requests, after ten seconds without a failure.
    #[non_exhaustive]
    StoreRecovered {
        /// What has shown it.
        operation: StoreOperation,
    },
}

/// A session in an event, of which only the fingerprint can be read.
#[derive(Clone, Copy)]
pub struct EventSession<'a> {
    id: &'a SessionId,
    /// The storage that knows the session by another id. `None` if the id is that of the store.
    storage: Option<&'a dyn Storage>,
}

impl<'a> EventSession<'a> {
    pub(crate) fn new(id: &'a SessionId, storage: &'a dyn Storage) -> Self {
        Self { id, storage: Some(storage) }
    }

    /// A session whose id is the one in the store.
    pub(crate) fn of_stored(id: &'a SessionId) -> Self {
        Self { id, storage: None }
    }

    /// Returns the [fingerprint](SessionId::fingerprint) of the session, the same as in the [list
    /// of a user's sessions](crate::Manager::sessions_of). Computes it now: one SHA-256, or two if
    /// ids are hashed.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Event;
    ///
    /// fn audit(event: &Event<'_>) {
    ///     if let Event::Created { session, .. } = event {
    ///         println!("session {} was created", session.fingerprint());
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let stored = self.storage.map(|storage| storage.stored_id(self.id));
        stored.as_ref().unwrap_or(self.id).fingerprint()
    }
}

/// Shows the beginning of the id, as other log lines do.
impl fmt::Debug for EventSession<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// Declares an enum of names, each the text of a label.
macro_rules! names {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// Returns the name in snake case, as metrics have it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

names! {
    /// How a session was given a new id.
    Renewal {
        /// By [`regenerate_id`](crate::Session::regenerate_id), as at a login.
        Explicit = "explicit",
        /// By itself, because the id was [old](crate::ManagerBuilder::renew_after).
        ByItself = "by_itself",
        /// By [`regenerate_id_keeping_old`](crate::Session::regenerate_id_keeping_old): the old
        /// session lives on.
        Copy = "copy",
    }
}

names! {
    /// Who has ended a session.
    EndedBy {
        /// A request of the session itself, as at a logout.
        Request = "request",
        /// Somebody else, who need not know its id.
        Administration = "administration",
    }
}

names! {
    /// What is wrong with an id that a client has sent.
    ClaimRefusal {
        /// It is not 1 to 128 characters of `A-Z a-z 0-9 _ -`.
        Malformed = "malformed",
        /// It has no signature, or none of a key in use.
        Signature = "signature",
    }
}

names! {
    /// What was done with the store.
    StoreOperation {
        /// A request has read its session.
        Read = "read",
        /// A request has written or ended its session.
        Write = "write",
        /// A background task has written times to live.
        Extend = "extend",
        /// The same, of some sessions only: a part of the store is away, such as a shard.
        ExtendSome = "extend_some",
        /// Times to live were written at [shutdown](crate::Manager::flush).
        Flush = "flush",
        /// A background task has removed expired sessions.
        Sweep = "sweep",
    }
}

names! {
    /// A kind of failure of the store.
    FailureClass {
        /// No answer came in time.
        Timeout = "timeout",
        /// The store was not reachable, or has refused.
        Storage = "storage",
    }
}

impl FailureClass {
    /// Returns the class of an error, or `None` if it is no failure of the store.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Timeout => Some(Self::Timeout),
            Error::Storage(_) => Some(Self::Storage),
            _ => None,
        }
    }
}
