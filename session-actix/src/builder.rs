//! The builder of the middleware.

use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, COOKIE, HeaderName, SET_COOKIE, VARY};
use session_core::Manager;

use crate::{
    conflicts,
    cookie::CookieConfig,
    middleware::SessionMiddleware,
    name::Name,
    shared::Shared,
    signature::{Keys, SignatureRing},
    transport::Transport,
};

/// Builder of a [`SessionMiddleware`].
#[derive(Debug)]
#[must_use = "call `build` to get the middleware"]
pub struct SessionMiddlewareBuilder {
    name: Option<Name>,
    manager: Manager,
    cookie: Option<CookieConfig>,
    header: Option<String>,
    header_only: Option<String>,
    signing_keys: Option<Keys>,
    accept_unsigned: bool,
}

impl SessionMiddlewareBuilder {
    pub(crate) fn new(manager: Manager) -> Self {
        Self {
            name: None,
            manager,
            cookie: None,
            header: None,
            header_only: None,
            signing_keys: None,
            accept_unsigned: false,
        }
    }

    /// Sets the name and the attributes of the cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// use session_actix::{CookieConfig, SessionMiddleware};
    ///
    /// let cookie = CookieConfig::new().name("__Host-shop");
    /// let sessions = SessionMiddleware::builder(manager).cookie(cookie).build()?;
    /// # Ok(()) }
    /// ```
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        self.cookie = Some(cookie);
        self
    }

    /// Also accepts the id in a header of this name, for clients other than browsers.
    ///
    /// The header takes precedence: the cookie counts only if the id in the header is malformed or
    /// unknown to the store. A request that has the header, with any value, is told a new id in
    /// the same header of its response, and the end of its session by an empty value. Other
    /// requests are told by the cookie alone, because scripts of a page can read the headers of a
    /// response. The cookie is sent in either case.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # use session_actix::SessionMiddleware;
    /// let sessions = SessionMiddleware::builder(manager).header("x-session-id").build()?;
    /// # Ok(()) }
    /// ```
    pub fn header(mut self, name: impl Into<String>) -> Self {
        self.header = Some(name.into());
        self
    }

    /// Accepts the id in a header of this name only, and never sends a cookie.
    ///
    /// Every response that issues an id has it in this header; one that ends the session has an
    /// empty value there. Browsers do not send such a header by themselves, so requests from other
    /// sites cannot use the session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # use session_actix::SessionMiddleware;
    /// let sessions = SessionMiddleware::builder(manager).header_only("x-token").build()?;
    /// # Ok(()) }
    /// ```
    pub fn header_only(mut self, name: impl Into<String>) -> Self {
        self.header_only = Some(name.into());
        self
    }

    /// Names the session by a type, for an app that has several. Its handlers ask for it as
    /// [`NamedSession<N>`](crate::NamedSession).
    ///
    /// Give each session a cookie of its own name, too. A warning is logged if two have the same.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// use actix_web::{App, web};
    /// use session_actix::{CookieConfig, Error, NamedSession, Session, SessionMiddleware};
    ///
    /// struct Admin;
    ///
    /// async fn page(visitor: Session, admin: NamedSession<Admin>) -> Result<&'static str, Error> {
    ///     // ...
    /// #   Ok("")
    /// }
    ///
    /// let visitors = Manager::builder(MemoryStorage::new()).build()?;
    /// let admins = Manager::builder(MemoryStorage::new()).ttl(Duration::from_secs(900)).build()?;
    /// let admin = SessionMiddleware::builder(admins)
    ///     .cookie(CookieConfig::new().name("__Secure-admin").path("/admin"))
    ///     .named::<Admin>()
    ///     .build()?;
    /// let app = App::new()
    ///     .service(web::scope("/admin").route("", web::get().to(page)).wrap(admin))
    ///     .wrap(SessionMiddleware::builder(visitors).build()?);
    /// # Ok(()) }
    /// ```
    pub fn named<N: 'static>(mut self) -> Self {
        self.name = Some(Name::of::<N>());
        self
    }

    /// Signs the ids that clients are sent, and ignores ids without a valid signature.
    ///
    /// An invented id then costs no operation of the store, and an id that was read in the store is
    /// of no use to a client. [`Session::id`](session_core::Session::id) stays the id alone; the
    /// client has `<id>.<signature>`. The signature is HMAC-SHA-256, cut to 160 bits, over the id
    /// and the name of the cookie, or of the header if there is no cookie.
    ///
    /// The first key signs, all of them verify. Make a key of 32 random bytes or more, such as by
    /// `openssl rand 32`, and keep it where the app keeps its other secrets. All nodes need the
    /// same keys.
    ///
    /// To rotate: add the new key as the last one, on all nodes; then make it the first one; then
    /// remove the old one. Nobody is logged out by the first two steps. A client whose id was
    /// signed by another key than the first is sent the new signature when it next uses its
    /// session, also in a cookie without an age. So the old key can go when those who have not
    /// come back since the second step may be logged out, at the latest after the time to live.
    ///
    /// Signing logs out everybody who is logged in when it is turned on, unless
    /// [`accept_unsigned`](Self::accept_unsigned) is set for a time, and again when it is turned
    /// off.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # use session_actix::{SessionId, SessionMiddleware};
    /// # let (new_key, old_key) = ([1; 32], [2; 32]); // as read from a file
    /// let builder = SessionMiddleware::builder(manager).signing_keys([new_key, old_key]);
    /// let sessions = builder.build()?;
    /// let token = sessions.token(&SessionId::parse("of-bob")?);
    /// assert!(token.starts_with("of-bob."));
    /// # Ok(()) }
    /// ```
    pub fn signing_keys<K: Into<Vec<u8>>>(mut self, keys: impl IntoIterator<Item = K>) -> Self {
        self.signing_keys = Some(Keys(keys.into_iter().map(K::into).collect()));
        self
    }

    /// Sets whether ids without a signature are accepted beside signed ones.
    ///
    /// For the time after [`signing_keys`](Self::signing_keys) was added to an app that is in use:
    /// whoever uses an old session is sent its signed id, and nobody is logged out. Turn it off
    /// after the time to live, because until then invented ids still reach the store. While nodes
    /// without keys are running beside those with keys, they take signed ids for malformed ones.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # use session_actix::SessionMiddleware;
    /// # let key = [1; 32];
    /// let builder = SessionMiddleware::builder(manager).signing_keys([key]);
    /// let sessions = builder.accept_unsigned(true).build()?;
    /// # Ok(()) }
    /// ```
    pub fn accept_unsigned(mut self, accept: bool) -> Self {
        self.accept_unsigned = accept;
        self
    }

    /// Builds the middleware.
    ///
    /// # Errors
    ///
    /// [`session_core::Error::Config`]
    /// - if browsers would drop the cookie;
    /// - if a [fixed age](crate::CookieAge::Fixed) is less than twice the manager's touch interval;
    /// - if the name of the header is invalid, or the middleware needs that header for another
    ///   purpose;
    /// - if `header_only` is combined with `cookie` or `header`;
    /// - if there are no signing keys although they are set or `accept_unsigned` is, if one has
    ///   less than 32 bytes, or if two are the same.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// use session_actix::{CookieConfig, SessionMiddleware};
    ///
    /// // Browsers drop a cookie whose name begins with __Host- unless it is Secure.
    /// let cookie = CookieConfig::new().secure(false);
    /// assert!(SessionMiddleware::builder(manager).cookie(cookie).build().is_err());
    /// # Ok(()) }
    /// ```
    pub fn build(self) -> session_core::Result<SessionMiddleware> {
        let mut transport = match (self.cookie, self.header, self.header_only) {
            (None, None, Some(name)) => {
                Transport { cookie: None, header: Some(header_name(&name)?), ring: None }
            }
            (cookie, header, None) => Transport {
                cookie: Some(cookie.unwrap_or_default()),
                header: header.as_deref().map(header_name).transpose()?,
                ring: None,
            },
            (_, _, Some(name)) => {
                let problem = "allowed only without a cookie and without another header";
                return Err(session_core::Error::Config(format!(
                    "header_only {name:?}: {problem}"
                )));
            }
        };
        if let Some(cookie) = &transport.cookie {
            cookie.check(self.manager.touch_interval())?;
        }
        transport.ring = match self.signing_keys {
            Some(keys) => Some(SignatureRing::new(&keys, self.accept_unsigned, transport.name())?),
            None if self.accept_unsigned => {
                let problem = "accept_unsigned: allowed only with signing_keys";
                return Err(session_core::Error::Config(problem.to_owned()));
            }
            None => None,
        };
        let shared = Arc::new(Shared { name: self.name, manager: self.manager, transport });
        conflicts::warn(&shared);
        Ok(SessionMiddleware(shared))
    }
}

fn header_name(name: &str) -> session_core::Result<HeaderName> {
    let problem = match HeaderName::try_from(name) {
        // The middleware reads or sets these itself.
        Ok(CACHE_CONTROL | COOKIE | SET_COOKIE | VARY) => "in use for another purpose",
        Ok(name) => return Ok(name),
        Err(_) => "not the name of a header",
    };
    Err(session_core::Error::Config(format!("header {name:?}: {problem}")))
}
