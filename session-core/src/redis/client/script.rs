//! Lua scripts, called by their hash.

use deadpool_redis::redis::{self, Arg, Cmd};

use super::key::Key;

/// A script and the hash that the server knows it by.
pub(crate) struct Script {
    text: &'static str,
    hash: String,
}

/// A script with its keys and arguments, ready to be sent.
pub(crate) struct Call {
    script: &'static Script,
    by_hash: Cmd,
}

impl Script {
    pub(crate) fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Makes a call out of keys and arguments.
    pub(crate) fn call(&'static self, keys: &[Key<'_>], args: &[&[u8]]) -> Call {
        let keys_length: usize = keys.iter().map(|key| key.length()).sum();
        let args_length: usize = args.iter().map(|arg| arg.len()).sum();
        let length = "EVALSHA".len() + self.hash.len() + 2 + keys_length + args_length;
        let mut by_hash = Cmd::with_capacity(3 + keys.len() + args.len(), length);
        by_hash.arg("EVALSHA").arg(&self.hash).arg(keys.len()).arg(keys).arg(args);
        Call { script: self, by_hash }
    }
}

impl Call {
    pub(super) fn by_hash(&self) -> &Cmd {
        &self.by_hash
    }

    /// Returns the call with the script's text, which also makes the server remember the script.
    pub(super) fn by_text(&self) -> Cmd {
        let mut by_text = redis::cmd("EVAL");
        by_text.arg(self.script.text);
        for arg in self.args().skip(2) {
            by_text.arg(arg);
        }
        by_text
    }

    /// Returns the size of all arguments in bytes.
    pub(super) fn size(&self) -> usize {
        self.args().map(<[u8]>::len).sum()
    }

    fn args(&self) -> impl Iterator<Item = &[u8]> {
        self.by_hash.args_iter().filter_map(|arg| match arg {
            Arg::Simple(arg) => Some(arg),
            _ => None,
        })
    }
}
