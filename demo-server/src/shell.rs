//! Arguments for shell commands that a user copies.

use std::path::Path;

/// Quotes an argument for a POSIX shell, if it needs quotes.
pub(crate) fn quote(argument: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !argument.is_empty() && argument.bytes().all(is_plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

/// Makes a path absolute and quotes it: a copied command must work in any directory.
pub(crate) fn quote_path(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    quote(&absolute.display().to_string())
}
