//! What is wrong with the file, in words an operator can act on.

use std::fmt;

use serde::Serialize;

use super::table::{Origin, Raw};

/// One thing to mend in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The path of the key, such as `node[2].url` (counted from one); empty when the problem
    /// belongs to the file as a whole.
    pub key: String,
    /// The line of the key, or of its section when the key is missing.
    pub line: Option<u32>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.what, self.hint)
    }
}

/// The problems found so far. Nothing stops at the first one.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    pub(super) fn push(&mut self, problem: Problem) {
        self.found.push(problem);
    }

    /// Refuses a value, and returns the `None` that stands for it. A value that was refused
    /// before is not reported twice.
    pub(super) fn refuse<T, N>(
        &mut self,
        raw: &Raw<T>,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Option<N> {
        if raw.origin != Origin::Refused {
            self.push(Problem {
                key: raw.key.clone(),
                line: raw.line,
                what: what.into(),
                hint: hint.into(),
            });
        }
        None
    }

    /// Forgets all others.
    pub(super) fn keep(&mut self, wanted: impl Fn(&Problem) -> bool) {
        self.found.retain(wanted);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All problems in the order of the file; those without a line come last.
    pub(super) fn into_sorted(mut self) -> Vec<Problem> {
        self.found
            .sort_by_key(|problem| problem.line.unwrap_or(u32::MAX));
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(key: &str, line: Option<u32>) -> Problem {
        Problem {
            key: key.into(),
            line,
            what: "is wrong".into(),
            hint: "write it right".into(),
        }
    }

    #[test]
    fn a_problem_reads_as_one_line() {
        let printed = problem("node[2].url", Some(12)).to_string();
        assert_eq!(printed, "line 12: node[2].url: is wrong; write it right");
    }

    #[test]
    fn what_is_not_known_is_not_printed() {
        assert_eq!(problem("", None).to_string(), "is wrong; write it right");
    }

    #[test]
    fn problems_come_in_the_order_of_the_file() {
        let mut problems = Problems::default();
        for (key, line) in [("c", None), ("b", Some(9)), ("a", Some(2))] {
            problems.push(problem(key, line));
        }
        let keys: Vec<_> = problems.into_sorted().into_iter().map(|p| p.key).collect();
        assert_eq!(keys, ["a", "b", "c"]);
    }
}
