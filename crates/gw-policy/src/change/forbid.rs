//! What Cedar says about a change, and which single fact would make a forbid let go.

use cedar_policy::{Context, Entities, PolicySet, Request, RestrictedExpression};
use gw_model::{id::IdentityName, workspace::Identity};

use super::{Asked, ChangeRules, CommitFacts, Missing, PlanFacts, RuleEffect, RuleOutcome};
use crate::{
    cedar::{
        Hits, Kind, NotEvaluated, datetime, entity, not_evaluated, policy::Forbid, read_hits, texts,
    },
    principal::Principal,
};

/// The fact of a forbid that could not be evaluated.
pub(super) const EVALUATION: &str = "evaluation";

/// More single facts than these are not tried.
const TRIES_MAX: usize = 256;

impl ChangeRules<'_> {
    /// What each forbid on this action says about one principal.
    pub(super) fn forbidding(
        &self,
        principal: &Principal,
        asked: &Asked,
        plan: &PlanFacts,
    ) -> Vec<RuleOutcome> {
        let hits = self.hits(principal, asked, plan);
        let outcomes = self.judging(asked).map(|forbid| {
            let named = |hit: &&crate::denial::PolicyHit| hit.id == forbid.id;
            let failed = hits.failed.iter().find(named).and_then(|hit| hit.error.clone());
            let speaks = hits.forbidden.iter().any(|hit| named(&hit));
            let missing = match failed {
                Some(error) => vec![Missing::new(EVALUATION, error)],
                None if speaks => self.would_help(&forbid.id, principal, asked, plan),
                None => vec![],
            };
            RuleOutcome {
                id: forbid.id.clone(),
                effect: RuleEffect::Forbid,
                held: speaks || !missing.is_empty(),
                at: forbid.source.clone(),
                met: vec![],
                missing,
                because: forbid.reason.clone(),
                owner: None,
            }
        });
        outcomes.collect()
    }

    /// The forbids on this action.
    fn judging(&self, asked: &Asked) -> impl Iterator<Item = &Forbid> {
        self.forbids.iter().filter(|it| it.judges(asked.action.as_str()))
    }

    fn hits(&self, principal: &Principal, asked: &Asked, plan: &PlanFacts) -> Hits {
        let judging = self.forbids.iter().enumerate();
        let judging = judging.filter(|(_, forbid)| forbid.judges(asked.action.as_str()));
        let failed = |NotEvaluated(error): NotEvaluated| Hits {
            forbidden: vec![],
            failed: self.forbids.iter().map(|it| it.hit(Some(error.clone()))).collect(),
        };
        let numbered = judging.map(|(number, forbid)| forbid.numbered(number));
        let policies = match PolicySet::from_policies(numbered) {
            Ok(policies) => policies,
            Err(error) => return failed(not_evaluated(error)),
        };
        let mut hits = Hits::default();
        for view in same_as(principal, asked) {
            hits.add(match lower(self, view, asked, plan) {
                Ok((request, entities)) => {
                    let response = self.authorizer.is_authorized(&request, &policies, &entities);
                    let mut hits = read_hits(&response, &self.forbids);
                    hits.add_unknown(self.judging(asked), Some(view));
                    hits
                }
                Err(error) => failed(error),
            });
        }
        hits
    }

    /// Facts that would each, alone, make a forbid let go: found by trying them.
    fn would_help(
        &self,
        forbid: &str,
        principal: &Principal,
        asked: &Asked,
        plan: &PlanFacts,
    ) -> Vec<Missing> {
        let tries = self.single_facts(asked).into_iter().take(TRIES_MAX);
        let helpful = tries.filter(|(_, asked)| {
            let hits = self.hits(principal, asked, plan);
            let named = |hit: &crate::denial::PolicyHit| hit.id == forbid;
            !hits.forbidden.iter().any(named) && !hits.failed.iter().any(named)
        });
        let mut missing: Vec<_> = helpful.map(|(missing, _)| missing).collect();
        // Where any approval helps, which person gives it says nothing more.
        if missing.iter().any(|it| it.fact == "approvals") {
            missing.retain(|it| it.fact != "approvers");
        }
        missing
    }

    fn single_facts(&self, asked: &Asked) -> Vec<(Missing, Asked)> {
        let mut tries = vec![];
        let mut with = |fact: &str, needs: String, edit: &dyn Fn(&mut Asked)| {
            let mut other = asked.clone();
            edit(&mut other);
            tries.push((Missing::new(fact, needs), other));
        };
        with("approvals", "one approval more".to_owned(), &|it| {
            it.approvals = it.approvals.saturating_add(1);
        });
        for team in self.desired.teams.keys().filter(|it| !asked.approver_teams.contains(*it)) {
            let needs = format!("approval by team {team}");
            with("approverTeams", needs, &|it| {
                it.approver_teams.insert(team.clone());
                it.approvals = it.approvals.saturating_add(1);
            });
        }
        for environment in &self.known_environments() {
            let needs = format!("the same source verified in {environment}");
            with("verifiedIn", needs, &|it| {
                it.verified_in.insert(environment.clone());
            });
        }
        for person in self.desired.people.keys().filter(|it| !asked.approvers.contains(*it)) {
            with("approvers", format!("approval by {person}"), &|it| {
                it.approvers.insert(person.clone());
                it.approvals = it.approvals.saturating_add(1);
            });
        }
        with("commit.signed", "a signed commit".to_owned(), &|it| {
            if let Some(commit) = &mut it.commit {
                commit.signed = true;
            }
        });
        tries
    }

    /// Environments that a rule of this one speaks of.
    fn known_environments(&self) -> Vec<gw_model::id::EnvironmentName> {
        let commits = self.desired.spec.changes.iter().filter_map(|rule| rule.commit.as_ref());
        let mut known: Vec<_> = commits.flat_map(|it| it.verified_in.iter().cloned()).collect();
        known.sort();
        known.dedup();
        known
    }

    /// What the actor is: whoever is listed under `people`, and the user of this machine, is a person.
    fn kind_of(&self, principal: &Principal) -> &'static str {
        match principal.identity.as_str() {
            IdentityName::LOCAL => return "person",
            IdentityName::SERVER => return "server",
            _ => {}
        }
        let is_person = self
            .desired
            .people
            .values()
            .any(|person| person.subjects.get(&principal.identity) == Some(&principal.subject));
        match self.desired.identities.get(&principal.identity) {
            Some(Identity::BitbucketPipelines { .. }) => "pipeline",
            _ if is_person => "person",
            _ => "service",
        }
    }
}

