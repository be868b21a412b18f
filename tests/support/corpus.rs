//! The kept inputs of `tests/corpus/`, a folder for each target.

#![allow(dead_code, reason = "each test uses the part it needs")]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
};

/// One file of a corpus.
pub(crate) struct Input {
    /// Says why the file is kept.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Reads the corpus of a target, sorted by name.
pub(crate) fn read(target: &str) -> Vec<Input> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(target);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let input = |file: fs::DirEntry| Input {
        name: file.file_name().into_string().expect("names are ASCII"),
        bytes: fs::read(file.path()).expect("the file is readable"),
    };
    let mut inputs: Vec<Input> = files.map(|file| input(file.expect("a file"))).collect();
    inputs.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!inputs.is_empty(), "{target} has no corpus");
    inputs
}

/// Feeds a target's corpus to its check. Names the first file that makes it panic.
pub(crate) fn replay(target: &str, check: fn(&[u8])) {
    for Input { name, bytes } in read(target) {
        let outcome = catch_unwind(AssertUnwindSafe(|| check(&bytes)));
        assert!(outcome.is_ok(), "tests/corpus/{target}/{name} fails");
    }
}
