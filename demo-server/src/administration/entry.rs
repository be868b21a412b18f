//! A session as it is shown.

use std::{collections::HashMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use session_core::{SessionId, Snapshot};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// One session, without the values of its items.
#[derive(Serialize)]
pub(super) struct Entry {
    pub(super) fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<String>,
    pub(super) items: usize,
    /// The length of the session's JSON text.
    pub(super) bytes: usize,
    pub(super) expires_in_ms: u64,
    /// In milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) created_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
}

/// The metadata of a session, as far as it is shown.
#[derive(Default, Deserialize)]
struct Metadata {
    created: Option<i64>,
    login: Option<Login>,
}

#[derive(Deserialize)]
struct Login {
    user: String,
}

impl Entry {
    pub(super) fn new(id: &SessionId, session: &Snapshot, left: Duration) -> Self {
        let metadata = Metadata::of(session);
        Self {
            fingerprint: id.fingerprint(),
            id: None,
            items: session.len(),
            bytes: session.stored().len(),
            expires_in_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            user: metadata.login.map(|login| login.user),
            created_ms: metadata.created,
        }
    }

    pub(super) fn with_id(self, id: &SessionId) -> Self {
        Self { id: Some(id.as_str().to_owned()), ..self }
    }

    /// Returns the time left, to the second.
    pub(super) fn expires_in(&self) -> String {
        let left = Duration::from_secs(self.expires_in_ms / 1000);
        humantime::format_duration(left).to_string()
    }

    /// Returns when the session was created, or a dash if that is not noted.
    pub(super) fn created(&self) -> String {
        let seconds = self.created_ms.map(|millis| millis / 1000);
        let created = seconds.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
        created.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "-".to_owned())
    }
}

impl Metadata {
    fn of(session: &Snapshot) -> Self {
        let members: Option<HashMap<String, &RawValue>> =
            serde_json::from_str(session.stored()).ok();
        let metadata = members.and_then(|members| members.get("$meta").copied());
        metadata.and_then(|text| serde_json::from_str(text.get()).ok()).unwrap_or_default()
    }
}
