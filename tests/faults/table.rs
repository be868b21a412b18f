//! Writes measurements into the tables of the documentation.

use std::{env, fs, sync::Mutex};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/RELIABILITY.md");

/// Writes a row into a table if `RELIABILITY_TABLE` is set. The row replaces the one with the same
/// `name`, or becomes the last.
pub(super) fn set_row(table: &str, name: &str, row: &str) {
    static LOCK: Mutex<()> = Mutex::new(());
    if env::var_os("RELIABILITY_TABLE").is_some() {
        let _guard = LOCK.lock().unwrap();
        let page = fs::read_to_string(PAGE).expect("the page can be read");
        fs::write(PAGE, with_row(&page, table, name, row)).expect("the page can be written");
    }
}

fn with_row(page: &str, table: &str, name: &str, row: &str) -> String {
    let (begin, end) =
        (format!("<!-- {table}: measured -->\n"), format!("<!-- {table}: end -->\n"));
    let (before, rest) = page.split_once(&begin).expect("the table has a beginning");
    let (rows, after) = rest.split_once(&end).expect("the table has an end");
    let is_old = |line: &str| line.starts_with(&format!("| {name} |"));
    let mut lines: Vec<&str> = rows.lines().collect();
    match lines.iter().position(|line| is_old(line)) {
        Some(at) => lines[at] = row,
        None => lines.push(row),
    }
    format!("{before}{begin}{}\n{end}{after}", lines.join("\n"))
}
