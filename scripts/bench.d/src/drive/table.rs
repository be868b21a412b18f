//! Tables in Markdown.

use std::fmt::Write;

use crate::comparison::Figure;

/// A table whose first column is text and whose other columns are numbers.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(columns: &[&str]) -> Self {
        let mut table = Self { text: String::new() };
        table.line(columns.iter().copied());
        let rule = std::iter::once("---").chain(columns.iter().skip(1).map(|_| "---:"));
        table.line(rule);
        table
    }

    pub(crate) fn row(&mut self, cells: impl AsRef<[String]>) {
        self.line(cells.as_ref().iter().map(String::as_str));
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn line<'a>(&mut self, cells: impl Iterator<Item = &'a str>) {
        let cells: Vec<&str> = cells.collect();
        writeln!(self.text, "| {} |", cells.join(" | ")).expect("writing to a String never fails");
    }
}

/// Formats a median with its spread, such as `1.23 ± 0.04`.
pub(crate) fn figure(figure: &Figure, digits: usize) -> String {
    format!("{:.digits$} ± {:.digits$}", figure.median(), figure.spread())
}

/// Formats a number of bytes, such as `10 KB`.
pub(crate) fn bytes(bytes: usize) -> String {
    match bytes {
        1_000_000.. => format!("{} MB", bytes / 1_000_000),
        1_000.. => format!("{} KB", bytes / 1_000),
        _ => format!("{bytes} B"),
    }
}

/// Formats microseconds with about three digits.
pub(crate) fn micros(micros: f64) -> String {
    match micros {
        ..10.0 => format!("{micros:.2}"),
        ..100.0 => format!("{micros:.1}"),
        _ => format!("{micros:.0}"),
    }
}
