//! An HTTP client that keeps the session cookie like a browser.

use std::time::Duration;

use ureq::Agent;

/// The default name of the cookie.
pub(crate) const COOKIE: &str = "gfsessionid";

/// A client with one cookie. Clones start with the same cookie and then keep their own.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    port: u16,
    /// The id in the cookie, if there is one.
    pub(crate) id: Option<String>,
}

/// A response of the server.
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
            // The server closes connections after 5 s without a request, possibly at the moment
            // when the client uses one again.
            .max_idle_age(Duration::from_secs(3))
            .max_response_header_size(1 << 20)
            .build()
            .new_agent();
        Self { agent, port, id: None }
    }

    /// Returns a client with the same cookie for another server.
    pub(crate) fn at(&self, port: u16) -> Self {
        Self { id: self.id.clone(), ..Self::new(port) }
    }

    /// Returns a client whose cookie contains this id.
    pub(crate) fn with_id(&self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self.clone() }
    }

    /// Requests a path. Panics without a response.
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.try_get(path).expect("the server responds")
    }

    /// Requests a path and returns the body. Panics unless the status is 200.
    pub(crate) fn get_ok(&mut self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// Requests a path. The error is the failed connection, never a status.
    pub(crate) fn try_get(&mut self, path: &str) -> Result<Answer, ureq::Error> {
        self.send("GET", path, &[])
    }

    /// Sends a POST request without a body. Panics without a response.
    pub(crate) fn post(&mut self, path: &str) -> Answer {
        self.send("POST", path, &[]).expect("the server responds")
    }

    /// Sends a request without a body, with more headers.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{}{path}", self.port));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(id) = &self.id {
            request = request.header("Cookie", format!("{COOKIE}={id}"));
        }
        let request = request.body(()).expect("method, path and headers are well-formed");
        let mut response = self.agent.run(request)?;
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
