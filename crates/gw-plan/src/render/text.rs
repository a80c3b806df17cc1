//! The plan on a terminal.

use std::fmt::Write;

use gw_policy::change::{RuleEffect, RuleOutcome};
use time::OffsetDateTime;

use crate::{
    difference::{Action, Difference, Drift, Leaf, in_words},
    notice::{Cause, Effect, Notice, fold},
    plan::{Baseline, Decision, Note, Plan, TargetPlan, Weight},
};

/// More lines than these say less: the rest is counted, and `--json` has all of it.
const LINES_MAX: usize = 40;

/// No line is longer, if words let it be: so wide is a terminal, and the log of a pipeline.
const COLUMNS: usize = 80;
/// A longer name is not waited for by the words behind shorter ones.
const API_MAX: usize = 16;

/// Something that callers notice, in words.
struct Line {
    effect: Effect,
    api: String,
    operations: String,
    text: String,
    at: String,
}

/// The whole plan, ending with its summary line.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    head(&mut out, plan);
    callers(&mut out, plan);
    for target in &plan.targets {
        objects(&mut out, target, plan.compared_with.as_ref());
    }
    notes(&mut out, &plan.notes);
    permission(&mut out, plan);
    line(&mut out, &summary(plan), 2);
    out
}

/// Only what callers will notice.
pub fn for_callers(plan: &Plan) -> String {
    let mut out = String::new();
    callers(&mut out, plan);
    out
}

/// What matters most, in one line: for a terminal that watches, and for notifications.
pub fn first_line(plan: &Plan) -> String {
    if plan.is_empty() {
        return "nothing changes".to_owned();
    }
    let lines = lines(plan);
    let Some((first, rest)) = lines.split_first() else { return summary(plan) };
    let Line { effect, api, operations, text, at: _ } = first;
    let what: Vec<&str> = [api, operations, text]
        .into_iter()
        .map(String::as_str)
        .filter(|it| !it.is_empty())
        .collect();
    let (what, more) = (what.join(" "), kinds(*effect, rest));
    if effect.is_risk() { format!("⚠ {}: {what}{more}", effect.mark()) } else { what + &more }
}

/// ` (and SENDS A SECRET, 2 × WIDENS ACCESS, 3 more)`, after one that is told already.
fn kinds(told: Effect, lines: &[Line]) -> String {
    let mut kinds: Vec<String> = vec![];
    let mut others = 0;
    for of_one in lines.chunk_by(|one, other| one.effect == other.effect) {
        match of_one {
            [first, ..] if !first.effect.is_risk() => others += of_one.len(),
            [only] if only.effect == told => kinds.push(format!("another {}", told.mark())),
            [only] => kinds.push(only.effect.mark().to_owned()),
            [first, ..] => kinds.push(format!("{} × {}", of_one.len(), first.effect.mark())),
            [] => {}
        }
    }
    if others > 0 {
        kinds.push(format!("{others} more"));
    }
    if kinds.is_empty() { String::new() } else { format!(" (and {})", kinds.join(", ")) }
}

/// One line; what does not fit in it goes on below, so far to the right. Text of other people, such
/// as a commit's subject, cannot move the cursor or break the line.
fn line(out: &mut String, text: &str, hang: usize) {
    let text: String =
        text.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect();
    let (mut column, mut gap) = (0, 0);
    for (place, word) in text.trim_end().split(' ').enumerate() {
        gap += usize::from(place > 0);
        if word.is_empty() {
            continue;
        }
        let width = word.chars().count();
        if column > hang && column + gap + width > COLUMNS {
            out.push('\n');
            (column, gap) = (0, hang);
        }
        out.extend(std::iter::repeat_n(' ', gap));
        out.push_str(word);
        (column, gap) = (column + gap + width, 0);
    }
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
    line(out, &parts.join(" · "), 2);
    let read = plan.targets.iter().map(|target| target.read_at).min();
    let read = read.map(|at| age(at, plan.made_at));
    let baseline = match (&plan.compared_with, read) {
        (Some(Baseline { change, at }), read) => {
            let read = read.map(|read| format!(" and with what is there (read {read})"));
            let since = age(*at, plan.made_at);
            format!("compared with change {change} ({since}){}", read.unwrap_or_default())
        }
        (None, Some(read)) => {
            format!("nothing was applied here before; what is there was read {read}")
        }
        (None, None) => "nothing was applied here before".to_owned(),
    };
    line(out, &baseline, 2);
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
        let Notice { effect, api, operation: _, who: _, text, change: _, cause: _, at } = notice;
        let operations = match operations.as_slice() {
            [] => String::new(),
            [one] => format!("{} {}", one.method, one.path),
            many => format!("{} operations", many.len()),
        };
        Line {
            effect,
            api: api.map_or_else(|| plan.environment.to_string(), |api| api.to_string()),
            operations,
            text,
            at: at.map(|at| at.to_string()).unwrap_or_default(),
        }
    });
    lines.collect()
}

