//! Decryption of what a storage returns.

use serde_json::value::RawValue;

use super::{
    key_ring::KeyRing,
    opener::{Opened, decrypted_length},
    sealed_login::Login,
};
use crate::{
    SessionId, Snapshot,
    recent::Recent,
    snapshot::{Origin, Writer},
};

/// Decrypts items and sessions of a storage.
#[derive(Debug)]
pub(super) struct Decrypter {
    pub(super) keys: KeyRing,
    pub(super) accepts_plain: bool,
    /// Whether the storage is one of whole sessions.
    pub(super) is_whole: bool,
    /// Whole sessions that were decrypted lately. Most requests read one that no request has
    /// changed since the one before.
    pub(super) recent: Recent,
}

impl Decrypter {
    /// Decrypts one item. `None` if it counts as none.
    pub(super) fn item(
        &self,
        id: &SessionId,
        key: &str,
        text: Box<RawValue>,
    ) -> Option<Box<RawValue>> {
        match self.keys.opener(id).open(key, text.get()) {
            Opened::Item(item, _) => Some(item.to_owned()),
            Opened::Plain if self.accepts_plain => Some(text),
            Opened::Plain | Opened::Unreadable => {
                log::warn!(
                    "session {id:?} has an item that cannot be decrypted and counts as none"
                );
                None
            }
        }
    }

    /// Decrypts a whole session, unless it was decrypted before and has not changed since.
    pub(super) fn whole(&self, id: &SessionId, stored: Option<Snapshot>) -> Option<Snapshot> {
        let Some(stored) = stored else {
            self.recent.remove(id);
            return None;
        };
        let kept = self.recent.get(id).filter(|session| session.origin() == Some(&stored));
        kept.or_else(|| self.session(id, stored).inspect(|session| self.recent.put(id, session)))
    }

    /// Decrypts a session, or of one from a storage of items what is there of it. `None` if it
    /// counts as none.
    pub(super) fn session(&self, id: &SessionId, stored: Snapshot) -> Option<Snapshot> {
        let mut opener = self.keys.opener(id);
        let login = self.login(&mut opener, stored.meta());
        let meta = login.meta(stored.meta());
        let shorter = stored.iter().map(|(_, text)| text.len() - decrypted_length(text));
        let length = stored.stored().len() - shorter.sum::<usize>();
        let mut session = Writer::new(length, stored.len(), meta.as_deref());
        let (mut sealed, mut plain, mut is_current) = (0, 0, true);
        for (key, text) in stored.iter() {
            match opener.open(key, text) {
                Opened::Item(item, is_of_first_key) => {
                    sealed += 1;
                    is_current &= is_of_first_key;
                    session.item(key, item.get());
                }
                Opened::Plain if self.accepts_plain => {
                    plain += 1;
                    session.item(key, text);
                }
                Opened::Plain | Opened::Unreadable => {}
            }
        }
        let mut is_readable = session.len() == stored.len();
        match &login {
            Login::None => {}
            Login::Sealed { is_of_first_key, .. } => {
                sealed += 1;
                is_current &= is_of_first_key;
            }
            Login::Plain => plain += 1,
            Login::Unreadable => (is_readable, is_current) = (false, false),
        }
        // This library writes no session that is encrypted in part, except item by item.
        let is_one = sealed == 0 || plain == 0;
        if self.is_whole && !(is_readable && is_one) {
            log::warn!("session {id:?} cannot be decrypted and counts as none");
            return None;
        }
        if !is_readable {
            log::warn!("session {id:?} has items that cannot be decrypted and count as none");
            // Nothing is left of it that is known to be its own.
            if session.len() == 0 {
                return None;
            }
        }
        session.finish_decrypted(Origin { stored, is_current: is_current && plain == 0 })
    }
}
