//! Bytes that are needed for a moment.

/// Enough for the most common items.
pub(super) type ItemBytes = Scratch<256>;

/// Bytes that need no allocation up to a length of `N`.
pub(super) struct Scratch<const N: usize> {
    few: [u8; N],
    many: Vec<u8>,
    length: usize,
}

impl<const N: usize> Scratch<N> {
    #[inline]
    pub(super) fn new() -> Self {
        Self { few: [0; N], many: Vec::new(), length: 0 }
    }

    /// Changes the length. What was there stays, as far as there is room.
    #[inline]
    pub(super) fn resize(&mut self, length: usize) -> &mut [u8] {
        if length > N {
            if self.length <= N {
                self.many.clear();
                self.many.extend_from_slice(&self.few[..self.length]);
            }
            self.many.resize(length, 0);
        } else if self.length > N {
            self.few[..length].copy_from_slice(&self.many[..length]);
        }
        self.length = length;
        self.bytes_mut()
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        if self.length > N { &self.many } else { &self.few[..self.length] }
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        if self.length > N { &mut self.many } else { &mut self.few[..self.length] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays_when_the_length_changes() {
        let mut scratch = Scratch::<4>::new();
        scratch.resize(3).copy_from_slice(b"abc");
        for (length, expected) in
            [(4, "abc."), (6, "abc..."), (5, "abc.."), (2, "ab"), (7, "ab.....")]
        {
            let known = scratch.bytes().len().min(length);
            scratch.resize(length)[known..].fill(b'.');
            assert_eq!(str::from_utf8(scratch.bytes()), Ok(expected));
        }
    }
}
