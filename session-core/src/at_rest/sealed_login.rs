//! Whose session it is, in metadata that is encrypted and in the index of users.

use std::borrow::Cow;

use async_trait::async_trait;

use super::{
    decrypter::Decrypter,
    key_ring::KeyRing,
    opener::{Opened, Opener},
    place::Place,
    sealed::Sealed,
};
use crate::{
    NewEntry, Result, SessionId, Snapshot, Storage, UserEntry, UserIndex,
    snapshot::{Json, LOGIN_PART, META_KEY, Meta, NO_META},
};

/// What the metadata in the store says about whose session it is.
pub(super) enum Login {
    None,
    /// With the metadata as it is without encryption.
    Sealed {
        meta: String,
        is_of_first_key: bool,
    },
    Plain,
    Unreadable,
}

impl Login {
    /// Returns the metadata of the session, given that in the store.
    pub(super) fn meta<'a>(&'a self, stored: Option<&'a str>) -> Option<Cow<'a, str>> {
        match self {
            Self::Sealed { meta, .. } => Some(Cow::Borrowed(meta)),
            Self::None | Self::Plain => stored.map(Cow::Borrowed),
            Self::Unreadable => without_login(stored).map(Cow::Owned),
        }
    }
}

fn without_login(stored: Option<&str>) -> Option<String> {
    let mut meta = Meta::read(stored?);
    meta.map_login(|_| None);
    Some(meta.write().unwrap_or_else(|| NO_META.to_owned()))
}

impl KeyRing {
    /// Encrypts whose session it is, bound to its id.
    pub(super) fn seal_login(&self, id: &SessionId, login: &Json) -> Json {
        Json(self.seal(&Place::new(id, META_KEY), &login.0))
    }
}

impl Decrypter {
    /// Decrypts whose session it is.
    pub(super) fn login(&self, opener: &mut Opener<'_>, stored: Option<&str>) -> Login {
        let Some(stored) = stored.filter(|stored| stored.contains(LOGIN_PART)) else {
            return Login::None;
        };
        let (mut meta, mut found) = (Meta::read(stored), Login::None);
        meta.map_login(|login| match opener.open(META_KEY, login.0.get()) {
            Opened::Item(text, is_of_first_key) => {
                found = Login::Sealed { meta: String::new(), is_of_first_key };
                Some(Json(text.to_owned()))
            }
            Opened::Plain if self.accepts_plain => {
                found = Login::Plain;
                Some(login)
            }
            Opened::Plain | Opened::Unreadable => {
                found = Login::Unreadable;
                None
            }
        });
        if let Login::Sealed { meta: opened, .. } = &mut found {
            *opened = meta.write().unwrap_or_else(|| NO_META.to_owned());
        }
        found
    }

    /// Decrypts the metadata of a session: a session without items. What cannot be read is left
    /// out.
    pub(super) fn metadata(&self, id: &SessionId, stored: &Snapshot) -> Snapshot {
        let login = self.login(&mut self.keys.opener(id), stored.meta());
        Snapshot::of_meta(login.meta(stored.meta()).as_deref())
    }
}

impl<S: Storage> Sealed<S> {
    fn hidden(&self, user: &str) -> Vec<String> {
        self.decrypter().keys.hide(user)
    }

    fn index(&self) -> &dyn UserIndex {
        self.inner().users().expect("`users` returns this index only if there is one inside")
    }
}

/// Shows the store neither the names of users nor, without the keys, whether a name is among them.
///
/// An entry is added under the first key, and looked for under all of them.
#[async_trait]
impl<S: Storage> UserIndex for Sealed<S> {
    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool> {
        let names = self.hidden(user);
        let (first, older) = names.split_first().expect("a ring has a key");
        let (mut is_ended, mut others) = (false, 0);
        for name in older {
            for known in self.index().list(name).await? {
                let is_own = known.id == *id || Some(&known.id) == entry.from;
                is_ended |= is_own && known.is_ended;
                others += usize::from(!is_own && !known.is_ended);
            }
        }
        let is_full = entry.max_others.is_some_and(|max| others > max);
        if is_ended || is_full {
            return Ok(false);
        }
        let max_others = entry.max_others.map(|max| max - others);
        let is_added = self.index().add(first, id, NewEntry { max_others, ..entry }).await?;
        // A renewed session has left the entries under older keys as well.
        if let Some(from) = entry.from.filter(|_| is_added && entry.removes_from) {
            for name in older {
                self.index().remove(name, std::slice::from_ref(from)).await?;
            }
        }
        Ok(is_added)
    }

    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        let mut entries: Vec<UserEntry> = Vec::new();
        for name in self.hidden(user) {
            for entry in self.index().list(&name).await? {
                match entries.iter_mut().find(|known| known.id == entry.id) {
                    Some(known) => known.is_ended |= entry.is_ended,
                    None => entries.push(entry),
                }
            }
        }
        Ok(entries)
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        for name in self.hidden(user) {
            self.index().end(&name, ids).await?;
        }
        Ok(())
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        for name in self.hidden(user) {
            self.index().remove(&name, ids).await?;
        }
        Ok(())
    }
}
