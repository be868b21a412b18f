//! A minimal HTTP client for one open connection.

use std::io;

use actix_rt::net::TcpStream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::demo::client::COOKIE;

pub(crate) struct Connection {
    port: u16,
    stream: TcpStream,
    request: String,
    received: Vec<u8>,
    /// The number of times that the server had closed the idle connection.
    pub(crate) reopened: usize,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The id in the cookie.
    pub(crate) id: Option<String>,
}

impl Connection {
    pub(crate) async fn open(port: u16) -> io::Result<Self> {
        let stream = connect(port).await?;
        Ok(Self { port, stream, request: String::new(), received: Vec::new(), reopened: 0 })
    }

    /// Requests a path. Sends the id as the cookie unless it is empty.
    pub(crate) async fn get(&mut self, path: &str, id: &str) -> io::Result<Answer> {
        self.request.clear();
        self.request.extend(["GET ", path, " HTTP/1.1\r\nHost: localhost\r\n"]);
        if !id.is_empty() {
            self.request.extend(["Cookie: ", COOKIE, "=", id, "\r\n"]);
        }
        self.request.push_str("\r\n");
        match self.exchange().await {
            // Like a browser, retry on a new connection. The server has not handled the request, or
            // it would have sent an answer.
            Err(_) if self.received.is_empty() => {
                self.stream = connect(self.port).await?;
                self.reopened += 1;
                self.exchange().await
            }
            result => result,
        }
    }

    async fn exchange(&mut self) -> io::Result<Answer> {
        self.received.clear();
        self.stream.write_all(self.request.as_bytes()).await?;
        loop {
            if let Some(answer) = parse(&self.received) {
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

async fn connect(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Parses the answer. `None` while it is incomplete.
fn parse(received: &[u8]) -> Option<Answer> {
    let text = str::from_utf8(received).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let (mut length, mut id) = (0, None);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().ok()?;
        } else if name.eq_ignore_ascii_case("set-cookie") {
            let value = value.strip_prefix(COOKIE)?.strip_prefix('=')?;
            id = value.split(';').next().map(str::to_owned);
        }
    }
    (body.len() >= length).then(|| Answer { status, body: body.to_owned(), id })
}
