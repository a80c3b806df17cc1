//! What is written back to a Git host. The texts are rendered by whoever calls.

/// The one comment of ours below a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// How its first line begins, whatever it tells: by this it is found again where nobody
    /// remembers its id.
    pub start: String,
    /// What follows.
    pub text: String,
}

/// What a change does, beside its commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The same for every state of the same report.
    pub id: String,
    pub title: String,
    pub details: String,
    /// Where the whole stands.
    pub link: Option<String>,
    pub outcome: ReportOutcome,
    /// At most [`MOST_FIGURES`].
    pub figures: Vec<Figure>,
    /// At most [`MOST_ANNOTATIONS`]; of more, the mildest are left out.
    pub annotations: Vec<Annotation>,
}

/// A report shows no more figures at Bitbucket Data Center, the host that shows the fewest.
pub const MOST_FIGURES: usize = 6;
/// No host takes more of one report.
pub const MOST_ANNOTATIONS: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportOutcome {
    Passed,
    Failed,
    Pending,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    pub title: String,
    pub value: FigureValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureValue {
    Number(u64),
    YesOrNo(bool),
}

/// One line of a file, and what the change does there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotation {
    /// The same for the same finding in every plan of the change.
    pub id: String,
    pub severity: Severity,
    pub path: Option<String>,
    /// From 1; none: the whole file.
    pub line: Option<u32>,
    pub summary: String,
    pub details: Option<String>,
}

/// The worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
}

/// How far something about a commit has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The same for every state of the same thing.
    pub key: String,
    pub name: String,
    pub description: String,
    pub state: StatusState,
    /// Where the whole stands.
    pub url: String,
    /// The branch whose pull request shows it.
    pub branch: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusState {
    /// Under way, or waiting for somebody.
    Running,
    Passed,
    Failed,
    Stopped,
}
