//! What is written back. Doing it twice is as good as once, and what a host's failure cut short the
//! next writing makes whole.

#[cfg(test)]
mod tests;

use aws_lc_rs::digest;
use gw_net::client::Method;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    Bitbucket,
    api::{Part, decode},
};
use crate::host::{
    Comment, HostError, Proposal, Report, Status,
    report::{
        Annotation, Figure, FigureValue, MOST_ANNOTATIONS, MOST_FIGURES, ReportOutcome, Severity,
        StatusState,
    },
};

/// So many pages of comments are searched for ours.
const SEARCHED_PAGES: usize = 10;
/// So many comments that begin like ours are tried: whoever writes more of them gets one of ours
/// below theirs.
const MOST_ALIKE: usize = 10;
/// Annotations of one request.
const MOST_AT_ONCE: usize = 100;
/// A key of a build status has no more signs.
const LONGEST_KEY: usize = 40;
/// So many digits of a digest stand for the rest of a longer key.
const KEY_DIGITS: usize = 16;
/// Titles and summaries, and longer texts.
const LONGEST_LINE: usize = 450;
const LONGEST_TEXT: usize = 2000;

#[derive(Debug, Deserialize)]
struct CommentPart {
    id: u64,
    content: TextPart,
    #[serde(default)]
    deleted: bool,
    parent: Option<IgnoredAny>,
    inline: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct TextPart {
    raw: String,
}

#[derive(Debug, Deserialize)]
struct IdPart {
    id: u64,
}

#[derive(Debug, Deserialize)]
struct AnnotationPart {
    external_id: Option<String>,
}

impl Bitbucket {
    pub(super) async fn open_pull_request(
        &self,
        proposal: &Proposal<'_>,
    ) -> Result<u64, HostError> {
        let Proposal { title, text, branch, into } = proposal;
        let what = format!("a pull request for `{branch}`");
        let side = |branch: &str| json!({ "branch": { "name": branch } });
        let body = json!({
            "title": title, "description": text, "close_source_branch": true,
            "source": side(branch), "destination": side(into),
        });
        let url = self.url(&["pullrequests"], &[]);
        let made = self.api.send(Method::Post, &url, Some(&body), &what).await?;
        Ok(decode::<IdPart>(&made.body, &what)?.id)
    }

    /// Only its author may change a comment, so one that we may change is ours.
    pub(super) async fn write_comment(
        &self,
        pull_request: u64,
        comment: &Comment,
        known: Option<u64>,
    ) -> Result<u64, HostError> {
        let number = pull_request.to_string();
        let what = format!("our comment below pull request {number}");
        let body = json!({ "content": { "raw": format!("{}{}", comment.start, comment.text) } });
        if let Some(id) = known
            && let Some(id) = self.replace(&number, id, &body, &what).await?
        {
            return Ok(id);
        }
        let url = self.url(&["pullrequests", &number, "comments"], &[("pagelen", "100")]);
        let pages = Part::Pages(SEARCHED_PAGES);
        let comments: Vec<CommentPart> = self.api.list(url, pages, &what).await?;
        let alike = comments.iter().filter(|it| it.is_like(comment) && Some(it.id) != known);
        for found in alike.take(MOST_ALIKE) {
            if let Some(id) = self.replace(&number, found.id, &body, &what).await? {
                return Ok(id);
            }
        }
        let url = self.url(&["pullrequests", &number, "comments"], &[]);
        let made = self.api.send(Method::Post, &url, Some(&body), &what).await?;
        Ok(decode::<IdPart>(&made.body, &what)?.id)
    }

