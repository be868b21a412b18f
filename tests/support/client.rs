//! A browser, as far as sessions are concerned.

use std::time::Duration;

use ureq::Agent;

/// The shipped name of the cookie.
pub(crate) const COOKIE: &str = "gfsessionid";

/// Keeps the cookie as a browser does. A clone is another tab: what happens to its cookie is its
/// own business.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    port: u16,
    /// The session's id, if the server has given one.
    pub(crate) id: Option<String>,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) set_cookie: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) content_type: Option<String>,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            // The server closes a connection that is idle for 5 s, perhaps just as it is used.
            .max_idle_age(Duration::from_secs(3))
            .max_response_header_size(1 << 20)
            .build()
            .new_agent();
        Self { agent, port, id: None }
    }

    /// The same browser, asking another server.
    pub(crate) fn at(&self, port: u16) -> Self {
        Self { id: self.id.clone(), ..Self::new(port) }
    }

    /// A browser that claims to have this session.
    pub(crate) fn claiming(&self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self.clone() }
    }

    /// Asks for a path and expects an answer.
    pub(crate) fn ask(&mut self, path: &str) -> Answer {
        self.try_ask(path).expect("the server answers")
    }

    /// Asks for a path; expects 200 and returns the body.
    pub(crate) fn expect(&mut self, path: &str) -> String {
        let answer = self.ask(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    pub(crate) fn try_ask(&mut self, path: &str) -> Result<Answer, ureq::Error> {
        let mut request = self.agent.get(format!("http://127.0.0.1:{}{path}", self.port));
        if let Some(id) = &self.id {
            request = request.header("Cookie", format!("{COOKIE}={id}"));
        }
        let mut response = request.call()?;
        let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let answer = Answer {
            status: response.status().as_u16(),
            set_cookie: header("set-cookie"),
            retry_after: header("retry-after"),
            content_type: header("content-type"),
            body: response.body_mut().read_to_string()?,
        };
        if let Some(cookie) = &answer.set_cookie {
            let value = cookie.split(';').next().and_then(|pair| pair.strip_prefix(COOKIE));
            let value = value.and_then(|value| value.strip_prefix('=')).expect("the cookie's name");
            self.id = (!value.is_empty()).then(|| value.to_owned());
        }
        Ok(answer)
    }
}
