//! The one comment below a pull request: markdown without HTML, never over sixty lines.

use gw_plan::{
    plan::{Note, Plan, Weight},
    render::{
        first_line,
        markdown::{HEAD, LINES_MAX, cell, objects, tables},
    },
};
use gw_policy::change::{RuleEffect, RuleOutcome};
use time::{UtcOffset, macros::format_description};

use super::{News, Prospect, Told, Waiting, count_of, errors, short};
use crate::{branches::Absent, host::report::Comment, waits};

/// How each of them begins.
const START: &str = "**Gatewright**";
const PLANS_MAX: usize = 15;
/// Of more plans, only these say where the whole is.
const ENDS_MAX: usize = 5;
const FINDINGS_MAX: usize = 10;
const RULES_MAX: usize = 20;
const REFUSED_MAX: usize = 5;
/// First and last line, and the empty lines round what is between.
const FRAME_LINES: usize = 5;

/// Hosts take no more of one comment.
const SIGNS_MAX: usize = 30_000;

/// What is left out first stands in the middle.
struct Parts {
    head: String,
    body: Vec<String>,
    foot: Vec<String>,
}

pub fn comment(told: Told<'_>) -> Comment {
    let Parts { head, mut body, mut foot } = match told.news {
        News::Plans(prospects) => plans(&told, prospects),
        News::Broken(findings) => broken(&told, findings),
        News::Refused(plan) => refused(&told, plan),
    };
    if body.iter().map(|line| line.chars().count()).sum::<usize>() > SIGNS_MAX {
        body = vec!["What there is to tell is too long for a comment.".to_owned()];
    }
    let form = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let at = told.at.to_offset(UtcOffset::UTC).format(&form).unwrap_or_default();
    let commit = short(told.commit);
    let void = "Older plans of this pull request are void.";
    foot.extend([String::new(), format!("_Updated {at} for {commit}. {void}_")]);
    let gap = if body.is_empty() { vec![] } else { vec![String::new()] };
    let lines = [vec![head, String::new()], body, gap, foot].concat();
    Comment { start: START.to_owned(), text: lines.join("\n") }
}

fn plans(told: &Told<'_>, prospects: &[Prospect<'_>]) -> Parts {
    let head = format!(" · plan for commit {} · {}", short(told.commit), state(prospects));
    let foot = ends(told, prospects);
    // Nobody has to read rows that say so once more.
    let is_silent = |it: &Prospect<'_>| it.plan.is_empty() && in_the_way(it.plan).is_empty();
    if prospects.iter().all(is_silent) {
        return Parts { head, body: vec![], foot };
    }
    let mut body: Vec<String> = HEAD.map(str::to_owned).into();
    let mut shown = vec![];
    for (place, prospect) in prospects.iter().enumerate() {
        let same = same_as(prospect, prospects.get(place + 1..).unwrap_or_default());
        if place < PLANS_MAX {
            body.push(row(prospect, same));
        }
        if same.is_none() {
            shown.push(prospect.plan);
        }
    }
    if prospects.len() > PLANS_MAX {
        body.push(format!("| and {} more | | | |", prospects.len() - PLANS_MAX));
    }
    let mut left = LINES_MAX.saturating_sub(body.len() + foot.len() + FRAME_LINES);
    for table in prospects.iter().map(|prospect| in_the_way(prospect.plan)) {
        if table.len() <= left {
            left -= table.len();
            body.extend(table);
        }
    }
    let refused: Vec<String> = prospects.iter().flat_map(refused_approvals).collect();
    if refused.len() <= left {
        left -= refused.len();
        body.extend(refused);
    }
    let absent: Vec<String> = prospects.iter().flat_map(absent_branches).collect();
    if absent.len() <= left {
        left -= absent.len();
        body.extend(absent);
    }
    body.extend(tables(&shown, left));
    Parts { head, body, foot }
}

