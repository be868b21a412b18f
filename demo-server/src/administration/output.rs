//! Standard output.

use std::io::{self, ErrorKind, Write as _};

use actix_rt::task::spawn_blocking;

use super::failure::Failure;
use crate::settings::Problem;

/// The bytes that are collected before they are written.
const CHUNK: usize = 16 * 1024;

/// Collects text and writes it in chunks, on another thread: a pipe may be full for long.
#[derive(Default)]
pub(super) struct Output(String);

impl Output {
    pub(super) async fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.0.push_str(text);
        if self.0.len() < CHUNK { Ok(()) } else { self.flush().await }
    }

    pub(super) async fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.0.push_str(line);
        self.write("\n").await
    }

    pub(super) async fn flush(&mut self) -> Result<(), Failure> {
        let text = std::mem::take(&mut self.0);
        let write = move || {
            let mut output = io::stdout().lock();
            output.write_all(text.as_bytes()).and_then(|()| output.flush())
        };
        let written = spawn_blocking(write).await.unwrap_or(Ok(()));
        written.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::Store(Problem::new(format!("the output cannot be written: {error}"))),
        })
    }
}

/// Returns a text that gives no orders to a terminal.
pub(super) fn harmless(text: &str) -> String {
    text.replace(char::is_control, " ")
}
