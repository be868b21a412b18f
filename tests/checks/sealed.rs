//! The stored text of an item where items are encrypted.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde_json::value::RawValue;
use session_core::{Changes, KeyRing, MemoryStorage, Sealed, SessionId, SetOptions, Storage};

/// The ring's keys: 32 times the byte 1, and the byte 2.
const KEYS: [&str; 2] = [
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
    "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=",
];
const ID: &str = "user-17";
const KEY: &str = "name";
const START: &str = "$sealed:";

thread_local! {
    static CHECK: Check = Check::new();
}

/// Checks that a text is served as the item that the ring has encrypted for its place; as it is, if
/// it was not encrypted and such items are accepted; or not at all. Then encrypts it, and checks
/// that it is served in its place alone, and that one wrong bit is noticed.
///
/// The input is the text, before it a line with the number of the bit, which may be missing.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(input) = str::from_utf8(bytes) else { return };
    let numbered = input.split_once('\n').and_then(|(bit, text)| Some((bit.parse().ok()?, text)));
    let (bit, text) = numbered.unwrap_or((0, input));
    if let Some(item) = item(text) {
        CHECK.with(|check| check.all(&item, bit));
    }
}

/// Checks that a text is an item that the ring has encrypted, and each of its bits.
#[allow(dead_code, reason = "libFuzzer chooses its bits")]
pub(crate) fn check_every_bit(text: &str) {
    let item = item(text).expect("the text is JSON");
    CHECK.with(|check| {
        assert!(check.read(&check.strict, ID, KEY, &item).is_some(), "not encrypted by the ring");
        (0..8 * text.len()).for_each(|bit| check.notices_a_wrong_bit(&item, bit));
    });
}

/// One store, read in two ways, and a storage that encrypts with each of the keys.
struct Check {
    store: Arc<MemoryStorage>,
    lenient: Sealed<Arc<MemoryStorage>>,
    strict: Sealed<Arc<MemoryStorage>>,
    of_one_key: [Sealed<Arc<MemoryStorage>>; 2],
}

impl Check {
    fn new() -> Self {
        let store = Arc::new(MemoryStorage::new());
        let sealed = |keys: &[&str]| {
            Sealed::new(store.clone(), KeyRing::parse(keys).expect("the keys are well-formed"))
        };
        Self {
            lenient: sealed(&KEYS),
            strict: sealed(&KEYS).require_encryption(),
            of_one_key: KEYS.map(|key| sealed(&[key])),
            store,
        }
    }

    fn all(&self, text: &RawValue, bit: usize) {
        let opened = self.read(&self.strict, ID, KEY, text);
        if let Some(item) = &opened {
            assert!(self.seal(item).iter().any(|sealed| sealed.get() == text.get()), "invented");
            self.is_of_its_place(text, bit);
        }
        let is_plain = opened.is_none() && !has_been_encrypted(text.get());
        let expected = opened.or(is_plain.then(|| text.to_owned()));
        let served = self.read(&self.lenient, ID, KEY, text);
        assert_eq!(served.as_deref().map(RawValue::get), expected.as_deref().map(RawValue::get));
        for sealed in self.seal(text) {
            let opened = self.read(&self.strict, ID, KEY, &sealed).expect("the ring encrypted it");
            assert_eq!(opened.get(), text.get());
            self.is_of_its_place(&sealed, bit);
        }
        // The beginning of an id is in the nonce, too.
        let [one, other] = ["user-17-of-shop-1", "user-17-of-shop-2"];
        self.put(&self.of_one_key[0], one, KEY, text);
        let sealed = get(&*self.store, one, KEY).expect("it was stored");
        for storage in [&self.lenient, &self.strict] {
            assert!(self.read(storage, other, KEY, &sealed).is_none(), "of another session");
        }
    }

    /// Checks that an encrypted item is served neither elsewhere nor with a wrong bit.
    fn is_of_its_place(&self, sealed: &RawValue, bit: usize) {
        for storage in [&self.lenient, &self.strict] {
            assert!(self.read(storage, "user-18", KEY, sealed).is_none(), "of another session");
            assert!(self.read(storage, ID, "role", sealed).is_none(), "of another key");
        }
        self.notices_a_wrong_bit(sealed, bit);
    }

    fn notices_a_wrong_bit(&self, sealed: &RawValue, bit: usize) {
        let Some(damaged) = flip(sealed.get(), bit) else { return };
        for storage in [&self.lenient, &self.strict] {
            assert!(self.read(storage, ID, KEY, &damaged).is_none(), "{damaged}");
        }
    }

    /// Encrypts an item with each of the keys.
    fn seal(&self, item: &RawValue) -> [Box<RawValue>; 2] {
        self.of_one_key.each_ref().map(|storage| {
            self.put(storage, ID, KEY, item);
            get(&*self.store, ID, KEY).expect("it was stored")
        })
    }

    /// Reads the text of an item as a session of this storage.
    fn read(
        &self,
        storage: &dyn Storage,
        id: &str,
        key: &str,
        text: &RawValue,
    ) -> Option<Box<RawValue>> {
        self.put(&*self.store, id, key, text);
        get(storage, id, key)
    }

    fn put(&self, storage: &dyn Storage, id: &str, key: &str, item: &RawValue) {
        let (id, mut changes) = (parse(id), Changes::new());
        changes.set(key, item.to_owned());
        now(self.store.remove_all(&id, None)).expect("memory does not fail");
        let options = SetOptions::create(Duration::from_secs(60));
        now(storage.set_session(&id, &changes, options)).expect("memory does not fail");
    }
}

fn get(storage: &dyn Storage, id: &str, key: &str) -> Option<Box<RawValue>> {
    let id = parse(id);
    let found = now(storage.get(&id, key)).expect("memory does not fail");
    let session = now(storage.get_session(&id)).expect("memory does not fail");
    let of_session = session.as_ref().and_then(|session| session.item(key));
    assert_eq!(of_session, found.as_deref().map(RawValue::get));
    found
}

/// Returns whether a text is of the form of encrypted items, but for up to four wrong bits in its
/// beginning.
fn has_been_encrypted(text: &str) -> bool {
    let string = serde_json::from_str::<String>(text).unwrap_or_default();
    let start = string.as_bytes().get(..START.len());
    let wrong = |start: &[u8]| {
        let bits = start.iter().zip(START.bytes()).map(|(one, other)| (one ^ other).count_ones());
        bits.sum::<u32>()
    };
    // What follows need not be a text, such as half a surrogate.
    text.starts_with("\"$sealed:") || start.is_some_and(|start| wrong(start) <= 4)
}

/// Changes one bit. `None` if the text cannot be stored then, because it is no longer JSON.
fn flip(text: &str, bit: usize) -> Option<Box<RawValue>> {
    let (mut bytes, bit) = (text.as_bytes().to_vec(), bit % (text.len() * 8));
    bytes[bit / 8] ^= 1 << (bit % 8);
    item(str::from_utf8(&bytes).ok()?)
}

fn item(text: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(text.to_owned()).ok()
}

fn parse(id: &str) -> SessionId {
    SessionId::parse(id).expect("the id is well-formed")
}

/// Returns the answer of a storage in memory, which never waits.
fn now<T>(answer: impl Future<Output = T>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("memory never waits"),
    }
}