/// What matters of all environments together.
fn state(prospects: &[Prospect<'_>]) -> String {
    let plans = || prospects.iter().map(|prospect| prospect.plan).filter(|plan| !plan.is_empty());
    let kept: Vec<&Plan> = plans().filter(|plan| !plan.allowed()).collect();
    if prospects.iter().any(|prospect| prospect.plan.has_errors()) {
        return "✘ cannot be applied".to_owned();
    }
    if kept.is_empty() {
        let changes = plans().next().is_some();
        let state = if changes { "✔ may be applied" } else { "✔ nothing changes" };
        return state.to_owned();
    }
    let mut whom: Vec<String> = vec![];
    for plan in kept {
        let Some(waiting) = Waiting::of(&plan.decision) else {
            return "✘ not allowed".to_owned();
        };
        for one in waiting.whom().map(cell) {
            if !whom.contains(&one) {
                whom.push(one);
            }
        }
    }
    format!("⚠ waits for {}", whom.join(", "))
}

fn row(prospect: &Prospect<'_>, same: Option<&Plan>) -> String {
    let plan = prospect.plan;
    let callers = match same {
        Some(other) => format!("same as {}", other.environment),
        None => cell(&first_line(plan)),
    };
    let allowed = if plan.has_errors() {
        format!("✘ {}", count_of(errors(&plan.notes), "error"))
    } else if plan.is_empty() {
        "nothing to do".to_owned()
    } else if plan.allowed() {
        "✔ yes".to_owned()
    } else if let Some(waiting) = Waiting::of(&plan.decision) {
        let median = prospect.median_wait.map(waits::words);
        let median = median.map(|it| format!(" (median wait {it})"));
        format!("✘ needs {}{}", cell(&waiting.needs.join(", ")), median.unwrap_or_default())
    } else {
        format!("✘ {}", cell(plan.decision.cure.as_deref().unwrap_or("no")))
    };
    format!("| {} | {callers} | {} | {allowed} |", plan.environment, objects(plan))
}

/// The next environment in which callers notice the same.
fn same_as<'a>(prospect: &Prospect<'_>, later: &[Prospect<'a>]) -> Option<&'a Plan> {
    let plan = prospect.plan;
    let is_same = |other: &&Plan| {
        !plan.notices.is_empty() && plan.notices == other.notices && plan.access == other.access
    };
    later.iter().map(|other| other.plan).find(is_same)
}

/// Why somebody's approval does not help a plan that waits.
fn refused_approvals(prospect: &Prospect<'_>) -> Vec<String> {
    let Prospect { plan, refused, .. } = prospect;
    if refused.is_empty() || plan.allowed() {
        return vec![];
    }
    let mut told: Vec<String> =
        refused.iter().take(REFUSED_MAX).map(|it| cell(&it.to_string())).collect();
    if refused.len() > REFUSED_MAX {
        told.push(format!("and {} more", refused.len() - REFUSED_MAX));
    }
    let told = told.join("; ");
    vec![String::new(), format!("Approvals that do not count in {}: {told}", plan.environment)]
}

/// What it would name and what is not there.
fn absent_branches(prospect: &Prospect<'_>) -> Vec<String> {
    let environment = &prospect.plan.environment;
    let line = |Absent { name, near }: &Absent| {
        let near = near.as_ref().map(|near| format!(" (did you mean {}?)", cell(near)));
        let (name, near) = (cell(name), near.unwrap_or_default());
        format!("⚠ {environment} names a branch that the repository does not have: {name}{near}")
    };
    let mut lines = vec![];
    for absent in prospect.absent.iter().take(REFUSED_MAX) {
        lines.extend([String::new(), line(absent)]);
    }
    lines
}

/// What makes a plan impossible.
fn in_the_way(plan: &Plan) -> Vec<String> {
    let errors: Vec<&Note> =
        plan.notes.iter().filter(|note| note.severity == Weight::Error).collect();
    if errors.is_empty() {
        return vec![];
    }
    let head = format!("**{}, what stands in the way**", plan.environment);
    let mut lines = vec![String::new(), head, String::new()];
    lines.extend(findings(&errors));
    lines
}

fn broken(told: &Told<'_>, notes: &[Note]) -> Parts {
    let count = count_of(errors(notes), "error");
    let check = "check it yourself: `gatewright check`";
    Parts {
        head: format!(" · declarations of commit {} · ✘ {count}", short(told.commit)),
        body: findings(&notes.iter().collect::<Vec<_>>()),
        foot: vec![format!("Nothing of it is planned or applied until that is mended · {check}")],
    }
}

fn findings(notes: &[&Note]) -> Vec<String> {
    let mut lines =
        vec!["| | where | what | what helps |".to_owned(), "|---|---|---|---|".to_owned()];
    for note in notes.iter().take(FINDINGS_MAX) {
        let at = note.at.as_ref().map(|at| cell(&at.to_string())).unwrap_or_default();
        let help = note.help.first().map(|help| cell(help)).unwrap_or_default();
        lines.push(format!("| {} | {at} | {} | {help} |", cell(&note.code), cell(&note.text)));
    }
    if notes.len() > FINDINGS_MAX {
        lines.push(format!("| | | and {} more | |", notes.len() - FINDINGS_MAX));
    }
    lines
}

fn refused(told: &Told<'_>, plan: &Plan) -> Parts {
    let (commit, environment) = (short(told.commit), &plan.environment);
    let why = plan.decision.why.as_deref().unwrap_or("no rule allows it");
    let mut body = vec![format!("Why: {}", cell(why)), String::new()];
    body.extend(["| | rule | what it says | missing |", "|---|---|---|---|"].map(str::to_owned));
    let rules = &plan.decision.rules;
    body.extend(rules.iter().take(RULES_MAX).map(rule));
    if rules.len() > RULES_MAX {
        body.push(format!("| | and {} more | | |", rules.len() - RULES_MAX));
    }
    if let Some(cure) = &plan.decision.cure {
        body.extend([String::new(), format!("What would help: {}", cell(cure))]);
    }
    let id = &plan.decision.id;
    let page = told.links.decision(id);
    Parts {
        head: format!(" · apply of commit {commit} to {environment} · ✘ refused"),
        body,
        foot: vec![format!(
            "[Why]({page}) · explain it yourself: \
             `gatewright --server {} explain --env {environment} {id}`",
            told.links.server()
        )],
    }
}

fn rule(outcome: &RuleOutcome) -> String {
    let RuleOutcome { id, effect, held, at, met, missing, because, owner: _ } = outcome;
    let good = *held == (*effect == RuleEffect::Permit);
    let sign = if good { '✔' } else { '✘' };
    let said = match (effect, because) {
        (RuleEffect::Permit, _) => met.join(" · "),
        (RuleEffect::Forbid, Some(because)) => format!("{id}: {because}"),
        (RuleEffect::Forbid, None) => id.clone(),
    };
    let glue = if *effect == RuleEffect::Permit { ", " } else { " or " };
    let needs: Vec<&str> = missing.iter().map(|missing| missing.needs.as_str()).collect();
    let needs = if good { String::new() } else { cell(&needs.join(glue)) };
    format!("| {sign} | {} | {} | {needs} |", cell(&at.to_string()), cell(&said))
}

fn ends(told: &Told<'_>, prospects: &[Prospect<'_>]) -> Vec<String> {
    let mut lines = vec![];
    let plans = prospects.iter().map(|prospect| prospect.plan);
    for plan in plans.filter(|plan| !plan.is_empty() || prospects.len() == 1).take(ENDS_MAX) {
        let (environment, whole) = (&plan.environment, told.links.plan(&plan.id));
        let named = if prospects.len() > 1 { format!("{environment}: ") } else { String::new() };
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.push(format!(
            "{named}[Full plan and diff]({whole}) · check it yourself: \
             `gatewright --server {server} plan --env {environment} --pull-request {number}`",
            server = told.links.server(),
            number = told.pull_request,
        ));
    }
    lines
}
