//! A storage that forwards the required methods to the one inside, its first field, and has methods
//! of its own beside them.

macro_rules! forwarding {
    ($name:ident { $($own:tt)* }) => {
        $crate::forwarding::forwarding_writes!($name {
            async fn get_session(
                &self,
                id: &session_core::SessionId,
            ) -> session_core::Result<Option<session_core::Snapshot>> {
                self.0.get_session(id).await
            }

            async fn expires_in(
                &self,
                id: &session_core::SessionId,
            ) -> session_core::Result<Option<std::time::Duration>> {
                self.0.expires_in(id).await
            }

            $($own)*
        });
    };
}

/// The same for a storage that has reads of its own.
macro_rules! forwarding_writes {
    ($name:ident { $($own:tt)* }) => {
        #[async_trait::async_trait]
        impl session_core::Storage for $name {
            async fn set_session(
                &self,
                id: &session_core::SessionId,
                changes: &session_core::Changes,
                options: session_core::SetOptions<'_>,
            ) -> session_core::Result<session_core::Written> {
                self.0.set_session(id, changes, options).await
            }

            async fn update_ttl(
                &self,
                id: &session_core::SessionId,
                ttl: session_core::TtlRange,
            ) -> session_core::Result<bool> {
                self.0.update_ttl(id, ttl).await
            }

            async fn remove_all(
                &self,
                id: &session_core::SessionId,
                if_seen: Option<&session_core::Snapshot>,
            ) -> session_core::Result<bool> {
                self.0.remove_all(id, if_seen).await
            }

            $($own)*
        }
    };
}

pub(crate) use {forwarding, forwarding_writes};
