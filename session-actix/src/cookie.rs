//! The cookie that carries a session's id.

mod deserialize;

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use serde::Deserialize;
use session_core::{Closed, Error, MAX_TTL, Manager, Result};

use crate::signature::SUFFIX;

/// The number of bytes that browsers accept for name and value together.
const MAX_COOKIE_BYTES: usize = 4096;
/// Of the longest id with its signature. It counts in any case, so that a name that was allowed
/// stays allowed when signing is turned on.
const MAX_VALUE_BYTES: usize = 128 + SUFFIX;

/// The name and the attributes of the session cookie.
///
/// The default is the form that OWASP's cheat sheet recommends: it is named `__Host-id`, is sent to
/// this host only, is `Secure`, `HttpOnly` and `SameSite=Lax`, and has no expiry. Building the
/// middleware fails if browsers would drop the cookie.
///
/// # From a file
///
/// With serde, an app can keep the cookie in its own settings. The fields have the names of the
/// methods below and are optional; unknown ones are refused. `same_site` is `"strict"`, `"lax"` or
/// `"none"`. `age` is `"session"`, `"rolling"`, or a whole number with the unit `s`, `m`, `h` or
/// `d` for a fixed time.
///
/// ```
/// use config::{Config, File, FileFormat};
/// use session_actix::CookieConfig;
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     cookie: CookieConfig,
/// }
///
/// let toml = r#"
///     [cookie]
///     name = "__Host-shop"
///     same_site = "strict"
///     age = "30d"
/// "#;
/// let read = |toml| {
///     let file = Config::builder().add_source(File::from_str(toml, FileFormat::Toml));
///     file.build()?.try_deserialize::<Settings>()
/// };
/// assert!(read(toml).is_ok());
///
/// let problem = read("cookie.same_site = 'no'").err().unwrap().to_string();
/// assert!(problem.contains(r#"cookie same_site: allowed is "strict", "lax" or "none""#));
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[must_use]
pub struct CookieConfig {
    #[serde(deserialize_with = "deserialize::name")]
    name: String,
    #[serde(deserialize_with = "deserialize::path")]
    path: String,
    #[serde(deserialize_with = "deserialize::domain")]
    domain: Option<String>,
    #[serde(deserialize_with = "deserialize::secure")]
    secure: bool,
    #[serde(deserialize_with = "deserialize::http_only")]
    http_only: bool,
    #[serde(deserialize_with = "deserialize::same_site")]
    same_site: SameSite,
    #[serde(deserialize_with = "deserialize::partitioned")]
    partitioned: bool,
    #[serde(deserialize_with = "deserialize::age")]
    age: CookieAge,
}

/// How long a browser keeps the session cookie. The store alone decides how long the session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieAge {
    /// Until the browser is closed.
    Session,
    /// Until the session expires. The cookie is sent again while the session is used, at most once
    /// per touch interval.
    Rolling,
    /// For a fixed time, in whole seconds. It starts again each time the cookie is sent: while the
    /// session is used, at most once per touch interval. So it must be at least twice that
    /// interval.
    Fixed(std::time::Duration),
}

impl Default for CookieConfig {
    fn default() -> Self {
        Self {
            name: "__Host-id".to_owned(),
            path: "/".to_owned(),
            domain: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
            age: CookieAge::Session,
        }
    }
}