fn callers(out: &mut String, plan: &Plan) {
    line(out, "", 0);
    line(out, "What changes for callers", 0);
    let lines = lines(plan);
    let visible: Vec<&Line> = lines.iter().take(LINES_MAX).collect();
    let width = |of: fn(&Line) -> &str| {
        visible.iter().map(|line| of(line).chars().count()).max().unwrap_or_default()
    };
    let (mark, api) = (width(|it| it.effect.mark()), width(|it| &it.api).min(API_MAX));
    // The marks stand in front, so that no long line can hide one.
    let begin = if mark == 0 { 4 } else { mark + 6 };
    for Line { effect, api: name, operations, text, at } in visible {
        let sign = if effect.is_risk() { '⚠' } else { ' ' };
        let words: Vec<&str> = [operations, text, at]
            .into_iter()
            .map(String::as_str)
            .filter(|it| !it.is_empty())
            .collect();
        let head = format!("  {sign} {:mark$}", effect.mark());
        line(out, &format!("{head:begin$}{name:api$}  {}", words.join("  ")), begin + 2);
    }
    if lines.len() > LINES_MAX {
        line(out, &format!("    and {} more (`--json` lists all)", lines.len() - LINES_MAX), 4);
    }
    line(out, &format!("    {}", losses(plan)), 4);
}

fn losses(plan: &Plan) -> String {
    let kept = plan.kept;
    // The facts are about what is declared. Whom drift let in, or made somebody else of, is told by
    // its notices alone.
    let goes_back = |notice: &Notice| {
        let redefined = notice.effect == Effect::Widen && notice.change.is_some();
        notice.cause == Cause::Drift && (notice.effect == Effect::Narrow || redefined)
    };
    let loses = if plan.notices.is_empty() {
        "nothing"
    } else if plan.facts.narrows_access || plan.notices.iter().any(goes_back) {
        "somebody loses access"
    } else {
        "nobody loses access"
    };
    format!("{loses} · {} of {} operations keep their rules", kept.unchanged, kept.all)
}

fn objects(out: &mut String, target: &TargetPlan, baseline: Option<&Baseline>) {
    line(out, "", 0);
    line(out, &format!("What is written to {}", target.place), 2);
    let TargetPlan { differences, unchanged, .. } = target;
    for difference in differences.iter().take(LINES_MAX) {
        line(out, &object(difference, baseline), 6);
    }
    if differences.len() > LINES_MAX {
        line(out, &format!("  … {} more objects", differences.len() - LINES_MAX), 4);
    }
    let told = differences.iter().filter(|it| it.action == Action::None && it.is_live());
    let told = u64::try_from(told.count()).unwrap_or(u64::MAX);
    let more = if differences.is_empty() { "" } else { "more " };
    match unchanged.saturating_sub(told) {
        0 if differences.is_empty() => line(out, "  nothing", 2),
        0 => {}
        1 => line(out, &format!("  = 1 {more}object unchanged"), 4),
        count => line(out, &format!("  = {count} {more}objects unchanged"), 4),
    }
}

