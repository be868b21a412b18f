//! A storage whose operations are timed.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use metrics::{Histogram, counter, histogram};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::names::{DURATION, FAILURES};
use crate::{
    Changes, FailureClass, Granularity, ItemSwap, RenameOptions, Result, Scan, SessionId,
    SetOptions, Snapshot, Storage, SwapOptions, TtlRange, UserIndex, Written,
    storage::with_async_methods,
};

/// The class of an operation that was dropped before it was answered: a request has run out of
/// time, or its client has gone away.
const GIVEN_UP: &str = "given_up";

/// Returns a storage that times each operation of this one.
pub(crate) fn measured(storage: Arc<dyn Storage>) -> Arc<dyn Storage> {
    let durations = Durations::of(storage.name());
    Arc::new(Measured { storage, durations })
}

/// Times the operations that are answered by a future, and counts their failures.
///
/// Costs each of them an allocation and two looks at the clock. What is answered at once, as
/// [`cached`](Storage::cached) is, costs nothing, and what is done
/// [by stored ids](Storage::by_stored_id) is not timed.
struct Measured {
    storage: Arc<dyn Storage>,
    durations: Durations,
}

/// An operation under way. Recorded when it is answered or dropped.
struct Timing<'a> {
    duration: &'a Histogram,
    operation: &'static str,
    began: Instant,
    is_answered: bool,
}

impl<'a> Timing<'a> {
    fn begin(duration: &'a Histogram, operation: &'static str) -> Self {
        Self { duration, operation, began: Instant::now(), is_answered: false }
    }

    async fn end<T>(mut self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = operation.await;
        self.is_answered = true;
        if let Some(class) = answer.as_ref().err().and_then(FailureClass::of) {
            self.failed(class.as_str());
        }
        answer
    }

    #[cold]
    fn failed(&self, reason: &'static str) {
        counter!(FAILURES, "operation" => self.operation, "reason" => reason).increment(1);
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.duration.record(self.began.elapsed().as_secs_f64());
        if !self.is_answered {
            self.failed(GIVEN_UP);
        }
    }
}

/// Implements [`Storage`] by timing each async method, and declares their histograms.
///
/// Written as `async_trait` expands them, like the implementation for `Arc`.
macro_rules! measured {
    ($($method:ident($($arg:ident: $type:ty),*) [$($lifetime:lifetime),*] -> $answer:ty;)*) => {
        /// The histogram of each method, looked up once.
        struct Durations {
            $($method: Histogram,)*
        }

        impl Durations {
            fn of(storage: &'static str) -> Self {
                Self {
                    $($method: {
                        let operation = stringify!($method);
                        histogram!(DURATION, "operation" => operation, "storage" => storage)
                    },)*
                }
            }
        }

        impl Storage for Measured {
            $(fn $method<'s, $($lifetime,)* 'f>(
                &'s self,
                $($arg: $type),*
            ) -> Pin<Box<dyn Future<Output = Result<$answer>> + Send + 'f>>
            where
                's: 'f,
                $($lifetime: 'f),*
            {
                let timing = Timing::begin(&self.durations.$method, stringify!($method));
                Box::pin(timing.end(self.storage.$method($($arg),*)))
            })*

            fn cached(&self, id: &SessionId) -> Option<Snapshot> {
                self.storage.cached(id)
            }

            fn name(&self) -> &'static str {
                self.storage.name()
            }

            fn scanner(&self) -> Option<&dyn Scan> {
                self.storage.scanner()
            }

            fn users(&self) -> Option<&dyn UserIndex> {
                self.storage.users()
            }

            fn stored_id(&self, id: &SessionId) -> SessionId {
                self.storage.stored_id(id)
            }

            fn by_stored_id(&self) -> Option<&dyn Storage> {
                self.storage.by_stored_id()
            }

            fn max_latency(&self) -> Option<Duration> {
                self.storage.max_latency()
            }

            fn granularity(&self) -> Granularity {
                self.storage.granularity()
            }
        }
    };
}

with_async_methods!(measured);

/// Shows the storage alone.
impl fmt::Debug for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.storage.fmt(f)
    }
}
