//! The plan on a terminal.

use std::fmt::Write;

use gw_policy::change::{RuleEffect, RuleOutcome};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    difference::{Action, Difference, Drift, Leaf, leaves},
    notice::{Effect, Notice, fold},
    plan::{Note, Plan, TargetPlan, Weight},
};

/// More lines than these say less: the rest is counted, and `--json` has all of it.
const LINES_MAX: usize = 40;

/// Where things stand in a line about callers.
struct Line {
    risk: bool,
    api: String,
    operations: String,
    text: String,
    at: String,
    mark: &'static str,
}

/// The whole plan, ending with its summary line.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    head(&mut out, plan);
    callers(&mut out, plan);
    for target in &plan.targets {
        objects(&mut out, target);
    }
    notes(&mut out, &plan.notes);
    permission(&mut out, plan);
    line(&mut out, &summary(plan));
    out
}

/// What matters most, in one line: for a terminal that watches, and for notifications.
pub fn first_line(plan: &Plan) -> String {
    if plan.is_empty() {
        return "nothing changes".to_owned();
    }
    let lines = lines(plan);
    let first = lines.iter().find(|line| line.risk).or_else(|| lines.first());
    let Some(Line { risk, api, operations, text, at: _, mark }) = first else {
        return summary(plan);
    };
    let what: Vec<&str> = [api.as_str(), operations.as_str(), text.as_str()]
        .into_iter()
        .filter(|it| !it.is_empty())
        .collect();
    let what = what.join(" ");
    let more = match lines.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    if *risk { format!("⚠ {mark}: {what}{more}") } else { format!("{what}{more}") }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn head(out: &mut String, plan: &Plan) {
    let mut parts = vec![plan.workspace.to_string()];
    match &plan.commit {
        Some(commit) => {
            let sha: String = commit.sha.chars().take(7).collect();
            let subject = commit.subject.as_ref();
            let subject = subject.map(|subject| format!(" \"{subject}\"")).unwrap_or_default();
            parts.push(format!("commit {sha}{subject}"));
        }
        None => parts.push("files as they are, not a commit".to_owned()),
    }
    let places: Vec<&str> = plan.targets.iter().map(|target| target.place.as_str()).collect();
    parts.push(format!("{} → {}", plan.environment, places.join(", ")));
    line(out, &parts.join(" · "));
    let baseline = match &plan.compared_with {
        Some(baseline) => {
            format!("compared with change {} ({})", baseline.change, age(baseline.at, plan.made_at))
        }
        None => "nothing was applied here before".to_owned(),
    };
    let read = plan.targets.iter().map(|target| target.read_at).min();
    let read = read.map(|at| format!(" and with what is there (read {})", age(at, plan.made_at)));
    line(out, &format!("{baseline}{}", read.unwrap_or_default()));
}

fn age(then: OffsetDateTime, now: OffsetDateTime) -> String {
    let secs = (now - then).whole_seconds().max(0);
    let (count, unit) = match secs {
        0..120 => (secs, "s"),
        120..7_200 => (secs / 60, "min"),
        7_200..172_800 => (secs / 3_600, "h"),
        _ => (secs / 86_400, "days"),
    };
    format!("{count} {unit} ago")
}

fn lines(plan: &Plan) -> Vec<Line> {
    let lines = fold(&plan.notices).into_iter().map(|(notice, operations)| {
        let Notice { effect, api, operation: _, who: _, text, at } = notice;
        let operations = match operations.as_slice() {
            [] => String::new(),
            [one] => format!("{} {}", one.method, one.path),
            many => format!("{} operations", many.len()),
        };
        Line {
            risk: effect.is_risk(),
            api: api.map_or_else(|| plan.environment.to_string(), |api| api.to_string()),
            operations,
            text,
            at: at.map(|at| at.to_string()).unwrap_or_default(),
            mark: effect.mark(),
        }
    });
    lines.collect()
}

fn callers(out: &mut String, plan: &Plan) {
    line(out, "");
    line(out, "What changes for callers");
    let lines = lines(plan);
    let shown = lines.len().min(LINES_MAX);
    let lines: Vec<&Line> = {
        let (risks, rest): (Vec<&Line>, Vec<&Line>) = lines.iter().partition(|line| line.risk);
        risks.into_iter().chain(rest).collect()
    };
    let visible: Vec<&&Line> = lines.iter().take(shown).collect();
    let width = |of: fn(&Line) -> &str| {
        visible.iter().map(|line| of(line).chars().count()).max().unwrap_or_default()
    };
    let (api, operations) = (width(|it| &it.api), width(|it| &it.operations));
    let (words, at) = (width(|it| &it.text), width(|it| &it.at));
    for it in &visible {
        let sign = if it.risk { '⚠' } else { ' ' };
        let Line { risk: _, api: name, operations: of, text, at: origin, mark } = it;
        line(
            out,
            &format!("  {sign} {name:api$}  {of:operations$}  {text:words$}  {origin:at$}  {mark}"),
        );
    }
    if lines.len() > shown {
        line(out, &format!("    and {} more (`--json` lists all)", lines.len() - shown));
    }
    line(out, &format!("    {}", losses(plan)));
}

fn losses(plan: &Plan) -> String {
    let loses = plan.notices.iter().any(|notice| notice.effect == Effect::Narrow);
    let kept = plan.kept;
    let loses = if loses { "somebody loses access" } else { "nobody loses access" };
    format!("{loses} · {} of {} operations keep their rules", kept.unchanged, kept.all)
}

fn objects(out: &mut String, target: &TargetPlan) {
    line(out, "");
    line(out, &format!("What is written to {}", target.place));
    let shown = target.differences.len().min(LINES_MAX);
    for difference in target.differences.iter().take(shown) {
        line(out, &object(difference));
    }
    if target.differences.len() > shown {
        line(out, &format!("  … {} more objects", target.differences.len() - shown));
    }
    line(out, &format!("  = {} unchanged", objects_in_words(target.unchanged)));
}

fn objects_in_words(count: u64) -> String {
    if count == 1 { "1 object".to_owned() } else { format!("{count} objects") }
}

fn object(difference: &Difference) -> String {
    let Difference { key, action, drift, declared, written: _, live } = difference;
    let sign = match action {
        Action::Create => '+',
        Action::Update => '~',
        Action::Delete => '-',
        Action::None => '=',
    };
    let what = match (declared, live) {
        (Some(declared), Some(live)) => values(&leaves(live, declared)),
        (Some(_) | None, _) => String::new(),
    };
    let drift = match drift {
        Drift::None => "",
        Drift::Changed => "  (changed there since the last apply)",
        Drift::Added => "  (appeared there since the last apply)",
        Drift::Removed => "  (vanished there since the last apply)",
    };
    format!("  {sign} {key}  {what}{drift}")
}

fn values(leaves: &[Leaf]) -> String {
    let side = |value: &Option<Value>| match value {
        None => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(_) | Value::Object(_)) => "…".to_owned(),
        Some(other) => other.to_string(),
    };
    match leaves {
        [] => String::new(),
        [Leaf { path, before, after }] => format!("{path} {} → {}", side(before), side(after)),
        many => format!("{} values", many.len()),
    }
}

