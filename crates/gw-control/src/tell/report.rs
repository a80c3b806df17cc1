//! The report beside a commit: figures, and what happens on which line.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{openapi::Operation, source::Origin};
use gw_plan::{
    difference::{Action, Drift},
    digest::Digest,
    notice::{Effect, Notice},
    plan::{Note, Plan, Weight},
    render::first_line,
};
use serde_json::json;

use super::{News, Prospect, Told, Waiting, count_of, errors, line};
use crate::host::report::{
    Annotation, Figure, FigureValue, MOST_ANNOTATIONS, Report, ReportOutcome, Severity,
};

const ID: &str = "gatewright-plan";
const TITLE: &str = "Gatewright: what this change does to callers";

pub fn report(told: Told<'_>) -> Report {
    let plans: Vec<&Plan> = match told.news {
        News::Plans(prospects) => prospects.iter().map(|prospect| prospect.plan).collect(),
        News::Broken(_) => vec![],
        News::Refused(plan) => vec![plan],
    };
    let outcome = match told.news {
        News::Plans(prospects) => of_all(prospects),
        News::Broken(_) | News::Refused(_) => ReportOutcome::Failed,
    };
    let details = match told.news {
        News::Plans(prospects) => prospects.iter().map(details).collect::<Vec<_>>().join("\n"),
        News::Broken(notes) => {
            format!("{} in the declarations. Nothing is planned.", count_of(errors(notes), "error"))
        }
        News::Refused(plan) => refusal(plan),
    };
    let mut annotations = annotations(&plans);
    if let News::Broken(notes) = told.news {
        annotations.extend(notes.iter().map(|note| of_note(note, "")));
    }
    annotations.sort_by(|one, other| (one.severity, &one.id).cmp(&(other.severity, &other.id)));
    annotations.truncate(MOST_ANNOTATIONS);
    let may = outcome == ReportOutcome::Passed;
    Report {
        id: ID.to_owned(),
        title: TITLE.to_owned(),
        details,
        link: Some(told.page()),
        outcome,
        figures: figures(&plans, may),
        annotations,
    }
}

