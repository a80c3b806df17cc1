mod laws;
mod matrix;

use gw_model::{
    environment::ChangeAction,
    id::{EnvironmentName, IdentityName},
    load::{Files, ReadError, load},
};
use gw_policy::principal::Principal;
use time::{Duration, macros::datetime};

use super::*;
use crate::host::{AccountKind, Approval, Side};

pub(super) const NOON: OffsetDateTime = datetime!(2026-09-10 12:00 UTC);
pub(super) const LAST_APPLIED: &str = "a0";

pub(super) fn minute(minutes: i64) -> OffsetDateTime {
    NOON + Duration::minutes(minutes)
}

/// The rules of an environment, as somebody would write them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules<'a> {
    /// Of the workspace: `people` and `teams`.
    pub(super) people: &'a str,
    /// Lines under `changes`.
    pub(super) changes: &'a str,
    pub(super) policy: &'a str,
}

/// The rules of a small shop.
pub(crate) fn rules() -> Desired {
    matrix::DECLARED.read()
}

struct Folder([(&'static str, String); 5]);

impl Files for Folder {
    fn paths(&self) -> Vec<String> {
        self.0.iter().map(|(path, _)| (*path).to_owned()).collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        found.map(|(_, text)| text.clone().into_bytes()).ok_or(ReadError("missing".to_owned()))
    }
}

impl Rules<'_> {
    pub(super) fn read(self) -> Desired {
        let head = |kind: &str, name: &str| {
            format!(
                "apiVersion: gatewright.io/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec:\n"
            )
        };
        let workspace = format!(
            "{}  source: {{ local: {{}} }}
  identities:
    staff: {{ oidc: {{ issuer: https://id.example.com, audiences: [gatewright] }} }}
    deployer: {{ oidc: {{ issuer: https://ci.example.com, audiences: [gatewright] }} }}
    callers: {{ oidc: {{ issuer: https://id.example.com, audiences: [api] }} }}\n{}",
            head("Workspace", "acme"),
            self.people
        );
        let environment = format!(
            "{}  targets: {{ default: {{ builtin: {{}} }} }}\n  changes:\n{}",
            head("Environment", "prod"),
            self.changes
        );
        let api = format!(
            "{}  owner: orders\n  openapi: {{ file: apis/orders/openapi.yaml }}\n  upstream: {{ url: https://orders.example.com }}\n  access:\n    - {{ methods: [GET], identities: [callers] }}\n",
            head("Api", "orders")
        );
        let openapi = "openapi: 3.0.3\ninfo: { title: o, version: '1' }\npaths: { /orders: { get: { operationId: list, responses: {} } } }\n";
        let loaded = load(&Folder([
            ("gatewright.yaml", workspace),
            ("environments/prod.yaml", environment),
            ("apis/orders/api.yaml", api),
            ("apis/orders/openapi.yaml", openapi.to_owned()),
            ("policies/changes.cedar", self.policy.to_owned()),
        ]));
        let read = loaded.declarations;
        let read = read.unwrap_or_else(|| panic!("{:#?}", loaded.diagnostics));
        Desired::clone(&read.desired(&EnvironmentName::parse("prod").unwrap()).unwrap())
    }
}

/// Everything that may speak for or against a change.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) rules: Desired,
    pub(super) changed: Changed,
    pub(super) facts: PlanFacts,
    pub(super) history: Vec<String>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) given: Vec<Given>,
    pub(super) taken_back: TakenBack,
    pub(super) back: Option<GoingBack>,
    /// What accounts may do that may not write.
    pub(super) permissions: BTreeMap<String, Option<Permission>>,
}

impl World {
    pub(super) fn judge(&self) -> Approved {
        let question = Question {
            changed: &self.changed,
            rules: &self.rules,
            facts: &self.facts,
            commit: Some(&self.commit()),
            history: &self.history,
            taken_back: &self.taken_back,
            back: self.back.as_ref(),
        };
        judge(question, &self.candidates, &self.given, |account| {
            self.permissions.get(&account.id).copied().unwrap_or(Some(Permission::Write))
        })
    }

    fn commit(&self) -> CommitFacts {
        CommitFacts {
            sha: self.history.last().cloned().unwrap_or_default(),
            branches: ["main".to_owned()].into(),
            ..CommitFacts::default()
        }
    }

    /// An apply by the pipeline.
    pub(super) fn asked(&self) -> Asked {
        let mut asked = Asked {
            action: ChangeAction::Apply,
            actor: by("deployer", "pipeline", &[]),
            commit: Some(self.commit()),
            approvers: BTreeSet::new(),
            approver_teams: BTreeSet::new(),
            authors: BTreeSet::new(),
            approvals: 0,
            verified_in: BTreeSet::new(),
            at: minute(120),
        };
        self.judge().fill(&mut asked);
        asked
    }
}

pub(super) fn effects(entries: &[(&str, &str)]) -> Changed {
    let entry =
        |(name, text): &(&str, &str)| ((*name).to_owned(), Some(Digest::of_bytes(text.as_bytes())));
    entries.iter().map(entry).collect()
}

pub(super) fn uuid(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{{00000000-0000-0000-0000-{digits:0>12}}}")
}

pub(super) fn account(name: &str) -> Account {
    Account { host: "bitbucket", id: uuid(name), name: name.to_owned(), kind: AccountKind::Person }
}

pub(super) fn by(identity: &str, subject: &str, groups: &[&str]) -> Caller {
    let groups = groups.iter().map(|group| (*group).to_owned()).collect();
    Caller {
        principals: vec![Principal {
            identity: IdentityName::parse(identity).unwrap(),
            issuer: "https://id.example.com".to_owned(),
            subject: subject.to_owned(),
            claims: [("groups".to_owned(), groups)].into(),
            expires_at: None,
        }],
    }
}

pub(super) fn approval(by: &str, minutes: i64) -> Approval {
    Approval { by: account(by), at: minute(minutes), commit: None }
}

pub(super) fn given(subject: &str, groups: &[&str], entries: &[(&str, &str)]) -> Given {
    Given {
        restores: None,
        by: by("staff", subject, groups),
        at: minute(40),
        commit: "h7".to_owned(),
        entries: effects(entries),
    }
}

/// Number `n`, whose head is `h<n>`, merged as `m<n>`, shown at noon.
pub(super) fn merged(number: u64, by: &str, entries: &[(&str, &str)]) -> Candidate {
    let head = format!("h{number}");
    Candidate {
        pull_request: PullRequest {
            number,
            title: "a change".to_owned(),
            state: PullRequestState::Merged,
            source: Side { branch: "topic".to_owned(), commit: Some(head.clone()) },
            destination: Side { branch: "main".to_owned(), commit: Some("d0".to_owned()) },
            merge_commit: Some(format!("m{number}")),
            merged_by: Some(account("ann")),
            opened_by: account(by),
            pushed_by: vec![account(by)],
            approvals: vec![],
            head_since: minute(-1),
        },
        shown: vec![Shown { head, at: NOON, entries: effects(entries) }],
    }
}

impl Candidate {
    pub(super) fn approved(mut self, by: &str, minutes: i64) -> Self {
        self.pull_request.approvals.push(approval(by, minutes));
        self
    }

    pub(super) fn open(mut self) -> Self {
        self.pull_request.state = PullRequestState::Open;
        self.pull_request.merge_commit = None;
        self
    }
}

pub(super) const ORDERS: &[(&str, &str)] = &[("api/orders", "new")];

/// Bob's change of one API, number 7, merged.
pub(super) fn world(rules: Desired, approvers: &[&str]) -> World {
    let candidate = merged(7, "bob", ORDERS);
    let candidate = approvers.iter().fold(candidate, |it, name| it.approved(name, 30));
    World {
        rules,
        changed: effects(ORDERS),
        facts: PlanFacts::default(),
        taken_back: TakenBack::default(),
        back: None,
        history: vec!["m7".to_owned()],
        candidates: vec![candidate],
        given: vec![],
        permissions: BTreeMap::new(),
    }
}

#[test]
fn nothing_that_changes_needs_nothing() {
    let mut world = world(matrix::HOST.read(), &[]);
    assert_eq!(world.judge().count, 0);
    world.changed = Changed::default();
    let approved = world.judge();
    assert_eq!((approved.count, approved.refused), (u32::MAX, vec![]));
    let permit = gw_policy::change::judge(&world.rules, &world.asked(), &world.facts).unwrap();
    assert!(permit.rules()[0].met.contains(&"nothing to approve".to_owned()));
}

#[test]
fn what_no_pull_request_showed_is_named() {
    let mut world = world(matrix::HOST.read(), &["erik"]);
    world.changed = effects(&[("api/orders", "new"), ("api/pushed", "new")]);
    let approved = world.judge();
    assert_eq!((approved.count, approved.unshown), (0, ["api/pushed".to_owned()].into()));
}

#[test]
fn what_was_taken_back_after_its_approval_is_approved_anew_or_not_at_all() {
    let mut world = world(matrix::HOST.read(), &["carol"]);
    assert_eq!(world.judge().count, 1);
    let entries: BTreeSet<String> = world.changed.keys().cloned().collect();
    world.taken_back = [("m7".to_owned(), entries)].into();
    let judged = world.judge();
    assert_eq!((judged.count, judged.pull_requests.len()), (0, 0));
    // What is not of this change says nothing.
    world.taken_back = [("m7".to_owned(), ["api/others".to_owned()].into())].into();
    assert_eq!(world.judge().count, 1);
}

#[test]
fn what_was_said_of_another_change_is_not_told_here_and_nothing_twice() {
    let asked = format!("{}    - {{ actions: [approve], identities: [staff] }}\n", matrix::ONE);
    let mut world = world(Rules { changes: &asked, ..matrix::DECLARED }.read(), &[]);
    let said = |commit: &str| Given {
        commit: commit.to_owned(),
        ..given("mira", &[], &[("api/orders", "other")])
    };
    let refused = |world: &World| {
        let refused = world.judge().refused.into_iter();
        refused.map(|it| (it.who, it.why)).collect::<Vec<_>>()
    };
    world.given = vec![said("h9")];
    assert_eq!(refused(&world), []);
    // Of a former head, or of the merge itself, it is news that it does not count any more.
    world.given = vec![said("h9"), said("h7"), said("m7")];
    let news = refused(&world);
    assert!(matches!(&*news, [(who, Why::OtherEffect)] if who == "mira"), "{news:?}");
}