impl CookieConfig {
    /// Creates the default configuration.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_actix::CookieConfig;
    ///
    /// let cookie = CookieConfig::new(); // __Host-id; Path=/; Secure; HttpOnly; SameSite=Lax
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name. The prefixes `__Host-` and `__Secure-` restrict the other settings.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_actix::CookieConfig;
    /// let cookie = CookieConfig::new().name("__Host-shop");
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the path below which the cookie is sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_actix::CookieConfig;
    /// // `__Host-` would require the path `/`.
    /// let cookie = CookieConfig::new().name("__Secure-admin").path("/admin");
    /// ```
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Shares the cookie with the subdomains of a domain.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_actix::CookieConfig;
    /// // `__Host-` would forbid a domain.
    /// let cookie = CookieConfig::new().name("__Secure-id").domain("example.com");
    /// ```
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Sets whether the cookie is sent over HTTPS only.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_actix::CookieConfig;
    /// // For a development server that other machines reach over plain HTTP.
    /// let cookie = CookieConfig::new().name("id").secure(false);
    /// ```
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Sets whether the cookie is hidden from scripts in the page.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_actix::CookieConfig;
    /// let cookie = CookieConfig::new().http_only(false);
    /// ```
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Sets whether browsers send the cookie with requests that other sites cause.
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_web::cookie::SameSite;
    /// # use session_actix::CookieConfig;
    ///
    /// let cookie = CookieConfig::new().same_site(SameSite::Strict);
    /// ```
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Sets whether browsers keep a cookie for each site that embeds this one (`Partitioned`, also
    /// known as CHIPS).
    ///
    /// For an app in a frame of other sites: browsers that block third-party cookies keep this one,
    /// but the app has another session in each of those sites. Allowed only with
    /// [`secure`](Self::secure). In frames of other sites, browsers send cookies that are
    /// `SameSite=None` only.
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_web::cookie::SameSite;
    /// # use session_actix::CookieConfig;
    ///
    /// let cookie = CookieConfig::new().same_site(SameSite::None).partitioned(true);
    /// ```
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Sets how long browsers keep the cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_actix::{CookieAge, CookieConfig};
    ///
    /// // Visitors stay logged in after they close the browser.
    /// let cookie = CookieConfig::new().age(CookieAge::Rolling);
    /// ```
    pub fn age(mut self, age: CookieAge) -> Self {
        self.age = age;
        self
    }

    pub(crate) fn cookie_name(&self) -> &str {
        &self.name
    }

    /// Returns whether browsers send this cookie with all requests that the other one is sent with.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let rest = other.path.strip_prefix(self.path.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Returns the value of a `name=value` pair if the name is the cookie's.
    pub(crate) fn value_in<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let rest = pair.trim_ascii_start().strip_prefix(self.name.as_bytes())?;
        Some(rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii())
    }

    pub(crate) fn is_persistent(&self) -> bool {
        self.age != CookieAge::Session
    }

    /// Returns the cookie with a token, for as long as the session lives.
    pub(crate) fn with_token(&self, token: &str, closed: &Closed, manager: &Manager) -> Cookie<'_> {
        // The store may learn of a use up to one interval late.
        let rolling = closed.ttl.unwrap_or(manager.ttl()) + manager.touch_interval();
        let age = match self.age {
            // The user has asked to be remembered.
            _ if closed.has_own_ttl => Some(rolling),
            CookieAge::Session => None,
            CookieAge::Rolling => Some(rolling),
            CookieAge::Fixed(age) => Some(age),
        };
        let mut cookie = self.with_value(token.to_owned());
        cookie.set_max_age(age.map(|age| Duration::seconds(age.as_millis().div_ceil(1000) as i64)));
        cookie
    }

    pub(crate) fn removal(&self) -> Cookie<'_> {
        let mut cookie = self.with_value(String::new());
        cookie.make_removal();
        cookie
    }

    /// Returns the value of the header `Set-Cookie`.
    pub(crate) fn line(&self, cookie: &Cookie<'_>) -> String {
        // By hand: the version of the crate `cookie` that actix-web uses knows no such attribute.
        format!("{cookie}{}", if self.partitioned { "; Partitioned" } else { "" })
    }

    fn with_value(&self, value: String) -> Cookie<'_> {
        let mut cookie = Cookie::new(&self.name, value);
        cookie.set_path(&self.path);
        cookie.set_secure(self.secure);
        cookie.set_http_only(self.http_only);
        cookie.set_same_site(self.same_site);
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain);
        }
        cookie
    }

    pub(crate) fn check(&self, touch_interval: std::time::Duration) -> Result<()> {
        let Self { name, path, .. } = self;
        let problem = if name.is_empty() || !name.bytes().all(is_token) {
            format!("cookie name {name:?}: allowed are letters, digits and !#$%&'*+-.^_`|~")
        } else if name.len() + MAX_VALUE_BYTES > MAX_COOKIE_BYTES {
            format!("cookie name: allowed are {} bytes", MAX_COOKIE_BYTES - MAX_VALUE_BYTES)
        } else if !path.starts_with('/') || !path.bytes().all(is_attribute) {
            format!("cookie path {path:?}: allowed is a path that begins with /")
        } else if let Some(domain) = self.domain.as_ref().filter(|domain| !is_domain(domain)) {
            format!("cookie domain {domain:?}: allowed is a domain name")
        } else if self.same_site == SameSite::None && !self.secure {
            "cookie same_site none: allowed only with secure".to_owned()
        } else if self.partitioned && !self.secure {
            "cookie partitioned: allowed only with secure".to_owned()
        } else if name.starts_with("__Secure-") && !self.secure {
            format!("cookie name {name}: allowed only with secure")
        } else if name.starts_with("__Host-")
            && (!self.secure || path != "/" || self.domain.is_some())
        {
            format!("cookie name {name}: allowed only with secure, path / and no domain")
        } else if matches!(self.age, CookieAge::Fixed(age) if age.as_secs() == 0 || age > MAX_TTL) {
            "cookie max age: allowed is one second to ten years".to_owned()
        } else if let CookieAge::Fixed(age) = self.age
            && age < touch_interval * 2
        {
            // A cookie that is due to be sent again only after its end would be lost in use.
            format!(
                "cookie max age {age:?}: allowed is twice the touch interval of {touch_interval:?} \
                 or more"
            )
        } else {
            return Ok(());
        };
        Err(Error::Config(problem))
    }
}

