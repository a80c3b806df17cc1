//! A pull request, as a server deals with it: what it would do is told below it, and what somebody
//! asks for there in so many words is done.

use gw_model::{id::EnvironmentName, source::Sources};
use gw_plan::plan::{Plan, Rules};
use gw_policy::decision::DecisionId;
use time::Duration;

use crate::{
    answer::{Answer, End},
    host::{PullRequest, PullRequestState},
    notify::Notification,
    review::{self, Reading, Review, Reviewed},
    server::Server,
    stop::Stop,
    task::Task,
    tell::{self, Links, News, Progress, Prospect, Told, Waiting, findings},
    waits::Look,
};

/// The remarks that ask for something, each exactly so and without arguments.
const PLAN: &str = "gatewright plan";
const CHECK: &str = "gatewright check";

/// Has every open pull request planned again.
pub async fn review_all(server: &Server) -> Result<Answer, Stop> {
    let open = server.host.open_pull_requests().await?;
    for number in &open {
        server.ask(Task::PullRequest { number: *number }).await?;
    }
    Ok(Answer::done(format!("open pull requests: {}", open.len())))
}

/// Plans a pull request and tells what it would do.
pub async fn review(server: &Server, number: u64) -> Result<Answer, Stop> {
    let reading = review::review(server, number).await?;
    let (at, links) = (server.clock.now(), Links::to(&server.address));
    let told = |commit, news| Told { pull_request: number, commit, at, links: &links, news };
    match &reading {
        Reading::Closed(state) => {
            // What was merged may still wait; what was declined does not.
            if *state == PullRequestState::Declined {
                server.store.forget_waits(number).await?;
            }
            Ok(Answer::done(format!("pull request {number} is closed")))
        }
        Reading::Elsewhere => Ok(Answer::done(format!(
            "the branch of pull request {number} lies in another repository, and is not read"
        ))),
        Reading::Open(review) => {
            let mut prospects = vec![];
            for Reviewed { planned, approved, absent, .. } in &review.environments {
                let (plan, refused) = (&planned.plan, &approved.refused[..]);
                let median_wait = median_wait(server, plan).await?;
                prospects.push(Prospect { plan, refused, absent, median_wait });
            }
            let told = told(&review.head, News::Plans(&prospects));
            // Whoever reads it may approve at once. It counts only where it could be read.
            let readable_at = server.clock.now();
            write_below(server, told).await?;
            review::show(server, review, readable_at).await?;
            wait(server, review).await?;
            write_beside(server, &review.pull_request, told).await?;
            let status = tell::of_plan(told, None);
            Ok(Answer::done(format!("pull request {number}: {}", status.description)))
        }
        Reading::Wrong(wrong) => {
            let notes = findings(&wrong.declared.found, &wrong.declared.sources);
            let told = told(&wrong.head, News::Broken(&notes));
            write_below(server, told).await?;
            write_beside(server, &wrong.pull_request, told).await?;
            Ok(Answer::from(&wrong.stop))
        }
        Reading::Unread(unread) => {
            let notes = findings(&unread.why.diagnostics(), &Sources::default());
            let told = told(&unread.head, News::Broken(&notes));
            write_below(server, told).await?;
            write_beside(server, &unread.pull_request, told).await?;
            Ok(Answer::from(&Stop::Source(unread.why.clone())))
        }
    }
}

/// How long one waits at the slowest gate of a plan, where some came through.
async fn median_wait(server: &Server, plan: &Plan) -> Result<Option<Duration>, Stop> {
    let Some(waiting) = Waiting::of(&plan.decision) else { return Ok(None) };
    let (wanted, gates) = (waiting.gates(), server.store.gates(&plan.environment).await?);
    let wanted = gates.iter().filter(|gate| wanted.contains(&gate.name));
    Ok(wanted.map(|gate| gate.median).max())
}

/// Remembers what a pull request waits for, and has those told for whom: once for a head, as long as
/// it is for the same.
async fn wait(server: &Server, review: &Review) -> Result<(), Stop> {
    let number = review.pull_request.number;
    for Reviewed { environment, planned, approved, absent: _ } in &review.environments {
        let plan = &planned.plan;
        let idle = matches!(planned.rules, Rules::Owners(..)) || plan.is_empty();
        let waiting = Waiting::of(&plan.decision).filter(|_| !idle && !plan.has_errors());
        let gates = waiting.map(|it| it.gates()).unwrap_or_default();
        let (approved_at, at) = (approved.given_at, server.clock.now());
        let look = Look { head: &review.head, gates: &gates, approved_at, at };
        let told = gates.is_empty() || server.store.is_wait_told(environment, number, look).await?;
        let links = Links::to(&server.address);
        if let Some(waits) = Notification::waiting(plan, &links).filter(|_| !told) {
            server.notify(waits.below(number)).await?;
        }
        server.store.wait(environment, number, look).await?;
    }
    Ok(())
}

/// Reads what somebody wrote, and does what it asks for.
pub async fn remark(server: &Server, pull_request: u64, id: u64) -> Result<Answer, Stop> {
    let remark = server.host.remark(pull_request, id).await?;
    match remark.text.trim() {
        PLAN | CHECK => review(server, pull_request).await,
        _ => Ok(Answer::done("it is not for us")),
    }
}

/// Writes beside a commit what became of it in an environment.
pub async fn tell_apply(
    server: &Server,
    environment: &EnvironmentName,
    commit: &str,
    answer: &Answer,
) -> Result<Answer, Stop> {
    let links = Links::to(&server.address);
    let decision = answer.decision.as_deref().and_then(|id| DecisionId::parse(id).ok());
    let progress = match (answer.end, answer.change, &decision) {
        (End::Done, Some(change), decision) => {
            Progress::Verified { change, decision: decision.as_ref() }
        }
        (End::Done, None, _) => Progress::Nothing,
        (End::Denied, _, Some(decision)) => Progress::Refused { decision, why: &answer.text },
        _ => Progress::Failed(&answer.text),
    };
    let plan = answer.plan.as_deref().unwrap_or_default();
    let status = tell::of_apply(environment, plan, progress, &links);
    server.host.status(commit, &status).await?;
    Ok(Answer::done("it is told"))
}

async fn write_below(server: &Server, told: Told<'_>) -> Result<(), Stop> {
    let number = told.pull_request;
    let known = server.store.comment(number).await?;
    let id = server.host.comment(number, &tell::comment(told), known).await?;
    Ok(server.store.remember_comment(number, id).await?)
}

async fn write_beside(
    server: &Server,
    pull_request: &PullRequest,
    told: Told<'_>,
) -> Result<(), Stop> {
    let branch = pull_request.source.branch.as_str();
    server.host.report(told.commit, &tell::report(told)).await?;
    Ok(server.host.status(told.commit, &tell::of_plan(told, Some(branch))).await?)
}
