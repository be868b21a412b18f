//! A cluster, as all threads of one handle share it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{
    super::{
        connection::{Endpoint, Limits, PushListener, Server, Target},
        schedule::Schedule,
    },
    slot_range::SlotRange,
};

/// The pauses between two questions for the slots, over all threads. The longest lets a new master
/// be found within a second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(500));

pub(crate) struct Cluster {
    /// The nodes to ask first, which also say how to connect to every other node.
    seeds: Vec<Endpoint>,
    limits: Limits,
    listener: Option<Arc<dyn PushListener>>,
    /// The nodes that some thread is connected to, by address.
    // A std mutex: the critical section never awaits and is one map operation.
    nodes: Mutex<HashMap<String, Weak<Target>>>,
    /// What the cluster has answered last, to whichever thread.
    slots: watch::Sender<KnownSlots>,
    /// The questions for the slots, which the threads take turns to ask.
    pub(super) refreshes: Schedule,
}

/// What is known about the slots.
#[derive(Clone, Default)]
pub(super) struct KnownSlots {
    /// The ranges in the order of their slots; empty before the first answer.
    pub(super) ranges: Arc<[SlotRange]>,
    /// Why there has been no answer yet.
    pub(super) failure: Arc<str>,
    /// When the cluster was last asked; also if no node has answered.
    pub(super) asked: Option<Instant>,
}

impl Cluster {
    pub(crate) fn new(
        seeds: Vec<Endpoint>,
        limits: Limits,
        listener: Option<Arc<dyn PushListener>>,
    ) -> Self {
        let slots = watch::Sender::new(KnownSlots::default());
        let refreshes = Schedule::new(PAUSES.0, PAUSES.1);
        Self { seeds, limits, listener, nodes: Mutex::default(), slots, refreshes }
    }

    /// Returns the addresses that the settings name.
    pub(super) fn seeds(&self) -> impl Iterator<Item = String> {
        self.seeds.iter().map(ToString::to_string)
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Returns the node at an address, the same for all threads. `None` if that is no address.
    pub(super) fn node(&self, address: &str) -> Option<Arc<Target>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(address).and_then(Weak::upgrade) {
            return Some(node);
        }
        let server = Server::At(Box::new(self.seeds[0].at(address)?));
        let node = Arc::new(Target::new(server, self.limits, self.listener.clone()));
        nodes.retain(|_, node| node.strong_count() > 0);
        nodes.insert(address.to_owned(), Arc::downgrade(&node));
        Some(node)
    }

    /// Returns a receiver of what is known about the slots.
    pub(super) fn slots(&self) -> watch::Receiver<KnownSlots> {
        self.slots.subscribe()
    }

    /// Takes in an answer, or why there is none. Old ranges are better than none: nodes that have
    /// lost a slot redirect.
    pub(super) fn publish(&self, answer: Result<Vec<SlotRange>, String>, asked: Instant) {
        let mut has_changed = false;
        self.slots.send_modify(|slots| {
            slots.asked = Some(asked);
            match answer {
                Ok(ranges) => {
                    has_changed = *slots.ranges != *ranges;
                    slots.ranges = ranges.into();
                }
                Err(reason) => slots.failure = reason.into(),
            }
        });
        if has_changed {
            self.refreshes.reset();
        }
    }
}

/// Shows the addresses to ask first.
impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cluster at ")?;
        for (index, seed) in self.seeds().enumerate() {
            write!(f, "{}{seed}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
