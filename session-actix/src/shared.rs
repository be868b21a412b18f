//! What all requests behind one middleware share.

use session_core::{Closed, Manager, Outcome};

use crate::{name::Name, transport::Transport};

#[derive(Debug)]
pub(crate) struct Shared {
    /// `None` for a session that the plain extractor gives.
    pub(crate) name: Option<Name>,
    pub(crate) manager: Manager,
    pub(crate) transport: Transport,
}

impl Shared {
    /// Returns the name for log lines.
    pub(crate) fn name_text(&self) -> &str {
        self.name.map_or("the one without a name", |name| name.text)
    }

    /// Finds out whether the session still exists before its id is sent again.
    ///
    /// Another request may have renewed or ended it while this one was running. Its cookie must not
    /// replace the one that the client was sent then.
    pub(crate) async fn prove_cookie(&self, mut closed: Closed) -> Closed {
        if let Outcome::Kept { id, .. } = &closed.outcome
            && !self.manager.extend(id, closed.time_left).await
        {
            closed.outcome = Outcome::Untouched;
        }
        closed
    }

    /// Reads how long the session lives, which the cookie follows.
    pub(crate) async fn read_ttl(&self, mut closed: Closed) -> Closed {
        if let Outcome::Kept { id, .. } | Outcome::Issued { id } = &closed.outcome {
            let (ttl, is_own) = self.manager.cookie_ttl(id, closed.time_left).await;
            (closed.ttl, closed.has_own_ttl) = (Some(ttl), is_own);
        }
        closed
    }
}