fn of_all(prospects: &[Prospect<'_>]) -> ReportOutcome {
    let each = prospects.iter().map(|Prospect { plan, .. }| {
        if plan.has_errors() {
            ReportOutcome::Failed
        } else if plan.is_empty() || plan.allowed() {
            ReportOutcome::Passed
        } else if Waiting::of(&plan.decision).is_some() {
            ReportOutcome::Pending
        } else {
            ReportOutcome::Failed
        }
    });
    each.fold(ReportOutcome::Passed, |all, one| match (all, one) {
        (ReportOutcome::Failed, _) | (_, ReportOutcome::Failed) => ReportOutcome::Failed,
        (ReportOutcome::Pending, _) | (_, ReportOutcome::Pending) => ReportOutcome::Pending,
        (ReportOutcome::Passed, ReportOutcome::Passed) => ReportOutcome::Passed,
    })
}

/// What happens to an environment, and whom it waits for.
fn details(prospect: &Prospect<'_>) -> String {
    let plan = prospect.plan;
    let told = format!("{}: {}.", plan.environment, line(&first_line(plan)));
    if plan.has_errors() {
        let count = count_of(errors(&plan.notes), "error");
        return format!("{told} Cannot be applied: {count}.");
    }
    if plan.is_empty() || plan.allowed() {
        return told;
    }
    match Waiting::of(&plan.decision) {
        Some(waiting) => format!("{told} Waits for {}.", line(&waiting.needs.join(", "))),
        None => format!("{told} {}", refusal(plan)),
    }
}

fn refusal(plan: &Plan) -> String {
    let text = |text: &Option<String>| text.as_deref().map(line).unwrap_or_default();
    let (why, cure) = (text(&plan.decision.why), text(&plan.decision.cure));
    format!("Not allowed in {}: {why}. What would help: {cure}.", plan.environment)
}

/// What is the same in several environments is counted once.
fn figures(plans: &[&Plan], may: bool) -> Vec<Figure> {
    let notices = |is: fn(Effect) -> bool| {
        let all = plans.iter().flat_map(|plan| &plan.notices).filter(|it| is(it.effect));
        let all = all.map(|it| (&it.api, it.operation.as_ref().map(|it| &it.id), &it.text));
        number(all.collect::<BTreeSet<_>>().len())
    };
    let objects = |is: fn(Action) -> bool| {
        let all = plans.iter().flat_map(|plan| &plan.targets).flat_map(|it| &it.differences);
        let all = all.filter(|it| is(it.action)).map(|it| &it.key);
        number(all.collect::<BTreeSet<_>>().len())
    };
    let drifts = plans
        .iter()
        .flat_map(|plan| &plan.targets)
        .flat_map(|it| &it.differences)
        .any(|it| it.drift != Drift::None);
    let figure = |title: &str, value| Figure { title: title.to_owned(), value };
    vec![
        figure("Access widened", notices(|it| matches!(it, Effect::Public | Effect::Widen))),
        figure("Access narrowed", notices(|it| it == Effect::Narrow)),
        figure("Objects changed", objects(|it| it != Action::None)),
        figure("Deleted", objects(|it| it == Action::Delete)),
        figure("Drift found", FigureValue::YesOrNo(drifts)),
        figure("May be applied", FigureValue::YesOrNo(may)),
    ]
}

fn number(count: usize) -> FigureValue {
    FigureValue::Number(u64::try_from(count).unwrap_or(u64::MAX))
}

/// One for each thing that callers notice and whose line is known, whatever number of environments
/// it happens in, and one for each thing to know.
fn annotations(plans: &[&Plan]) -> Vec<Annotation> {
    let mut noticed: BTreeMap<String, (&Notice, Vec<String>)> = BTreeMap::new();
    let mut annotations = vec![];
    for plan in plans {
        for notice in plan.notices.iter().filter(|notice| notice.at.is_some()) {
            let (_, places) = noticed.entry(id_of(notice)).or_insert((notice, vec![]));
            places.push(plan.environment.to_string());
            places.dedup();
        }
        let place = format!(" in {}", plan.environment);
        let notes = plan.notes.iter().filter(|note| note.severity != Weight::Note);
        annotations.extend(notes.map(|note| of_note(note, &place)));
    }
    let noticed = noticed.into_iter().map(|(id, (notice, places))| {
        let (path, at) = place(notice.at.as_ref());
        let severity = severity(notice.effect);
        let summary = summary(notice, &places);
        Annotation { id, severity, path, line: at, summary, details: None }
    });
    annotations.extend(noticed);
    annotations
}

fn id_of(notice: &Notice) -> String {
    let Notice { effect, api, operation, who: _, text, change: _, cause, at } = notice;
    let operation = operation.as_ref().map(|it| &it.id);
    let digest = Digest::of_json(&json!([effect, api, operation, text, cause, at]));
    named(&digest)
}

fn named(digest: &Digest) -> String {
    let digits = digest.as_str().trim_start_matches("sha256:").chars().take(24);
    format!("gatewright-{}", digits.collect::<String>())
}

/// `WIDENS ACCESS: orders POST /orders + group sales (staff) may call, in staging and prod`.
fn summary(notice: &Notice, places: &[String]) -> String {
    let api = notice.api.as_ref().map(ToString::to_string);
    let operation = notice
        .operation
        .as_ref()
        .map(|Operation { method, path, id: _ }| format!("{method} {path}"));
    let what: Vec<String> =
        [api, operation, Some(notice.text.clone())].into_iter().flatten().collect();
    let mark = match notice.effect.mark() {
        "" => String::new(),
        mark => format!("{mark}: "),
    };
    line(&format!("{mark}{}, in {}", what.join(" "), places.join(" and ")))
}

fn severity(effect: Effect) -> Severity {
    match effect {
        Effect::Public | Effect::Rules => Severity::High,
        Effect::BindSecret
        | Effect::Widen
        | Effect::MoveHost
        | Effect::Native
        | Effect::LoosenLimit
        | Effect::LoosenValidation
        | Effect::Reach => Severity::Medium,
        Effect::Narrow | Effect::TightenLimit | Effect::TightenValidation | Effect::Setting => {
            Severity::Low
        }
    }
}

fn of_note(note: &Note, environment: &str) -> Annotation {
    let Note { code, severity, text, at, help } = note;
    let digest = Digest::of_json(&json!([code, text, at, environment]));
    let (path, number) = place(at.as_ref());
    Annotation {
        id: named(&digest),
        severity: match severity {
            Weight::Error => Severity::High,
            Weight::Warning => Severity::Medium,
            Weight::Note => Severity::Low,
        },
        path,
        line: number,
        summary: line(&format!("{code}{environment}: {text}")),
        details: (!help.is_empty()).then(|| line(&help.join("; "))),
    }
}

/// A path that names something else than it shows names nothing.
fn place(at: Option<&Origin>) -> (Option<String>, Option<u32>) {
    let at = at.filter(|at| line(&at.file) == at.file && !at.file.is_empty());
    (at.map(|at| at.file.clone()), at.map(|at| at.line).filter(|number| *number > 0))
}
