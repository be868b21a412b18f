//! A storage behind an `Arc`.

use std::{pin::Pin, sync::Arc, time::Duration};

use serde_json::value::RawValue;

use super::{Granularity, SetOptions, Storage, Written};
use crate::{Changes, Result, SessionId, Snapshot};

/// What `async_trait` makes of a method.
type Answer<'f, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'f>>;

/// Forwards every method, provided ones too.
///
/// Written without `async_trait`, which would put each future into a second box.
impl<S: Storage + ?Sized> Storage for Arc<S> {
    fn get_session<'s, 'i, 'f>(&'s self, id: &'i SessionId) -> Answer<'f, Option<Snapshot>>
    where
        's: 'f,
        'i: 'f,
    {
        (**self).get_session(id)
    }

    fn set_session<'s, 'i, 'c, 'o, 'f>(
        &'s self,
        id: &'i SessionId,
        changes: &'c Changes,
        options: SetOptions<'o>,
    ) -> Answer<'f, Written>
    where
        's: 'f,
        'i: 'f,
        'c: 'f,
        'o: 'f,
    {
        (**self).set_session(id, changes, options)
    }

    fn update_ttl<'s, 'i, 'f>(&'s self, id: &'i SessionId, ttl: Duration) -> Answer<'f, bool>
    where
        's: 'f,
        'i: 'f,
    {
        (**self).update_ttl(id, ttl)
    }

    fn remove_all<'s, 'i, 'c, 'f>(
        &'s self,
        id: &'i SessionId,
        if_seen: Option<&'c Snapshot>,
    ) -> Answer<'f, bool>
    where
        's: 'f,
        'i: 'f,
        'c: 'f,
    {
        (**self).remove_all(id, if_seen)
    }

    fn expires_in<'s, 'i, 'f>(&'s self, id: &'i SessionId) -> Answer<'f, Option<Duration>>
    where
        's: 'f,
        'i: 'f,
    {
        (**self).expires_in(id)
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        (**self).cached(id)
    }

    fn max_latency(&self) -> Option<Duration> {
        (**self).max_latency()
    }

    fn granularity(&self) -> Granularity {
        (**self).granularity()
    }

    fn get<'s, 'i, 'k, 'f>(
        &'s self,
        id: &'i SessionId,
        key: &'k str,
    ) -> Answer<'f, Option<Box<RawValue>>>
    where
        's: 'f,
        'i: 'f,
        'k: 'f,
    {
        (**self).get(id, key)
    }

    fn contains<'s, 'i, 'k, 'f>(&'s self, id: &'i SessionId, key: &'k str) -> Answer<'f, bool>
    where
        's: 'f,
        'i: 'f,
        'k: 'f,
    {
        (**self).contains(id, key)
    }

    fn get_size<'s, 'i, 'f>(&'s self, id: &'i SessionId) -> Answer<'f, usize>
    where
        's: 'f,
        'i: 'f,
    {
        (**self).get_size(id)
    }

    fn rename<'s, 'i, 't, 'f>(&'s self, from: &'i SessionId, to: &'t SessionId) -> Answer<'f, bool>
    where
        's: 'f,
        'i: 'f,
        't: 'f,
    {
        (**self).rename(from, to)
    }

    fn sweep<'s, 'f>(&'s self) -> Answer<'f, ()>
    where
        's: 'f,
    {
        (**self).sweep()
    }
}
