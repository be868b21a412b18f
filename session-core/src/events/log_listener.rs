//! The listener that writes log lines.

use super::{
    event::{Event, StoreOperation},
    listener::Listener,
};

/// Writes what an operator should know to the log: failures of the store, once for each reason and
/// not with every request, and their end; unknown claims at the level `debug`.
///
/// The default listener. One of your own [replaces](crate::ManagerBuilder::listener) it, unless
/// it is paired with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogListener;

impl Listener for LogListener {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::UnknownClaim { session, storage } => {
                log::debug!("session {session:?} is unknown to the {storage:?}");
            }
            Event::StoreFailed { operation, reason, is_new: true, .. } => {
                failed(*operation, reason)
            }
            Event::StoreRecovered { operation } => recovered(*operation),
            _ => {}
        }
    }
}

fn failed(operation: StoreOperation, reason: &str) {
    match operation {
        StoreOperation::Read | StoreOperation::Write => {
            log::warn!("sessions cannot be read or written: {reason}");
        }
        StoreOperation::Extend => {
            log::warn!("times to live of sessions cannot be written: {reason}");
        }
        StoreOperation::ExtendSome => {
            log::warn!("times to live of some sessions cannot be written: {reason}");
        }
        StoreOperation::Flush => {
            log::warn!("times to live of sessions cannot be written, flush ends: {reason}");
        }
        StoreOperation::Sweep => log::warn!("{reason}"),
    }
}

fn recovered(operation: StoreOperation) {
    match operation {
        StoreOperation::Extend => log::info!("times to live of sessions are written again"),
        StoreOperation::ExtendSome => {
            log::info!("times to live of all sessions are written again");
        }
        _ => log::info!("sessions are read and written again"),
    }
}
