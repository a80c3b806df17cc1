//! Who approved: accounts of a Git host and callers of ours, as the rules know them.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{
    desired::Desired,
    environment::{ChangeAction, ChangeRule},
    id::{IdentityName, PersonName, TeamName},
    source::Origin,
    workspace::{Identity, Person, Team},
};
use gw_plan::plan::Changed;
use gw_policy::{
    change::{self, Asked},
    principal::{Caller, ClaimSet, Principal},
};
use time::OffsetDateTime;

use super::{Brought, Candidate, Given, Question, Refused, Why};
use crate::host::{Account, Approval, Permission, approvals};

/// Somebody who is counted once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Person(PersonName),
    /// Only where `people` is not declared: host and id.
    Account(&'static str, String),
}

/// An approval whose giver may approve, and what it covers.
pub(super) struct Voice<'a> {
    pub(super) who: Who,
    pub(super) entries: &'a Changed,
    /// For which they speak.
    pub(super) teams: BTreeSet<TeamName>,
    pub(super) at: OffsetDateTime,
    by: By<'a>,
}

#[derive(Clone, Copy)]
enum By<'a> {
    /// On the pull request of this place.
    Host(&'a Account, usize),
    Caller(&'a Given, Since),
}

/// Whether the commit that somebody approved came after the last apply.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Since {
    InHistory,
    Elsewhere,
}

/// Whom the rules know.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    rules: &'a Desired,
}

/// Hears approvals one after the other.
pub(super) struct Hearing<'a> {
    known: Known<'a>,
    question: Question<'a>,
    authors: &'a BTreeSet<PersonName>,
    /// The rules that an approval in the Git host can satisfy; none: nothing restricts them.
    of_host: Option<Desired>,
}

impl Who {
    pub(super) fn person(&self) -> Option<&PersonName> {
        match self {
            Self::Person(name) => Some(name),
            Self::Account(..) => None,
        }
    }
}

impl Voice<'_> {
    /// Whether it was given to one of the pull requests that brought an entry, or to what became of
    /// them.
    pub(super) fn is_in(&self, run: &[usize], brought: &[Brought<'_>]) -> bool {
        match self.by {
            By::Host(_, at) => run.contains(&at),
            By::Caller(_, Since::InHistory) => true,
            By::Caller(given, Since::Elsewhere) => {
                let mut run = run.iter().filter_map(|at| brought.get(*at));
                run.any(|it| it.candidate.head() == Some(&given.commit))
            }
        }
    }

    /// The commit that it was given for, where it was given to us.
    pub(super) fn commit(&self) -> Option<&str> {
        match self.by {
            By::Caller(given, _) => Some(&given.commit),
            By::Host(..) => None,
        }
    }

    pub(super) fn is_of(&self, person: Option<&PersonName>) -> bool {
        person.is_some() && self.who.person() == person
    }

    /// Whether a pull request is theirs.
    pub(super) fn made(&self, brought: &Brought<'_>) -> bool {
        let is_same = match self.by {
            By::Host(account, _) => brought.accounts.iter().any(|it| it.is(account)),
            By::Caller(..) => false,
        };
        is_same || self.who.person().is_some_and(|person| brought.authors.contains(person))
    }

    pub(super) fn name(&self) -> String {
        match (&self.who, &self.by) {
            (Who::Person(name), _) => name.to_string(),
            (Who::Account(..), By::Host(account, _)) => account.name.clone(),
            (Who::Account(_, id), By::Caller(..)) => id.clone(),
        }
    }
}

impl<'a> Known<'a> {
    pub(super) fn of(rules: &'a Desired) -> Self {
        Self { rules }
    }