/// Returns whether RFC 9110 allows the byte in a token, such as a cookie's name.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_attribute(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b';'
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    domain.strip_prefix('.').unwrap_or(domain).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(config: CookieConfig) -> bool {
        config.check(std::time::Duration::from_secs(10)).is_ok()
    }

    #[test]
    fn a_cookie_that_browsers_would_drop_is_refused() {
        let plain = || CookieConfig::new().name("id");
        assert!(accepts(CookieConfig::new()));
        assert!(accepts(plain().secure(false)));
        assert!(accepts(plain().domain("example.com").path("/app")));
        assert!(!accepts(CookieConfig::new().secure(false)));
        assert!(!accepts(CookieConfig::new().path("/app")));
        assert!(!accepts(CookieConfig::new().domain("example.com")));
        assert!(!accepts(plain().name("__Secure-id").secure(false)));
        assert!(!accepts(plain().secure(false).same_site(SameSite::None)));
        assert!(accepts(plain().partitioned(true)));
        assert!(!accepts(plain().secure(false).partitioned(true)));
        for name in ["", "a b", "a=b", "a;b", "é"] {
            assert!(!accepts(plain().name(name)), "{name}");
        }
        assert!(accepts(plain().name("x".repeat(4096 - 128 - 33))));
        assert!(!accepts(plain().name("x".repeat(4096 - 128 - 32))), "without its signature");
        for path in ["", "app", "/;Secure", "/\r\n"] {
            assert!(!accepts(plain().path(path)), "{path}");
        }
        for domain in ["", "a..b", "a b", "a;b"] {
            assert!(!accepts(plain().domain(domain)), "{domain}");
        }
        assert!(!accepts(plain().age(CookieAge::Fixed(std::time::Duration::ZERO))));
    }

    #[test]
    fn a_fixed_age_that_ends_before_the_cookie_is_sent_again_is_refused() {
        let check = |age: u64, interval: u64| {
            let [age, interval] = [age, interval].map(std::time::Duration::from_millis);
            CookieConfig::new().age(CookieAge::Fixed(age)).check(interval)
        };
        assert!(check(20_000, 10_000).is_ok());
        let problem = check(19_999, 9_999_500).unwrap_err().to_string();
        assert!(problem.contains("19.999s") && problem.contains("9999.5s"), "{problem}");
        assert!(check(19_999, 10_000).is_err());
        assert!(check(3_000, 6_000).is_err());
    }
}
