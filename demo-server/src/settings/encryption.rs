//! The keys that encrypt items: in a list of the settings, or in a file.

use std::fs;

use session_core::{Error, KeyRing};

use super::{Problem, Secret, Session, Settings};

impl Session {
    pub(super) fn encrypts(&self) -> bool {
        self.encryption_keys.is_some() || self.encryption_keys_file.is_some()
    }

    /// Returns the keys of two settings that contradict each other, and how many are allowed.
    pub(super) fn contradiction(&self) -> Option<([&'static str; 2], &'static str)> {
        let (keys, file) = ("session.encryption_keys", "session.encryption_keys_file");
        if self.encryption_keys.is_some() && self.encryption_keys_file.is_some() {
            return Some(([keys, file], "one of the two"));
        }
        let needs_keys = self.require_encryption && !self.encrypts();
        needs_keys.then_some((["session.require_encryption", keys], "both or neither"))
    }
}

impl Settings {
    /// Returns the keys that encrypt items, if there are any.
    pub(crate) fn keys(&self) -> Result<Option<KeyRing>, Problem> {
        const ONE_PER_LINE: &str = "allowed is a file with one key in each line";
        if let Some(keys) = &self.session.encryption_keys {
            let ring = KeyRing::parse(keys.iter().map(Secret::reveal));
            let problem = |error| self.problem(&["session.encryption_keys"], cause(&error));
            return ring.map(Some).map_err(problem);
        }
        let Some(file) = &self.session.encryption_keys_file else { return Ok(None) };
        let text = fs::read_to_string(file).map_err(|error| {
            let key = ["session.encryption_keys_file"];
            self.problem(&key, format_args!("cannot be read: {error}; {ONE_PER_LINE}"))
        })?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        KeyRing::parse(lines)
            .map(Some)
            .map_err(|error| self.problem(&["session.encryption_keys_file"], cause(&error)))
    }
}

/// Returns what is wrong, without the words that it is a setting of the library.
fn cause(error: &Error) -> String {
    match error {
        Error::Config(problem) => problem.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read, refused};

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const OTHER: &str = "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn problem(file: &str, environment: &[(&str, &str)]) -> String {
        let settings = read(file, environment).expect("it is read");
        settings.keys().expect_err("refused").to_string()
    }

    #[test]
    fn keys_come_from_a_list_a_variable_or_a_file() {
        let list = format!("[session]\nencryption_keys = [\"{KEY}\", \"{OTHER}\"]");
        let joined = [KEY, OTHER].join(", ");
        let variable = [("DEMO__SESSION__ENCRYPTION_KEYS", joined.as_str())];
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        std::fs::write(&path, format!("{KEY}\n\n {OTHER} \n")).unwrap();
        let file = [("DEMO__SESSION__ENCRYPTION_KEYS_FILE", path.to_str().unwrap())];
        for (text, environment) in [(&*list, &[][..]), ("", &variable), ("", &file)] {
            let settings = read(text, environment).unwrap();
            let keys = settings.keys().unwrap().expect("keys");
            assert_eq!(format!("{keys:?}"), "KeyRing(2 keys, not shown)");
            assert!(settings.storage().ends_with(", items encrypted"));
            assert!(!format!("{settings:?}").contains(KEY));
        }
        assert!(read("", &[]).unwrap().keys().unwrap().is_none());
    }

    #[test]
    fn no_keys_are_never_taken_for_no_encryption() {
        refused("[session]\nencryption_keys = []", &[], &["encryption_keys", "one or more keys"]);
        for name in ["DEMO__SESSION__ENCRYPTION_KEYS", "DEMO__SESSION__ENCRYPTION_KEYS_FILE"] {
            refused("", &[(name, "")], &[name, "allowed is"]);
        }
        let list = format!("[session]\nencryption_keys = \"{KEY}\"");
        refused(&list, &[], &["encryption_keys", "a list"]);
        let required = "[session]\nrequire_encryption = true";
        refused(required, &[], &["require_encryption", "encryption_keys", "both or neither"]);
        let file = ("DEMO__SESSION__ENCRYPTION_KEYS_FILE", "keys");
        let both = [("DEMO__SESSION__ENCRYPTION_KEYS", KEY), file];
        refused("", &both, &["encryption_keys_file", "one of the two"]);
    }

    #[test]
    fn a_key_that_is_none_is_named_by_its_place_and_not_shown() {
        let text = format!("{KEY},c2VjcmV0");
        let short = problem("", &[("DEMO__SESSION__ENCRYPTION_KEYS", &text)]);
        let expected = "DEMO__SESSION__ENCRYPTION_KEYS = (not shown): encryption key 2 has 6 bytes; \
             allowed is the base64 of 32 bytes";
        assert_eq!(short, expected);
        let twice = problem("", &[("DEMO__SESSION__ENCRYPTION_KEYS", &[KEY, KEY].join(","))]);
        assert!(twice.ends_with("encryption keys 1 and 2 are the same"), "{twice}");
        let directory = tempfile::tempdir().unwrap();
        let empty = directory.path().join("empty");
        std::fs::write(&empty, "\n").unwrap();
        for (path, words) in
            [(empty, "one key or more"), (directory.path().into(), "cannot be read")]
        {
            let variable = [("DEMO__SESSION__ENCRYPTION_KEYS_FILE", path.to_str().unwrap())];
            let problem = problem("", &variable);
            assert!(problem.contains(words) && !problem.contains('\n'), "{problem}");
        }
    }
}
