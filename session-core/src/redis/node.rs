//! A thread's connections to one server.

use std::sync::{Arc, OnceLock};

use tokio::{runtime::Handle, sync::watch};

use super::{link::Line, supervisor::Target};

/// Which of a thread's connections to a server is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// The one that everything goes over.
    Main,
    /// For writes that replicas have to confirm: the server does nothing else for a connection
    /// while it waits for them.
    Writes,
}

pub(super) struct Node {
    target: Arc<Target>,
    opener: Opener,
    main: Line,
    // Opened on first need.
    writes: OnceLock<Line>,
}

impl Node {
    pub(super) fn line(&self, lane: Lane) -> &Line {
        let open = || self.opener.line(&self.target);
        match lane {
            Lane::Main => &self.main,
            Lane::Writes => self.writes.get_or_init(open),
        }
    }

    /// The address of a node of a cluster.
    pub(super) fn address(&self) -> String {
        self.target.server.to_string()
    }
}

/// Opens the lines of one handle on one runtime.
#[derive(Clone)]
pub(super) struct Opener {
    runtime: Handle,
    owned: watch::Receiver<()>,
}

impl Opener {
    /// What is opened lives until the sender of `owned` is dropped.
    pub(super) fn new(runtime: Handle, owned: watch::Receiver<()>) -> Self {
        Self { runtime, owned }
    }

    pub(super) fn node(&self, target: Arc<Target>) -> Node {
        let main = self.line(&target);
        Node { target, opener: self.clone(), main, writes: OnceLock::new() }
    }

    fn line(&self, target: &Arc<Target>) -> Line {
        Line::open(target, &self.runtime, self.owned.clone())
    }

    /// Runs a task until it ends by itself or the last handle is dropped.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut owned = self.owned.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                () = task => {}
                // Nothing is ever sent; this ends with the sender.
                _ = owned.changed() => {}
            }
        });
    }
}
