//! What the checks came to.

use std::fmt;

use serde::Serialize;

use super::catalog::Check;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Good to know.
    Info,
    /// It works, but not always or not for long.
    Warning,
    /// Clients are failed, or will be.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What was asked, of whom, and what it said. Never holds a credential, a token or a cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Evidence {
    /// A node by its name, a file, an address.
    pub(super) of: String,
    pub(super) asked: String,
    pub(super) said: String,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) severity: Severity,
    pub(super) what: String,
    pub(super) evidence: Vec<Evidence>,
    pub(super) why: &'static str,
    pub(super) remedy: String,
}

impl Finding {
    /// A finding without evidence and remedy yet.
    pub(super) fn new(check: Check, severity: Severity, what: impl Into<String>) -> Self {
        Self {
            check,
            severity,
            what: what.into(),
            evidence: Vec::new(),
            why: check.why(),
            remedy: String::new(),
        }
    }

    /// The same with one more piece of evidence.
    pub(super) fn told(
        mut self,
        of: impl Into<String>,
        asked: impl Into<String>,
        said: impl Into<String>,
    ) -> Self {
        self.evidence.push(Evidence {
            of: of.into(),
            asked: asked.into(),
            said: said.into(),
        });
        self
    }

    /// The same with evidence for each of these: who, and what it said to the same question.
    pub(super) fn all_told<'a, S: Into<String>>(
        self,
        asked: &str,
        all: impl IntoIterator<Item = (&'a str, S)>,
    ) -> Self {
        all.into_iter()
            .fold(self, |finding, (of, said)| finding.told(of, asked, said))
    }

    /// The same with what to do about it.
    pub(super) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is well; the words say what was seen.
    Passed(String),
    /// At least one thing is not as it should be.
    Found(Vec<Finding>),
    /// It was not made, and why.
    Skipped(String),
}

impl Outcome {
    /// Good, in these words.
    pub(super) fn passed(seen: impl Into<String>) -> Self {
        Self::Passed(seen.into())
    }

    /// Not made, for this reason.
    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped(reason.into())
    }

    /// What was found; good in these words when that is nothing.
    pub(super) fn of(findings: Vec<Finding>, otherwise: impl Into<String>) -> Self {
        if findings.is_empty() {
            Self::Passed(otherwise.into())
        } else {
            Self::Found(findings)
        }
    }

    /// The worst of what was found.
    pub(super) fn severity(&self) -> Option<Severity> {
        match self {
            Self::Found(findings) => findings.iter().map(|finding| finding.severity).max(),
            Self::Passed(_) | Self::Skipped(_) => None,
        }
    }
}

impl From<Finding> for Outcome {
    fn from(finding: Finding) -> Self {
        Self::Found(vec![finding])
    }
}

/// Everything a visit brought home.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// In the order of the checks.
    pub(super) lines: Vec<(Check, Outcome)>,
    /// What was created and could not be removed.
    pub(super) left: Vec<String>,
}

impl Report {
    /// The worst of all findings.
    pub(super) fn worst(&self) -> Option<Severity> {
        self.lines
            .iter()
            .filter_map(|(_, outcome)| outcome.severity())
            .max()
    }

    /// What the shell is told: 0 good, 1 warnings, 2 errors.
    pub(super) fn exit_code(&self) -> u8 {
        match self.worst() {
            None | Some(Severity::Info) => 0,
            Some(Severity::Warning) => 1,
            Some(Severity::Error) => 2,
        }
    }

    /// All findings, the worst first, otherwise in the order of the checks.
    pub(super) fn findings(&self) -> Vec<&Finding> {
        let found = self.lines.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Found(findings) => Some(findings),
            Outcome::Passed(_) | Outcome::Skipped(_) => None,
        });
        let mut all: Vec<&Finding> = found.flatten().collect();
        all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(severity: Severity) -> (Check, Outcome) {
        let finding = Finding::new(Check::Clocks, severity, "what");
        (Check::Clocks, Outcome::from(finding))
    }

    fn report(lines: Vec<(Check, Outcome)>) -> Report {
        Report {
            lines,
            left: Vec::new(),
        }
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst_finding() {
        let good = (Check::Ports, Outcome::passed("free"));
        let skipped = (Check::Ports, Outcome::skipped("why"));
        assert_eq!(report(vec![good, skipped]).exit_code(), 0);
        assert_eq!(report(vec![found(Severity::Info)]).exit_code(), 0);
        let both = vec![found(Severity::Warning), found(Severity::Info)];
        assert_eq!(report(both).exit_code(), 1);
        let all = vec![found(Severity::Warning), found(Severity::Error)];
        assert_eq!(report(all).exit_code(), 2);
    }

    #[test]
    fn findings_are_told_the_worst_first() {
        let all = report(vec![found(Severity::Info), found(Severity::Error)]);
        let severities: Vec<_> = all.findings().iter().map(|one| one.severity).collect();
        assert_eq!(severities, [Severity::Error, Severity::Info]);
    }
}