fn object(difference: &Difference, baseline: Option<&Baseline>) -> String {
    let Difference { key, action, drift, pending: _, declared: _, changes, drifted: _ } =
        difference;
    let sign = match action {
        Action::Create => '+',
        Action::Update => '~',
        Action::Delete => '-',
        Action::None => '=',
    };
    let what = values(changes);
    let drift = match drift {
        Drift::None => "",
        Drift::Changed => "(changed there since the last apply)",
        Drift::Added if baseline.is_none() => "(was there before)",
        Drift::Added => "(appeared there since the last apply)",
        Drift::Removed => "(vanished there since the last apply)",
    };
    let glue = if what.is_empty() { "" } else { "  " };
    format!("  {sign} {key}  {what}{glue}{drift}")
}

/// A single value that is short, else how many there are.
fn values(leaves: &[Leaf]) -> String {
    let said = |Leaf { path, before, after }: &Leaf| {
        format!("{path} {} → {}", in_words(before.as_ref()), in_words(after.as_ref()))
    };
    match leaves {
        [] => String::new(),
        [only] => Some(said(only))
            .filter(|words| words.chars().count() <= COLUMNS)
            .unwrap_or_else(|| "1 value".to_owned()),
        many => format!("{} values", many.len()),
    }
}

fn notes(out: &mut String, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    line(out, "", 0);
    line(out, "Notes", 0);
    for Note { code, severity, text, at, help } in notes {
        let word = match severity {
            Weight::Error => "error ",
            Weight::Warning => "warning ",
            Weight::Note => "",
        };
        let at = at.as_ref().map(|at| format!("  {at}")).unwrap_or_default();
        line(out, &format!("  {word}{code} {text}{at}"), 4);
        for help in help {
            line(out, &format!("    help: {help}"), 10);
        }
    }
}

fn permission(out: &mut String, plan: &Plan) {
    let Decision { id: _, allowed, rules, why, cure } = &plan.decision;
    line(out, "", 0);
    line(out, "May it be applied?", 0);
    if rules.is_empty() && *allowed {
        line(out, "  ✔ yes", 4);
    }
    let width = rules.iter().map(|rule| rule.at.to_string().chars().count()).max();
    for outcome in rules {
        rule(out, outcome, width.unwrap_or_default());
    }
    let said = |why: &String| rules.iter().any(|rule| rule.because.as_ref() == Some(why));
    if let Some(why) = why.as_ref().filter(|why| !said(why)) {
        line(out, &format!("  ✘ {why}"), 4);
    }
    if let Some(cure) = cure {
        line(out, &format!("    cure: {cure}"), 10);
    }
    line(out, "", 0);
}

fn rule(out: &mut String, outcome: &RuleOutcome, width: usize) {
    let RuleOutcome { id, effect, held, at, met, missing, because, owner: _ } = outcome;
    let good = *held == (*effect == RuleEffect::Permit);
    let said = match effect {
        RuleEffect::Permit => met.join(" · "),
        RuleEffect::Forbid => id.clone(),
    };
    let sign = if good { '✔' } else { '✘' };
    let margin = width + 6;
    line(out, &format!("  {sign} {:width$}  {said}", at.to_string()), margin);
    if good {
        return;
    }
    if let Some(because) = because {
        line(out, &format!("{:margin$}\"{because}\"", ""), margin);
    }
    let needs: Vec<&str> = missing.iter().map(|missing| missing.needs.as_str()).collect();
    if !needs.is_empty() {
        let glue = if *effect == RuleEffect::Permit { ", " } else { " or " };
        line(out, &format!("{:margin$}missing: {}", "", needs.join(glue)), margin);
    }
}

fn summary(plan: &Plan) -> String {
    let facts = &plan.facts;
    let mut text = format!("plan {}", plan.id);
    if plan.is_empty() {
        text.push_str(" · nothing to do");
        return text;
    }
    let allowed = match (plan.has_errors(), plan.allowed()) {
        (true, _) => "cannot be applied",
        (false, true) => "may be applied",
        (false, false) => "not yet allowed",
    };
    // Writing to a `String` cannot fail.
    write!(
        text,
        " · {} create · {} change · {} delete · {allowed}",
        facts.creates, facts.updates, facts.deletes
    )
    .unwrap_or_default();
    text
}
