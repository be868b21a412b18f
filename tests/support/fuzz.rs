//! Input that means no good: a kept corpus, and what chance makes of it.
//!
//! Each target takes bytes and panics if something is wrong. It gets every file of
//! `tests/corpus/<target>` first, then mutations of them: 20,000, or as many as `FUZZ_SECONDS`
//! allow. An input that fails is made smaller as long as it still fails, and put into the corpus,
//! where it stays: the name of a file says why it is there. `FUZZ_SEED` makes the same mutations
//! again.

// Each test uses its own part of this.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::{
    env, fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::PathBuf,
    time::{Duration, Instant},
};

use fastrand::Rng;

/// How many mutations are tried unless `FUZZ_SECONDS` says how long.
const EXECUTIONS: usize = 20_000;
/// Longer inputs are kept in the corpus if need be, but not made.
const LONGEST: usize = 4096;

/// What formats are made of, and what breaks those who read them.
const WORDS: [&[u8]; 46] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b",",
    b":",
    b"=",
    b";",
    b"&",
    b"+",
    b" ",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"\x7f",
    b"{}",
    b"[]",
    b"\"a\":",
    b"null",
    b"true",
    b"-0",
    b"0.1",
    b"1e999",
    b"9007199254740993",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\\udfff",
    b"\\\"",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xf0\x9f\xa6\x80",
    b"%",
    b"%00",
    b"%2e%2e%2f",
    b"%c3%28",
    b"../",
    b"*1\r\n",
    b"$6\r\n",
    b"\n# environment\n",
];

/// One file of a corpus.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Why it is there.
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Reads the corpus of a target.
pub fn corpus(target: &str) -> Vec<Kept> {
    let folder = folder(target);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let kept = |file: fs::DirEntry| Kept {
        name: file.file_name().into_string().expect("a plain name"),
        bytes: fs::read(file.path()).expect("it can be read"),
    };
    let mut corpus: Vec<Kept> = files.map(|file| kept(file.expect("a file"))).collect();
    corpus.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!corpus.is_empty(), "{target} has a corpus");
    corpus
}

/// Feeds a target with its corpus and with mutations of it.
pub fn fuzz(target: &str, check: impl Fn(&[u8])) {
    let fails = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| check(input))).err();
    let corpus = corpus(target);
    for kept in &corpus {
        if let Some(panic) = fails(&kept.bytes) {
            eprintln!("{target}: fails with {}", kept.name);
            resume_unwind(panic);
        }
    }
    let named = env::var("FUZZ_SEED").ok();
    let seed = named.map_or_else(|| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("{target}: FUZZ_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    let (start, length) = (Instant::now(), length());
    let mut executions = 0;
    while length.map_or(executions < EXECUTIONS, |length| start.elapsed() < length) {
        let input = mutation(&mut rng, &corpus);
        if fails(&input).is_some() {
            let input = smallest(input, |input| fails(input).is_some());
            eprintln!("{target}: fails with {}, {}", input.escape_ascii(), keep(target, &input));
            check(&input);
            unreachable!("it has failed before");
        }
        executions += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{target}: {} inputs kept, {executions} made of them in {seconds:.1} s", corpus.len());
}

/// The time that `FUZZ_SECONDS` allows each target.
fn length() -> Option<Duration> {
    let seconds = env::var("FUZZ_SECONDS").ok()?;
    Some(Duration::from_secs_f64(seconds.parse().expect("FUZZ_SECONDS is a number")))
}

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(target)
}

/// Puts an input into the corpus and says where it is.
fn keep(target: &str, input: &[u8]) -> String {
    let name = input.iter().fold(input.len() as u64, |hash, &byte| {
        hash.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
    });
    let place = folder(target).join(format!("found-{name:016x}"));
    match fs::write(&place, input) {
        Ok(()) => format!("kept in {}", place.display()),
        Err(error) => format!("not kept: {error}"),
    }
}

/// Leaves out of an input whatever is not needed to fail.
fn smallest(mut input: Vec<u8>, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut part = input.len();
    while part > 0 {
        let mut at = 0;
        while at < input.len() {
            let end = input.len().min(at + part);
            let without = [&input[..at], &input[end..]].concat();
            if fails(&without) { input = without } else { at = end }
        }
        part /= 2;
    }
    input
}

/// One input of the corpus, changed at a few places, or now and then one made from nothing.
fn mutation(rng: &mut Rng, corpus: &[Kept]) -> Vec<u8> {
    let mut input = if rng.u8(..10) > 0 { any(rng, corpus).bytes.clone() } else { Vec::new() };
    for _ in 0..rng.usize(1..8) {
        change(rng, &mut input, corpus);
    }
    input.truncate(LONGEST);
    input
}

fn change(rng: &mut Rng, input: &mut Vec<u8>, corpus: &[Kept]) {
    let length = input.len();
    let (one, other) = (rng.usize(..=length), rng.usize(..=length));
    let part = one.min(other)..one.max(other);
    match rng.u8(..9) {
        0 if one < length => input[one] = rng.u8(..),
        1 if one < length => input[one] ^= 1 << rng.u8(..8),
        2 => input.insert(one, rng.u8(..)),
        3 => drop(input.drain(part)),
        // Short parts are where the interesting limits are.
        4 => drop(input.drain(one..length.min(one + rng.usize(1..4)))),
        5 => input.truncate(one),
        6 => {
            let times = rng.usize(1..8).min(1 + LONGEST / part.len().max(1));
            let repeated = input[part.clone()].repeat(times);
            input.splice(part.end..part.end, repeated);
        }
        7 => {
            let rest = &any(rng, corpus).bytes;
            input.truncate(one);
            input.extend_from_slice(&rest[rng.usize(..=rest.len())..]);
        }
        _ => {
            let word = any(rng, &WORDS);
            input.splice(one..one, word.iter().copied());
        }
    }
}

fn any<'a, T>(rng: &mut Rng, of: &'a [T]) -> &'a T {
    &of[rng.usize(..of.len())]
}