fn notes(out: &mut String, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    line(out, "");
    line(out, "Notes");
    for Note { code, severity, text, at, help } in notes {
        let word = match severity {
            Weight::Error => "error ",
            Weight::Warning => "warning ",
            Weight::Note => "",
        };
        let at = at.as_ref().map(|at| format!("  {at}")).unwrap_or_default();
        line(out, &format!("  {word}{code} {text}{at}"));
        for help in help {
            line(out, &format!("    help: {help}"));
        }
    }
}

fn permission(out: &mut String, plan: &Plan) {
    line(out, "");
    line(out, "May it be applied?");
    if plan.decision.rules.is_empty() && plan.decision.allowed {
        line(out, "  ✔ yes");
    }
    for outcome in &plan.decision.rules {
        rule(out, outcome);
    }
    if let Some(why) = &plan.decision.why {
        line(out, &format!("  ✘ {why}"));
    }
    if let Some(cure) = &plan.decision.cure {
        line(out, &format!("    cure: {cure}"));
    }
    line(out, "");
}

fn rule(out: &mut String, outcome: &RuleOutcome) {
    let RuleOutcome { id, effect, held, at, met, missing, because, owner: _ } = outcome;
    let good = *held == (*effect == RuleEffect::Permit);
    let said = match effect {
        RuleEffect::Permit => met.join(" · "),
        RuleEffect::Forbid => id.clone(),
    };
    let sign = if good { '✔' } else { '✘' };
    line(out, &format!("  {sign} {at}   {said}"));
    if good {
        return;
    }
    if let Some(because) = because {
        line(out, &format!("      \"{because}\""));
    }
    let needs: Vec<&str> = missing.iter().map(|missing| missing.needs.as_str()).collect();
    if !needs.is_empty() {
        line(out, &format!("      missing: {}", needs.join(", ")));
    }
}

fn summary(plan: &Plan) -> String {
    let facts = &plan.facts;
    let mut text = format!("plan {}", plan.id);
    if plan.is_empty() {
        text.push_str(" · nothing to do");
        return text;
    }
    let allowed = if plan.allowed() { "may be applied" } else { "not yet allowed" };
    // Writing to a `String` cannot fail.
    write!(
        text,
        " · {} create · {} change · {} delete · {allowed}",
        facts.creates, facts.updates, facts.deletes
    )
    .unwrap_or_default();
    text
}
