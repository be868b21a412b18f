//! What all requests behind one middleware share.

use std::sync::Arc;

use session_core::Manager;

use crate::{name::Name, transport::Transport};

#[derive(Debug)]
pub(crate) struct Shared {
    /// `None` for a session that the plain extractor gives.
    pub(crate) name: Option<Name>,
    pub(crate) manager: Manager,
    pub(crate) transport: Transport,
}

/// What the requests of one worker share, which is all on one thread.
#[derive(Debug)]
pub(crate) struct OfWorker {
    pub(crate) middleware: Arc<Shared>,
    /// A handle of its own, so that requests write no reference count of other workers.
    pub(crate) manager: Manager,
}

impl OfWorker {
    pub(crate) fn new(middleware: Arc<Shared>) -> Self {
        let manager = middleware.manager.for_worker();
        Self { middleware, manager }
    }
}

impl Shared {
    /// Returns the name for log lines.
    pub(crate) fn name_text(&self) -> &str {
        self.name.map_or("the one without a name", |name| name.text)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{
        App,
        test::{TestRequest, call_and_read_body, init_service},
        web,
    };
    use session_core::MemoryStorage;

    use super::*;
    use crate::{Error, Session, SessionMiddleware};

    #[actix_web::test]
    async fn a_request_counts_as_no_reference_to_what_workers_share() {
        let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
        let sessions = SessionMiddleware::builder(manager).build().unwrap();
        let shared = Arc::downgrade(&sessions.0);
        let counted = shared.clone();
        let handler = move |session: Session| {
            let counted = counted.clone();
            async move {
                session.set("a", 1).await?;
                Ok::<_, Error>(counted.strong_count().to_string())
            }
        };
        let app = init_service(App::new().wrap(sessions).route("/", web::get().to(handler))).await;
        let before = shared.strong_count().to_string();
        for _ in 0..3 {
            let request = TestRequest::get().uri("/").to_request();
            assert_eq!(call_and_read_body(&app, request).await, before);
        }
    }
}
