//! Whether a command may be sent twice.

/// Whether a command may be sent again although it may have been executed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The command reads, or executing it twice has the same effect as once.
    Repeatable,
    /// The command is sent again only after an answer that proves it was not executed.
    Once,
}
