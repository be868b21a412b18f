//! Which server holds a key, and one thread's connections to it.
//!
//! [`Servers`] is what the settings say: one server, or a [`Cluster`] with its seeds. Each thread
//! has [`ThreadConnections`] of its own: to the one server, or (`cluster_connections`) to every
//! [`Node`] that its slot map names. A refresher task per thread keeps the slot map current.
//!
//! Arrows: `thread_connections` -> `cluster_connections` -> `refresher` -> `slot_map`, `nodes` ->
//! `node`, `cluster` -> the room `connection`.

mod cluster;
mod cluster_connections;
mod node;
mod nodes;
mod refresher;
mod servers;
mod slot;
mod slot_map;
mod slot_range;
mod thread_connections;

pub(crate) use cluster::Cluster;
pub(super) use node::Node;
pub(crate) use servers::Servers;
pub(super) use slot::slot;
pub(super) use slot_range::with_host;
pub(super) use thread_connections::ThreadConnections;
