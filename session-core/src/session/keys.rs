//! The keys that an operation takes.

/// One or several keys: `"a"`, `["a", "b"]`, a `Vec` or a slice of strings.
///
/// # Examples
///
/// ```
/// use session_core::Keys;
///
/// assert_eq!("a".into_keys(), ["a"]);
/// assert_eq!(["a", "b"].into_keys(), ["a", "b"]);
/// ```
pub trait Keys {
    /// Returns the keys.
    fn into_keys(self) -> Vec<String>;
}

impl Keys for &str {
    fn into_keys(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl Keys for String {
    fn into_keys(self) -> Vec<String> {
        vec![self]
    }
}

impl Keys for &String {
    fn into_keys(self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl<K: Into<String>> Keys for Vec<K> {
    fn into_keys(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<K: Into<String>, const N: usize> Keys for [K; N] {
    fn into_keys(self) -> Vec<String> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<K: AsRef<str>> Keys for &[K] {
    fn into_keys(self) -> Vec<String> {
        self.iter().map(|key| key.as_ref().to_owned()).collect()
    }
}