/// Every identity that proves the same issuer and subject: none of them gets past a forbid on
/// another.
fn same_as<'a>(
    principal: &'a Principal,
    asked: &'a Asked,
) -> impl Iterator<Item = &'a Principal> + use<'a> {
    let Principal { issuer, subject, .. } = principal;
    let others = asked.actor.principals.iter();
    others.filter(move |other| other.issuer == *issuer && other.subject == *subject)
}

pub(super) fn lower(
    rules: &ChangeRules<'_>,
    principal: &Principal,
    asked: &Asked,
    plan: &PlanFacts,
) -> Result<(Request, Entities), NotEvaluated> {
    let words = rules.words;
    let Principal { identity, issuer, subject, claims, expires_at: _ } = principal;
    let proven = same_as(principal, asked).map(|view| &view.identity);
    let parents: Vec<_> =
        proven.chain([identity]).map(|it| words.uid(Kind::Identity, it.as_str())).collect();
    let actor = words.uid(Kind::Actor, &format!("{issuer}|{subject}"));
    let attributes = [("kind", rules.kind_of(principal).to_owned()), ("subject", subject.clone())];
    let actor_entity = entity(&actor, attributes, parents, Some(claims))?;
    let environment = words.uid(Kind::Environment, rules.desired.environment.as_str());
    let environment_entity = entity(&environment, [], [], None)?;
    let action = words.uid(Kind::Action, asked.action.as_str());
    let context = Context::from_pairs(context(asked, plan)?).map_err(not_evaluated)?;
    let request = Request::new(actor, action, environment, context, None).map_err(not_evaluated)?;
    let entities = Entities::from_entities([actor_entity, environment_entity], None);
    Ok((request, entities.map_err(not_evaluated)?))
}

type Fields = Vec<(String, RestrictedExpression)>;

fn context(asked: &Asked, plan: &PlanFacts) -> Result<Fields, NotEvaluated> {
    let Asked {
        action: _,
        actor: _,
        commit,
        approvers,
        approver_teams,
        authors,
        approvals,
        verified_in,
        at,
    } = asked;
    let mut fields = vec![
        ("approvals".to_owned(), RestrictedExpression::new_long(i64::from(*approvals))),
        ("approverTeams".to_owned(), names(approver_teams)),
        ("approvers".to_owned(), names(approvers)),
        ("at".to_owned(), datetime(*at)?),
        ("authors".to_owned(), names(authors)),
        ("plan".to_owned(), lower_plan(plan)?),
        ("verifiedIn".to_owned(), names(verified_in)),
    ];
    if let Some(CommitFacts { sha, branches, tags: _, signed, unproven: _ }) = commit {
        let commit = [
            ("branches".to_owned(), texts(branches)),
            ("sha".to_owned(), RestrictedExpression::new_string(sha.clone())),
            ("signed".to_owned(), RestrictedExpression::new_bool(*signed)),
        ];
        let record = RestrictedExpression::new_record(commit).map_err(not_evaluated)?;
        fields.push(("commit".to_owned(), record));
    }
    Ok(fields)
}

fn lower_plan(plan: &PlanFacts) -> Result<RestrictedExpression, NotEvaluated> {
    let PlanFacts {
        creates,
        updates,
        deletes,
        objects: _,
        widens_access,
        narrows_access,
        loosens_limits,
        loosens_validation,
        moves_hosts,
        binds_secrets,
        uses_native,
        touches_change_rules,
        apis,
    } = plan;
    let count =
        |count: &u64| RestrictedExpression::new_long(i64::try_from(*count).unwrap_or(i64::MAX));
    let truth = |value: &bool| RestrictedExpression::new_bool(*value);
    let fields = [
        ("apis", names(apis)),
        ("bindsSecrets", names(binds_secrets)),
        ("creates", count(creates)),
        ("deletes", count(deletes)),
        ("loosensLimits", truth(loosens_limits)),
        ("loosensValidation", truth(loosens_validation)),
        ("movesHosts", names(moves_hosts)),
        ("narrowsAccess", truth(narrows_access)),
        ("touchesChangeRules", truth(touches_change_rules)),
        ("updates", count(updates)),
        ("usesNative", truth(uses_native)),
        ("widensAccess", truth(widens_access)),
    ];
    let fields = fields.map(|(name, value)| (name.to_owned(), value));
    RestrictedExpression::new_record(fields).map_err(not_evaluated)
}

fn names<'a, N: ToString + 'a>(names: impl IntoIterator<Item = &'a N>) -> RestrictedExpression {
    let each = names.into_iter().map(|name| RestrictedExpression::new_string(name.to_string()));
    RestrictedExpression::new_set(each)
}
