//! A storage behind an `Arc`.

use std::{pin::Pin, sync::Arc, time::Duration};

use serde_json::value::RawValue;

use super::{
    Granularity, ItemSwap, RenameOptions, Scan, SetOptions, Storage, SwapOptions, TtlRange,
    UserIndex, Written,
};
use crate::{Changes, Result, SessionId, Snapshot};

/// Calls a macro with the signature of each async method of a storage, for those that treat all
/// alike.
macro_rules! with_async_methods {
    ($callback:ident) => {
        $callback! {
            get_session(id: &'a SessionId) ['a] -> Option<Snapshot>;
            set_session(id: &'a SessionId, changes: &'b Changes, options: SetOptions<'c>)
                ['a, 'b, 'c] -> Written;
            update_ttl(id: &'a SessionId, ttl: TtlRange) ['a] -> bool;
            update_ttl_with_metadata(id: &'a SessionId, ttl: TtlRange) ['a] -> Option<Snapshot>;
            remove_all(id: &'a SessionId, if_seen: Option<&'b Snapshot>) ['a, 'b] -> bool;
            expires_in(id: &'a SessionId) ['a] -> Option<Duration>;
            get(id: &'a SessionId, key: &'b str) ['a, 'b] -> Option<Box<RawValue>>;
            get_with_metadata(id: &'a SessionId, key: &'b str) ['a, 'b] -> Option<Snapshot>;
            contains(id: &'a SessionId, key: &'b str) ['a, 'b] -> bool;
            get_size(id: &'a SessionId) ['a] -> usize;
            swap_item(
                id: &'a SessionId,
                key: &'b str,
                seen: Option<&'c RawValue>,
                new: Option<&'d RawValue>,
                options: SwapOptions<'e>
            ) ['a, 'b, 'c, 'd, 'e] -> ItemSwap;
            rename(from: &'a SessionId, to: &'b SessionId, options: RenameOptions<'c>)
                ['a, 'b, 'c] -> bool;
            sweep() [] -> ();
        }
    };
}

#[cfg(feature = "metrics")]
pub(crate) use with_async_methods;

/// Forwards async methods to the storage inside.
///
/// Written as `async_trait` expands them: with the attribute, each future would be boxed twice.
macro_rules! forward {
    ($($method:ident($($arg:ident: $type:ty),*) [$($lifetime:lifetime),*] -> $answer:ty;)*) => {$(
        fn $method<'s, $($lifetime,)* 'f>(
            &'s self,
            $($arg: $type),*
        ) -> Pin<Box<dyn Future<Output = Result<$answer>> + Send + 'f>>
        where
            's: 'f,
            $($lifetime: 'f),*
        {
            (**self).$method($($arg),*)
        }
    )*};
}

/// Forwards every method, provided ones too.
impl<S: Storage + ?Sized> Storage for Arc<S> {
    with_async_methods!(forward);

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        (**self).cached(id)
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        (**self).users()
    }

    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn stored_id(&self, id: &SessionId) -> SessionId {
        (**self).stored_id(id)
    }

    fn by_stored_id(&self) -> Option<&dyn Storage> {
        (**self).by_stored_id()
    }

    fn scanner(&self) -> Option<&dyn Scan> {
        (**self).scanner()
    }

    fn max_latency(&self) -> Option<Duration> {
        (**self).max_latency()
    }

    fn granularity(&self) -> Granularity {
        (**self).granularity()
    }
}