    /// Who of `people` these are.
    pub(super) fn authors(self, accounts: &[&Account]) -> BTreeSet<&'a PersonName> {
        accounts.iter().filter_map(|account| self.of_account(account)).collect()
    }

    fn teams(self, who: &Who, by: By<'_>) -> BTreeSet<TeamName> {
        let holds = |team: &Team| match (team, by) {
            (Team::People(people), _) => who.person().is_some_and(|person| people.contains(person)),
            (Team::Holders { identity, claims }, By::Caller(given, _)) => {
                let holds = |principal: &Principal| {
                    claims.iter().all(|(claim, accepted)| {
                        let held = principal.claims.get(claim);
                        held.is_some_and(|held| accepted.iter().any(|value| held.contains(value)))
                    })
                };
                given.by.principals.iter().any(|it| it.identity == *identity && holds(it))
            }
            // The Git host says nothing about claims.
            (Team::Holders { .. }, By::Host(..)) => false,
        };
        let teams = self.rules.teams.iter().filter(|(_, team)| holds(team));
        teams.map(|(name, _)| name.clone()).collect()
    }

    /// Who it is. Without `people`, an account stands for itself.
    fn who(self, account: &Account) -> Option<Who> {
        if self.rules.people.is_empty() {
            return Some(Who::Account(account.host, account.id.clone()));
        }
        self.of_account(account).cloned().map(Who::Person)
    }

    pub(super) fn of_account(self, account: &Account) -> Option<&'a PersonName> {
        self.only(|person| {
            let id = match account.host {
                "bitbucket" => &person.bitbucket,
                "github" => &person.github,
                "gitlab" => &person.gitlab,
                _ => &None,
            };
            id.as_ref() == Some(&account.id)
        })
    }

    pub(super) fn of_caller(self, caller: &Caller) -> Option<&'a PersonName> {
        self.only(|person| {
            let is_theirs = |it: &Principal| person.subjects.get(&it.identity) == Some(&it.subject);
            caller.principals.iter().any(is_theirs)
        })
    }

    /// What several people have is nobody's.
    fn only(self, is_theirs: impl Fn(&Person) -> bool) -> Option<&'a PersonName> {
        let mut found = self.rules.people.iter().filter(|(_, person)| is_theirs(person));
        let (name, _) = found.next()?;
        found.next().is_none().then_some(name)
    }
}

impl<'a> Hearing<'a> {
    pub(super) fn open(
        question: Question<'a>,
        known: Known<'a>,
        authors: &'a BTreeSet<PersonName>,
    ) -> Self {
        Self { known, question, authors, of_host: of_host(question.rules) }
    }

    /// Those that count for what they cover, and why the others do not.
    pub(super) fn hear<'v>(
        &self,
        brought: &[Brought<'v>],
        given: &'v [Given],
        permission: impl Fn(&Account) -> Option<Permission>,
    ) -> (Vec<Voice<'v>>, Vec<Refused>) {
        let (mut voices, mut refused) = (vec![], vec![]);
        let mut take = |name: &dyn Fn() -> String, heard: Result<Voice<'v>, Why>| match heard {
            Ok(voice) => voices.push(voice),
            Err(why) => refused.push(Refused { who: name(), why }),
        };
        // What was said of something that is not there any more is nothing to hear.
        let there = brought.iter().enumerate().filter(|(_, it)| self.question.concerns(it));
        for (at, candidate) in there.map(|(at, it)| (at, it.candidate)) {
            for judged in approvals::judge(&candidate.pull_request, &permission) {
                let heard = match judged.refusal {
                    Some(why) => Err(Why::Host(why)),
                    None => self.on_host(judged.approval, candidate, at),
                };
                take(&|| judged.approval.by.name.clone(), heard);
            }
        }
        for one in given.iter().filter(|one| self.question.is_about(one)) {
            let name = || {
                let principals = one.by.principals.iter();
                principals.map(|it| it.subject.as_str()).next().unwrap_or_default().to_owned()
            };
            take(&name, self.given(one));
        }
        (voices, refused)
    }

    fn on_host<'v>(
        &self,
        approval: &'v Approval,
        candidate: &'v Candidate,
        at: usize,
    ) -> Result<Voice<'v>, Why> {
        let who = self.known.who(&approval.by).ok_or(Why::Unlisted)?;
        if let Some(rules) = &self.of_host {
            self.admit_account(rules, who.person(), approval.at)?;
        }
        // Of the same moment: it may have been given before the plan could be read.
        let before = candidate.on_head().filter(|shown| shown.at < approval.at);
        // Of two plans of one moment it is always the same one, in whatever order they come.
        let newest = before.max_by_key(|shown| (shown.at, &shown.entries));
        let shown = newest.ok_or(Why::NothingShown)?;
        Ok(self.voice(who, &shown.entries, approval.at, By::Host(&approval.by, at)))
    }

    fn given<'v>(&self, given: &'v Given) -> Result<Voice<'v>, Why> {
        // An account of a Git host and a subject of an issuer are one only by `people`.
        let person = self.known.of_caller(&given.by).ok_or(Why::Unlisted)?;
        self.admit(self.question.rules, given.by.clone(), given.at)?;
        let since = match self.question.history.contains(&given.commit) {
            true => Since::InHistory,
            false => Since::Elsewhere,
        };
        let (who, by) = (Who::Person(person.clone()), By::Caller(given, since));
        Ok(self.voice(who, &given.entries, given.at, by))
    }

    fn voice<'v>(
        &self,
        who: Who,
        entries: &'v Changed,
        at: OffsetDateTime,
        by: By<'v>,
    ) -> Voice<'v> {
        let teams = self.known.teams(&who, by);
        Voice { who, entries, teams, at, by }
    }

    /// An account may approve if the person whose it is may, by their identities alone.
    fn admit_account(
        &self,
        rules: &Desired,
        person: Option<&PersonName>,
        at: OffsetDateTime,
    ) -> Result<(), Why> {
        let refuse = |because: &str| Err(Why::NotAdmitted { because: because.to_owned() });
        if rules.spec.changes.is_empty() {
            return refuse(
                "each rule for `approve` asks for claims or has a condition, of which the Git host \
                 says nothing; `gatewright approve` shows them",
            );
        }
        let subjects = person.and_then(|name| rules.people.get(name)).map(|it| &it.subjects);
        let Some(subjects) = subjects.filter(|subjects| !subjects.is_empty()) else {
            return refuse(
                "rules or policies judge who approves, and `people` lists no subject of theirs",
            );
        };
        self.admit(rules, caller(rules, subjects), at)
    }

    fn admit(&self, rules: &Desired, actor: Caller, at: OffsetDateTime) -> Result<(), Why> {
        let asked = Asked {
            action: ChangeAction::Approve,
            actor,
            commit: self.question.commit.cloned(),
            approvers: BTreeSet::new(),
            approver_teams: BTreeSet::new(),
            authors: self.authors.clone(),
            approvals: 0,
            verified_in: BTreeSet::new(),
            at,
        };
        let judged = change::judge(rules, &asked, self.question.facts);
        judged.map(|_| ()).map_err(|denial| Why::NotAdmitted { because: denial.why })
    }
}

