//! How many of several things came to which end, in a line.

use crate::failure::Outcome;
use std::fmt::Write as _;

/// Counts outcomes.
#[derive(Debug)]
pub(crate) struct Tally {
    words: [&'static str; 3],
    counts: [u64; 3],
}

impl Tally {
    /// `words` is what success, a refusal and a failure are called.
    pub(crate) fn new(words: [&'static str; 3]) -> Self {
        Self {
            words,
            counts: [0; 3],
        }
    }

    pub(crate) fn count(&mut self, outcome: Outcome) {
        self.counts[match outcome {
            Outcome::Success => 0,
            Outcome::Refused => 1,
            _ => 2,
        }] += 1;
    }

    /// A refusal is known, and counts more than what is not known.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.counts {
            [_, (1..), _] => Outcome::Refused,
            [_, _, (1..)] => Outcome::Failed,
            _ => Outcome::Success,
        }
    }

    pub(crate) fn summary(&self) -> String {
        let mut summary = String::new();
        for (number, (count, word)) in self.counts.iter().zip(self.words).enumerate() {
            if number == 0 {
                // Writing to a text cannot fail.
                let _ = write!(summary, "{count} {word}");
            } else if *count > 0 {
                let _ = write!(summary, ", {count} {word}");
            }
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_says_what_there_is() {
        let check = |counts, expected: &str, outcome| {
            let words = ["accepted", "refused", "could not be judged"];
            let tally = Tally { words, counts };
            assert_eq!(
                (tally.summary().as_str(), tally.outcome()),
                (expected, outcome)
            );
        };
        check([2000, 1, 0], "2000 accepted, 1 refused", Outcome::Refused);
        check([2, 0, 0], "2 accepted", Outcome::Success);
        check([0, 2, 0], "0 accepted, 2 refused", Outcome::Refused);
        check(
            [3, 1, 2],
            "3 accepted, 1 refused, 2 could not be judged",
            Outcome::Refused,
        );
        check(
            [3, 0, 2],
            "3 accepted, 2 could not be judged",
            Outcome::Failed,
        );
    }
}
