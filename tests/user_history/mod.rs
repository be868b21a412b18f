//! Browsers of a few users, what they request, and the rules for the answers.

pub(crate) mod check;
#[cfg(test)]
mod check_tests;
pub(crate) mod load;
pub(crate) mod record;
#[cfg(test)]
mod renewal_tests;
pub(crate) mod run;
mod sessions;
