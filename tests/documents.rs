//! The links, names and examples in the documentation are correct.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the server is a member of the workspace")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the files in a folder and its subfolders with this ending, except build output.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// Returns each text between `open` and the next `close`.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open).skip(1).filter_map(move |rest| Some(rest.split_once(close)?.0))
}

#[test]
fn every_link_to_a_file_resolves() {
    for document in files(root(), ".md") {
        let text = fs::read_to_string(&document).unwrap();
        for target in between(&text, "](", ")") {
            let file = target.split('#').next().unwrap();
            let exists = document.with_file_name(file).exists();
            assert!(exists || target.contains("://"), "{}: {target}", document.display());
        }
    }
}

#[test]
fn the_readme_shows_the_code_that_is_compiled_as_a_doctest() {
    let shown = |file| {
        let text = read(file);
        between(&text, "```rust,no_run\n", "```").next().expect("a piece of code").to_owned()
    };
    assert_eq!(shown("README.md"), shown("session-actix/README.md"));
}

#[test]
fn the_code_of_the_guides_is_compiled_as_a_test_or_an_example() {
    // Indentation depends on where a piece of code comes from.
    let lines = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let folders = ["session-actix/tests/guides", "session-actix/examples"];
    let compiled: Vec<String> = folders
        .iter()
        .flat_map(|folder| files(&root().join(folder), ".rs"))
        .map(|file| lines(&fs::read_to_string(file).unwrap()))
        .collect();
    let mut pieces = 0;
    for document in files(&root().join("docs"), ".md") {
        let text = fs::read_to_string(&document).unwrap();
        for code in between(&text, "```rust\n", "```") {
            pieces += 1;
            let code = lines(code);
            let is_there = compiled.iter().any(|file| file.contains(&code));
            assert!(is_there, "{}: not compiled:\n{code}", document.display());
        }
    }
    assert!(pieces > 10, "{pieces} pieces of code");
}

#[test]
fn every_test_named_in_a_document_exists() {
    let defined = functions();
    let exists = |name: &str| match name.strip_suffix('…') {
        Some(beginning) => defined.iter().any(|test| test.starts_with(beginning)),
        None => defined.contains(name),
    };
    for document in files(root(), ".md") {
        let text = fs::read_to_string(&document).unwrap();
        for name in text.split('`').filter(|name| is_guarantee(name)) {
            assert!(exists(name), "{}: {name}", document.display());
        }
    }
}

#[test]
fn every_test_in_the_tables_on_security_exists() {
    let defined = functions();
    let text = read("docs/SECURITY.md");
    let mut names = 0;
    for row in text.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let [_rule, _here, tests, _left] = cells[..] else { continue };
        for name in tests.split('`').skip(1).step_by(2) {
            names += 1;
            assert!(defined.contains(name), "{name}");
        }
    }
    assert!(names > 50, "{names} names");
}

/// Returns the names of all functions of the workspace, tests among them.
fn functions() -> BTreeSet<String> {
    let names = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        between(&text, "fn ", "(").map(str::to_owned).collect::<Vec<_>>()
    };
    files(root(), ".rs").iter().flat_map(names).collect()
}

/// Returns whether a name is that of a test for a guarantee, such as `g4_renewing_…`.
fn is_guarantee(name: &str) -> bool {
    let number = name.strip_prefix('g').and_then(|rest| rest.split_once('_'));
    number.is_some_and(|(number, rest)| number.parse::<u8>().is_ok() && !rest.is_empty())
        && !name.contains(' ')
}

#[test]
fn every_gsession_item_has_a_counterpart() {
    let guide = read("docs/FROM-GOFRAME.md");
    let (_, table) = guide.split_once("| `gsession` | here |\n").expect("the table");
    let rows: Vec<_> = table.lines().take_while(|line| line.starts_with('|')).skip(1).collect();
    assert!(rows.len() > 60, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert!(matches!(cells[..], [item, here] if !item.is_empty() && !here.is_empty()), "{row}");
    }
}

#[test]
fn every_dependency_is_explained_in_the_architecture() {
    let manifest = read("Cargo.toml");
    let architecture = read("ARCHITECTURE.md");
    let (_, list) = manifest.split_once("[workspace.dependencies]\n").expect("the dependencies");
    let lines = list.lines().take_while(|line| !line.starts_with('['));
    let crates = lines.filter_map(|line| line.split_once(" = "));
    for (name, source) in crates.filter(|(_, source)| !source.contains("path = ")) {
        let row = architecture.lines().find(|line| line.contains(&format!("`{name}`")));
        assert!(row.is_some_and(|row| row.starts_with('|')), "{name} = {source}");
    }
}