    /// None: it is gone, or somebody else wrote it.
    async fn replace(
        &self,
        number: &str,
        id: u64,
        body: &Value,
        what: &str,
    ) -> Result<Option<u64>, HostError> {
        let path = ["pullrequests", number, "comments", &id.to_string()];
        match self.api.send(Method::Put, &self.url(&path, &[]), Some(body), what).await {
            Ok(_) => Ok(Some(id)),
            Err(HostError::Missing { .. } | HostError::Denied { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Annotations can be added and written over, not taken away: a report that has others than the
    /// new ones goes first.
    pub(super) async fn write_report(
        &self,
        commit: &str,
        report: &Report,
    ) -> Result<(), HostError> {
        let commit = self.full_hash(commit).await?;
        let what = format!("the report about commit {commit}");
        let path = ["commit", commit.as_str(), "reports", report.id.as_str()];
        let (own, all) = (self.url(&path, &[]), [&path[..], &["annotations"]].concat());
        let annotations = worst(&report.annotations);
        let url = self.url(&all, &[("pagelen", "100")]);
        let former: Vec<AnnotationPart> = match self.api.list(url, Part::Whole, &what).await {
            Err(HostError::Missing { .. }) => vec![],
            former => former?,
        };
        if former.iter().any(|it| !it.is_among(&annotations)) {
            match self.api.send(Method::Delete, &own, None, &what).await {
                Ok(_) | Err(HostError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.api.send(Method::Put, &own, Some(&shown(report)), &what).await?;
        let url = self.url(&all, &[]);
        for some in annotations.chunks(MOST_AT_ONCE) {
            let some: Value = some.iter().map(|it| annotation(it)).collect();
            self.api.send(Method::Post, &url, Some(&some), &what).await?;
        }
        Ok(())
    }

    pub(super) async fn write_status(
        &self,
        commit: &str,
        status: &Status,
    ) -> Result<(), HostError> {
        let commit = self.full_hash(commit).await?;
        let what = format!("the build status of commit {commit}");
        let Status { key, name, description, state, url, branch } = status;
        let state = match state {
            StatusState::Running => "INPROGRESS",
            StatusState::Passed => "SUCCESSFUL",
            StatusState::Failed => "FAILED",
            StatusState::Stopped => "STOPPED",
        };
        let mut body = json!({
            "key": short_key(key),
            "name": cut(name, LONGEST_LINE),
            "description": cut(description, LONGEST_LINE),
            "state": state,
            // Bitbucket puts values in the place of braces.
            "url": url.replace('{', "%7B").replace('}', "%7D"),
        });
        put(&mut body, "refname", branch.as_deref().map(Value::from));
        let url = self.url(&["commit", &commit, "statuses", "build"], &[]);
        self.api.send(Method::Post, &url, Some(&body), &what).await.map(|_| ())
    }
}

impl CommentPart {
    /// Whether it stands by itself and begins as ours does.
    fn is_like(&self, comment: &Comment) -> bool {
        let alone = self.parent.is_none() && self.inline.is_none() && !self.deleted;
        alone && self.content.raw.starts_with(&comment.start)
    }
}

impl AnnotationPart {
    fn is_among(&self, annotations: &[&Annotation]) -> bool {
        let id = self.external_id.as_deref();
        annotations.iter().any(|it| Some(it.id.as_str()) == id)
    }
}

/// As many as a report takes: the worst, each id once.
fn worst(annotations: &[Annotation]) -> Vec<&Annotation> {
    let mut all: Vec<_> = annotations.iter().collect();
    all.sort_by(|one, other| (one.severity, &one.id).cmp(&(other.severity, &other.id)));
    let mut known = std::collections::BTreeSet::new();
    all.retain(|it| known.insert(it.id.as_str()));
    all.truncate(MOST_ANNOTATIONS);
    all
}

fn shown(report: &Report) -> Value {
    let Report { id, title, details, link, outcome, figures, annotations: _ } = report;
    let result = match outcome {
        ReportOutcome::Passed => "PASSED",
        ReportOutcome::Failed => "FAILED",
        ReportOutcome::Pending => "PENDING",
    };
    let figures: Value = figures.iter().take(MOST_FIGURES).map(figure).collect();
    let mut body = json!({
        "external_id": id,
        "title": cut(title, LONGEST_LINE),
        "details": cut(details, LONGEST_TEXT),
        "report_type": "SECURITY",
        "reporter": "Gatewright",
        "result": result,
        "data": figures,
    });
    put(&mut body, "link", link.as_deref().map(Value::from));
    body
}

fn figure(figure: &Figure) -> Value {
    let title = cut(&figure.title, LONGEST_LINE);
    match figure.value {
        FigureValue::Number(value) => json!({ "title": title, "type": "NUMBER", "value": value }),
        FigureValue::YesOrNo(value) => json!({ "title": title, "type": "BOOLEAN", "value": value }),
    }
}

fn annotation(annotation: &Annotation) -> Value {
    let Annotation { id, severity, path, line, summary, details } = annotation;
    let severity = match severity {
        Severity::Critical => "CRITICAL",
        Severity::High => "HIGH",
        Severity::Medium => "MEDIUM",
        Severity::Low => "LOW",
    };
    let mut body = json!({
        "external_id": id,
        "annotation_type": "VULNERABILITY",
        "severity": severity,
        "summary": cut(summary, LONGEST_LINE),
    });
    put(&mut body, "path", path.as_deref().map(Value::from));
    put(&mut body, "line", line.filter(|line| *line > 0).map(Value::from));
    put(&mut body, "details", details.as_deref().map(|text| cut(text, LONGEST_TEXT).into()));
    body
}

/// A member that is sent only where there is something in it.
fn put(body: &mut Value, name: &str, value: Option<Value>) {
    if let (Some(body), Some(value)) = (body.as_object_mut(), value) {
        body.insert(name.to_owned(), value);
    }
}

/// A longer text ends in three dots.
fn cut(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A longer key keeps its beginning, and a digest makes it one of its own.
fn short_key(key: &str) -> String {
    if key.chars().nth(LONGEST_KEY).is_none() {
        return key.to_owned();
    }
    let digest = digest::digest(&digest::SHA256, key.as_bytes());
    let digits: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let start = key.chars().take(LONGEST_KEY - KEY_DIGITS - 1);
    start.chain(['-']).chain(digits.chars().take(KEY_DIGITS)).collect()
}