/// A person, as every identity that they have, and with no claims.
pub(super) fn caller(rules: &Desired, subjects: &BTreeMap<IdentityName, String>) -> Caller {
    let principals = subjects.iter().map(|(identity, subject)| Principal {
        identity: identity.clone(),
        issuer: match rules.identities.get(identity) {
            Some(Identity::Oidc(oidc)) => oidc.issuer.clone(),
            _ => String::new(),
        },
        subject: subject.clone(),
        claims: ClaimSet::new(),
        expires_at: None,
    });
    Caller { principals: principals.collect() }
}

/// The rules by which approvals in the Git host are judged: those that need nothing but to know who
/// it is. None: no rule names `approve` and no policy judges it, so the host's own word is enough.
fn of_host(rules: &Desired) -> Option<Desired> {
    let names = |rule: &&ChangeRule| rule.actions.contains(&ChangeAction::Approve);
    let named = rules.spec.changes.iter().any(|rule| names(&rule));
    let forbidden = || match change::ChangeRules::compile(rules) {
        Ok(compiled) => compiled.forbids(ChangeAction::Approve),
        // What cannot be read may forbid anything.
        Err(_) => true,
    };
    let changes = if named {
        let plain = |rule: &&ChangeRule| rule.claims.is_empty() && rule.when.is_none();
        rules.spec.changes.iter().filter(names).filter(plain).cloned().collect()
    } else if forbidden() {
        vec![whoever(rules.identities.keys().cloned().collect())]
    } else {
        return None;
    };
    let mut spec = rules.spec.clone();
    spec.changes = changes;
    Some(Desired {
        workspace: rules.workspace.clone(),
        source: rules.source.clone(),
        intake: rules.intake.clone(),
        environment: rules.environment.clone(),
        spec,
        identities: rules.identities.clone(),
        people: rules.people.clone(),
        teams: rules.teams.clone(),
        apis: BTreeMap::new(),
        policies: rules.policies.clone(),
    })
}

/// Lets anybody approve whom some identity proves, so that only policies speak.
fn whoever(identities: Vec<IdentityName>) -> ChangeRule {
    ChangeRule {
        at: Origin { file: String::new(), line: 0 },
        actions: vec![ChangeAction::Approve],
        identities,
        claims: BTreeMap::new(),
        commit: None,
        hours: None,
        deletes: false,
        owner: None,
        because: None,
        when: None,
    }
}
