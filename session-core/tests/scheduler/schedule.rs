//! Which choice is taken at each step of a run.

/// Takes the choices of a run.
pub(crate) trait Choices {
    /// Returns a number below `options`.
    fn choose(&mut self, options: usize) -> usize;
}

/// Every schedule, depth first.
///
/// A run is repeated from its beginning with the same choices up to the last one that had another
/// option. So a run must depend on its choices alone.
#[derive(Debug, Default)]
pub(crate) struct Every {
    choices: Vec<Choice>,
    position: usize,
}

#[derive(Debug)]
struct Choice {
    taken: usize,
    options: usize,
}

impl Every {
    /// Prepares the next run, or returns `false` if every schedule was taken.
    pub(crate) fn advance(&mut self) -> bool {
        assert_eq!(self.position, self.choices.len(), "a repeated run takes the same course");
        self.position = 0;
        while let Some(last) = self.choices.last_mut() {
            if last.taken + 1 < last.options {
                last.taken += 1;
                return true;
            }
            self.choices.pop();
        }
        false
    }
}

impl Choices for Every {
    fn choose(&mut self, options: usize) -> usize {
        if self.position == self.choices.len() {
            self.choices.push(Choice { taken: 0, options });
        }
        let choice = &self.choices[self.position];
        assert_eq!(choice.options, options, "a repeated run has the same options");
        self.position += 1;
        choice.taken
    }
}

/// A random schedule (xorshift), the same for the same seed.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Bits all over, and not 0.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
}

impl Choices for Random {
    fn choose(&mut self, options: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % options
    }
}

#[test]
fn every_schedule_is_taken_once() {
    let (mut every, mut taken) = (Every::default(), Vec::new());
    loop {
        let first = every.choose(2);
        taken.push((first, every.choose(first + 1)));
        if !every.advance() {
            break;
        }
    }
    assert_eq!(taken, [(0, 0), (1, 0), (1, 1)]);
}
