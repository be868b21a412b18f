//! The trait of listeners.

use std::sync::Arc;

use super::event::Event;

/// Is told what happens in a session layer.
///
/// Set it with [`ManagerBuilder::listener`](crate::ManagerBuilder::listener). It is called on the
/// thread of the request or the background task, while that goes on: it must not block, so what
/// takes time, such as a network, belongs behind a channel. It may call the manager. A listener
/// that panics harms nothing: its panics are caught, and the first is reported in the log.
///
/// A closure is a listener. So is a pair of listeners, which are told one after the other.
///
/// # Examples
///
/// ```
/// # use session_core::*;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// use std::sync::mpsc;
///
/// let (sender, events) = mpsc::channel();
/// let audit = move |event: &Event<'_>| {
///     if let Event::Ended { session, by, .. } = event {
///         let _ = sender.send(format!("{} was ended: {by:?}", session.fingerprint()));
///     }
/// };
/// // Beside the log.
/// let builder = Manager::builder(MemoryStorage::new()).listener((LogListener, audit));
/// let manager = builder.build()?;
///
/// let session = manager.open(None);
/// session.set("name", "bob").await?;
/// session.save().await?;
/// let fingerprint = session.id().await?.map(|id| id.fingerprint()).unwrap_or_default();
/// session.remove_all().await?;
/// assert_eq!(events.recv().ok(), Some(format!("{fingerprint} was ended: Request")));
/// # Ok(()) }
/// ```
pub trait Listener: Send + Sync + 'static {
    /// Takes in an event. Must not block.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync + 'static> Listener for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}

impl<L: Listener + ?Sized> Listener for Arc<L> {
    fn event(&self, event: &Event<'_>) {
        (**self).event(event);
    }
}

/// Tells both.
impl<A: Listener, B: Listener> Listener for (A, B) {
    fn event(&self, event: &Event<'_>) {
        self.0.event(event);
        self.1.event(event);
    }
}
