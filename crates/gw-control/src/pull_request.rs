//! A pull request, as a server deals with it: what it would do is told below it, and what somebody
//! asks for there in so many words is done.

use gw_plan::render;

use crate::{
    answer::Answer,
    host::report::Comment,
    review::{self, Reading, Review},
    server::Server,
    stop::Stop,
};

/// The remarks that ask for something, each exactly so and without arguments.
const PLAN: &str = "gatewright plan";
const CHECK: &str = "gatewright check";

/// Plans a pull request and tells what it would do.
pub async fn review(server: &Server, number: u64) -> Result<Answer, Stop> {
    let reading = review::review(server, number).await?;
    match &reading {
        Reading::Closed(_) => Ok(Answer::done(format!("pull request {number} is closed"))),
        Reading::Elsewhere => Ok(Answer::done(format!(
            "the branch of pull request {number} lies in another repository, and is not read"
        ))),
        Reading::Open(review) => {
            tell(server, &reading).await?;
            review::show(server, review).await?;
            let plans: Vec<&str> =
                review.environments.iter().map(|it| it.planned.plan.id.as_str()).collect();
            Ok(Answer::done(format!("pull request {number} is planned: {}", plans.join(", "))))
        }
        Reading::Wrong(wrong) => {
            tell(server, &reading).await?;
            Ok(Answer::from(&wrong.stop))
        }
    }
}

/// Reads what somebody wrote, and does what it asks for.
pub async fn remark(server: &Server, pull_request: u64, id: u64) -> Result<Answer, Stop> {
    let remark = server.host.remark(pull_request, id).await?;
    match remark.text.trim() {
        PLAN | CHECK => review(server, pull_request).await,
        _ => Ok(Answer::done("it is not for us")),
    }
}

/// How our comment begins, whatever it tells.
const START: &str = "**Gatewright**";

/// Writes below the pull request what it would do.
async fn tell(server: &Server, reading: &Reading) -> Result<(), Stop> {
    let (number, text) = match reading {
        Reading::Open(review) => (review.pull_request.number, text(review)),
        Reading::Wrong(wrong) => (wrong.pull_request.number, format!(" · {}", wrong.stop)),
        Reading::Closed(_) | Reading::Elsewhere => return Ok(()),
    };
    let comment = Comment { start: START.to_owned(), text };
    let known = server.store.comment(number).await?;
    let id = server.host.comment(number, &comment, known).await?;
    server.store.remember_comment(number, id).await?;
    Ok(())
}

fn text(review: &Review) -> String {
    let plans = review.environments.iter().map(|it| render::markdown(&it.planned.plan));
    format!(" · plan for commit {}\n\n{}", review.head, plans.collect::<Vec<_>>().join("\n\n"))
}
