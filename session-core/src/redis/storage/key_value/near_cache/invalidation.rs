//! What the server announces.

use deadpool_redis::redis::{PushInfo, PushKind, Value};

use super::{super::super::super::client::PushListener, cache::NearCache};

impl PushListener for NearCache {
    /// Removes the keys that have changed, or everything if the message names none.
    fn on_push(&self, push: &PushInfo) {
        match (&push.kind, push.data.first()) {
            (PushKind::Invalidate, Some(Value::Array(keys))) => {
                for key in keys {
                    let Value::BulkString(key) = key else { continue };
                    if let Ok(key) = std::str::from_utf8(key) {
                        self.invalidate(key);
                    }
                }
            }
            // Announcements over a lost connection will never arrive.
            (PushKind::Invalidate, _) | (PushKind::Disconnection, _) => self.clear(),
            _ => {}
        }
    }

    fn on_reconnect(&self) {
        self.clear();
    }

    fn on_silence(&self, is_silent: bool) {
        self.note_silence(is_silent);
    }
}
