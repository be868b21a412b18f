//! The signals that stop the server.

use std::io;

/// Ctrl-C, and on Unix SIGTERM too.
pub(crate) use platform::Signals;

#[cfg(unix)]
mod platform {
    use std::{future::poll_fn, task::Poll};

    use actix_rt::signal::unix::{Signal, SignalKind, signal};

    use super::io;

    pub(crate) struct Signals {
        interrupt: Signal,
        terminate: Signal,
    }

    impl Signals {
        /// Begins to listen: from now on a signal does not end the process.
        pub(crate) fn listen() -> io::Result<Self> {
            let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
            let [interrupt, terminate] = kinds.map(signal);
            Ok(Self { interrupt: interrupt?, terminate: terminate? })
        }

        /// Waits for the next signal.
        pub(crate) async fn next(&mut self) {
            poll_fn(|context| {
                let interrupted = self.interrupt.poll_recv(context).is_ready();
                let terminated = self.terminate.poll_recv(context).is_ready();
                if interrupted || terminated { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
    }
}

#[cfg(not(unix))]
mod platform {
    use std::future::pending;

    use actix_rt::signal::ctrl_c;

    use super::io;

    pub(crate) struct Signals;

    impl Signals {
        /// Listens from the first wait on.
        pub(crate) fn listen() -> io::Result<Self> {
            Ok(Self)
        }

        /// Waits for the next Ctrl-C. Anything else ends the process at once.
        pub(crate) async fn next(&mut self) {
            if ctrl_c().await.is_err() {
                // Without a console there is no Ctrl-C.
                pending().await
            }
        }
    }
}
