//! What was approved, taken back and comes again; and what only other things happened to.

use gw_control::{approve::Given, event, reconcile};
use gw_model::environment::ChangeAction;

use super::*;

const API: &str = "apis/orders/api.yaml";
const OPENAPI: &str = "apis/orders/openapi.yaml";
const WIDE: &str = "[orders-team, sales]";
const NARROW: &str = "[orders-team]";

/// A text of a file, and what comes in its place.
type Edit = (&'static str, &'static str, &'static str);

#[derive(Clone, Copy)]
enum Approval {
    OnHost,
    ToUs,
}

/// What happens after the pull request that widens was approved and merged.
#[derive(Clone, Copy)]
enum Later {
    /// Somebody who may pushes to `main`.
    Pushed(Edit),
    /// By a pull request that nobody approves.
    Merged(Edit),
}

struct Shape {
    name: &'static str,
    strategy: &'static str,
    approval: Approval,
    later: &'static [Later],
    end: End,
}

const SHAPES: [Shape; 9] = [
    Shape {
        name: "taken back and brought again",
        strategy: "merge_commit",
        approval: Approval::OnHost,
        later: &[Later::Pushed((API, WIDE, NARROW)), Later::Merged((API, NARROW, WIDE))],
        end: End::Denied,
    },
    Shape {
        name: "after a squash",
        strategy: "squash",
        approval: Approval::OnHost,
        later: &[Later::Pushed((API, WIDE, NARROW)), Later::Merged((API, NARROW, WIDE))],
        end: End::Denied,
    },
    Shape {
        name: "after a branch of two commits that was only moved on",
        strategy: "fast_forward",
        approval: Approval::OnHost,
        later: &[Later::Pushed((API, WIDE, NARROW)), Later::Merged((API, NARROW, WIDE))],
        end: End::Denied,
    },
    Shape {
        name: "through another file",
        strategy: "merge_commit",
        approval: Approval::OnHost,
        later: &[
            Later::Pushed((OPENAPI, "    post: ", "    put: ")),
            Later::Merged((OPENAPI, "    put: ", "    post: ")),
        ],
        end: End::Denied,
    },
    Shape {
        name: "behind a state that nobody can read",
        strategy: "squash",
        approval: Approval::OnHost,
        later: &[
            Later::Pushed((OPENAPI, "openapi: 3.0.3", "openapi: [")),
            Later::Merged((OPENAPI, "openapi: [", "openapi: 3.0.3")),
        ],
        end: End::Denied,
    },
    Shape {
        name: "approved to us",
        strategy: "merge_commit",
        approval: Approval::ToUs,
        later: &[Later::Pushed((API, WIDE, NARROW)), Later::Merged((API, NARROW, WIDE))],
        end: End::Denied,
    },
    Shape {
        name: "another line of the same file",
        strategy: "merge_commit",
        approval: Approval::OnHost,
        later: &[Later::Pushed((API, "kind: Api", "kind: Api # of orders"))],
        end: End::Done,
    },
    Shape {
        name: "another line, after two commits that were only moved on",
        strategy: "fast_forward",
        approval: Approval::OnHost,
        later: &[Later::Merged((API, "kind: Api", "kind: Api # of orders"))],
        end: End::Done,
    },
    Shape {
        name: "another line, approved to us",
        strategy: "merge_commit",
        approval: Approval::ToUs,
        later: &[Later::Pushed((API, "kind: Api", "kind: Api # of orders"))],
        end: End::Done,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_for_what_was_never_taken_back_since() {
    let mut wrong = vec![];
    for shape in &SHAPES {
        let answer = shape.play().await;
        if answer.end != shape.end {
            wrong.push(format!("{}: {answer:?}", shape.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

impl Shape {
    /// What becomes of all of it, applied in one go.
    async fn play(&self) -> Answer {
        let on_merge = "    - { event: merge, branch: main, do: apply }\n";
        let house = House::edited(&[("environments/prod.yaml", on_merge, "")]).await;
        let stage = &house.stage;
        house.branch("sales", &[(API, NARROW, WIDE)]).await;
        house.look().await;
        stage.advance();
        match self.approval {
            Approval::OnHost => stage.approve(&stage.carol, 1).await,
            Approval::ToUs => house.approve_to_us("sales").await,
        }
        stage.advance();
        stage.merge(1, self.strategy).await;
        house.pull().await;
        let mut number = 1;
        for later in self.later {
            match later {
                Later::Pushed(edit) => {
                    house.edit(edit).await;
                    stage.push(&stage.ann, &house.desk, &["HEAD:refs/heads/main"]).await;
                }
                Later::Merged(edit) => {
                    number += 1;
                    house.branch("later", &[*edit]).await;
                    house.look().await;
                    stage.advance();
                    stage.merge(number, "merge_commit").await;
                    house.pull().await;
                }
            }
            house.look().await;
        }
        assert!(!house.live.has("sales"), "{}: nothing was applied yet", self.name);
        let head = stage.head("main").await;
        let answer = reconcile(&house.server, &order(somebody("ann"), &head)).await.unwrap();
        assert_eq!(house.live.has("sales"), answer.end == End::Done, "{}", self.name);
        house.end().await;
        answer
    }
}

impl House {
    /// A pull request by Bob, in two commits.
    pub(super) async fn branch(&self, name: &str, edits: &[Edit]) {
        let stage = &self.stage;
        stage.git(&self.desk, &["checkout", "--quiet", "-b", name, "main"]).await;
        for edit in edits {
            self.edit(edit).await;
        }
        stage.commit(&self.desk, "Nothing more").await;
        stage.push(&stage.bob, &self.desk, &[&format!("HEAD:refs/heads/{name}")]).await;
        stage.open(&stage.bob, name, name).await;
        stage.git(&self.desk, &["checkout", "--quiet", "main"]).await;
    }

    async fn edit(&self, (path, from, to): &Edit) {
        let path = self.desk.join(path);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).unwrap();
        self.stage.commit(&self.desk, "An edit").await;
    }

    pub(super) async fn pull(&self) {
        let remote = self.stage.remote(&self.stage.bob);
        self.stage.git(&self.desk, &["pull", "--quiet", &remote, "main"]).await;
    }

    /// Carol approves the plan of a branch.
    async fn approve_to_us(&self, branch: &str) {
        let commit = self.stage.head(branch).await;
        let carol = somebody("carol");
        let order = order(carol.clone(), &commit);
        let ground = reconcile::ground(&self.server, &order).await.unwrap();
        let action = ChangeAction::Apply;
        let planned = reconcile::plan(&self.server, &order, &ground, action).await.unwrap();
        let (by, at) = (carol.caller, self.server.clock.now());
        let given = Given { by, at, commit, restores: None, entries: planned.changed.clone() };
        let told = event::approved(carol.actor, &planned);
        self.server.store.approve(&prod(), &given, told).await.unwrap();
    }
}
