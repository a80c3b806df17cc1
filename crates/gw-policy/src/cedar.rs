//! Policies in Cedar: they can only take access away, and only they are evaluated by Cedar.
//!
//! Grants are plain data and judged elsewhere. A forbid is sliced when the snapshot is compiled, so
//! an operation that no forbid can touch never meets Cedar. Cedar itself skips a policy whose
//! evaluation fails; here such a failure is reported to the caller, who denies.

pub mod policy;
pub mod printed;

use std::{collections::BTreeMap, fmt, net::IpAddr, sync::LazyLock};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, PolicyId, PolicySet, Request, ResourceConstraint, RestrictedExpression, Schema,
};
use gw_model::{code::Code, desired::Desired, diagnostic::Diagnostic, id::ApiName};
use policy::{Forbid, Looks, When};
use time::{OffsetDateTime, UtcOffset, macros::format_description};

use crate::{
    denial::PolicyHit,
    principal::{ClaimSet, Principal},
    snapshot::{Condition, Operation},
};

/// What policies may speak of.
pub const SCHEMA: &str = include_str!("../../../schemas/gatewright.cedarschema");

/// The schema and the names in it, read once.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    pub(crate) schema: Schema,
    action: EntityTypeName,
    actor: EntityTypeName,
    api: EntityTypeName,
    caller: EntityTypeName,
    environment: EntityTypeName,
    identity: EntityTypeName,
    operation: EntityTypeName,
}

static VOCABULARY: LazyLock<Result<Vocabulary, String>> = LazyLock::new(Vocabulary::read);

/// A kind of entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Action,
    Actor,
    Api,
    Caller,
    Environment,
    Identity,
    Operation,
}

impl Vocabulary {
    /// The one vocabulary. It fails only if the schema that is built in is wrong.
    pub(crate) fn get() -> Result<&'static Self, NotEvaluated> {
        VOCABULARY.as_ref().map_err(|error| NotEvaluated(error.clone()))
    }

    fn read() -> Result<Self, String> {
        let (schema, _) =
            Schema::from_cedarschema_str(SCHEMA).map_err(|error| error.to_string())?;
        let name = |kind: &str| {
            format!("Gatewright::{kind}").parse().map_err(|error| format!("{kind}: {error}"))
        };
        Ok(Self {
            schema,
            action: name("Action")?,
            actor: name("Actor")?,
            api: name("Api")?,
            caller: name("Caller")?,
            environment: name("Environment")?,
            identity: name("Identity")?,
            operation: name("Operation")?,
        })
    }

    pub(crate) fn uid(&self, kind: Kind, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.type_name(kind).clone(), EntityId::new(id))
    }

    pub(crate) fn type_name(&self, kind: Kind) -> &EntityTypeName {
        match kind {
            Kind::Action => &self.action,
            Kind::Actor => &self.actor,
            Kind::Api => &self.api,
            Kind::Caller => &self.caller,
            Kind::Environment => &self.environment,
            Kind::Identity => &self.identity,
            Kind::Operation => &self.operation,
        }
    }
}

/// Everything of a snapshot that Cedar evaluates.
pub(crate) struct Guards {
    authorizer: Authorizer,
    words: &'static Vocabulary,
    environment: EntityUid,
    pub(crate) forbids: Vec<Forbid>,
    everywhere: Vec<usize>,
    /// By the id of an API or an operation.
    some: BTreeMap<String, Vec<usize>>,
    sets: Vec<(Vec<usize>, PolicySet)>,
    set_of: BTreeMap<Vec<usize>, u32>,
    conditions: Vec<When>,
}

/// What the policies say about one caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hits {
    pub(crate) forbidden: Vec<PolicyHit>,
    pub(crate) failed: Vec<PolicyHit>,
}

impl Hits {
    pub(crate) fn is_empty(&self) -> bool {
        self.forbidden.is_empty() && self.failed.is_empty()
    }

    pub(crate) fn add(&mut self, other: Self) {
        let add = |known: &mut Vec<PolicyHit>, more: Vec<PolicyHit>| {
            for hit in more {
                if !known.contains(&hit) {
                    known.push(hit);
                }
            }
        };
        add(&mut self.forbidden, other.forbidden);
        add(&mut self.failed, other.failed);
    }

    /// Forbids that cannot be told from claims which the issuer left out count as failed.
    pub(crate) fn add_unknown<'f>(
        &mut self,
        forbids: impl Iterator<Item = &'f Forbid>,
        principal: Option<&Principal>,
    ) {
        let Some(principal) = principal.filter(|it| it.leaves_anything_out()) else { return };
        for forbid in forbids {
            if let Some(NotEvaluated(error)) = unknown(&forbid.looks, principal) {
                let failed = vec![forbid.hit(Some(error))];
                self.add(Self { forbidden: vec![], failed });
            }
        }
    }
}

/// A condition could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotEvaluated(pub(crate) String);

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guards")
            .field("forbids", &self.forbids.len())
            .field("conditions", &self.conditions.len())
            .finish_non_exhaustive()
    }
}

impl Guards {
    /// Reads and validates every policy and condition. `None` where one of them is wrong.
    pub(crate) fn compile(
        desired: &Desired,
        conditions: &[Condition],
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let before = findings.len();
        let words = match Vocabulary::get() {
            Ok(words) => words,
            Err(NotEvaluated(error)) => {
                findings.push(Diagnostic::new(Code::PolicyInvalid, error));
                return None;
            }
        };
        let mut guards = Self {
            authorizer: Authorizer::new(),
            words,
            environment: words.uid(Kind::Environment, desired.environment.as_str()),
            forbids: vec![],
            everywhere: vec![],
            some: BTreeMap::new(),
            sets: vec![],
            set_of: BTreeMap::new(),
            conditions: vec![],
        };
        for forbid in policy::read_files(&desired.policies, words, findings) {
            if forbid.judges_calls() {
                guards.add(forbid);
            }
        }
        for Condition { at, text } in conditions {
            match policy::read_condition(text, at, policy::CALL, words) {
                Ok(when) => guards.conditions.push(when),
                Err(finding) => findings.push(*finding),
            }
        }
        (findings.len() == before).then_some(guards)
    }

    fn add(&mut self, forbid: Forbid) {
        let number = self.forbids.len();
        match forbid.resource() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => self.everywhere.push(number),
            ResourceConstraint::Eq(uid)
            | ResourceConstraint::In(uid)
            | ResourceConstraint::IsIn(_, uid) => {
                if uid == self.environment {
                    self.everywhere.push(number);
                } else {
                    let id = uid.id().unescaped().to_owned();
                    self.some.entry(id).or_default().push(number);
                }
            }
        }
        self.forbids.push(forbid);
    }

    /// The set of forbids that can touch an operation; equal sets are kept once. `None` only where
    /// there is no such forbid: a set that cannot be made is an error, never an open door.
    pub(crate) fn guard(
        &mut self,
        api: &ApiName,
        operation: &str,
    ) -> Result<Option<u32>, NotEvaluated> {
        if self.forbids.is_empty() {
            return Ok(None);
        }
        let touching = self.numbers(api, operation);
        if touching.is_empty() {
            return Ok(None);
        }
        if let Some(known) = self.set_of.get(&touching) {
            return Ok(Some(*known));
        }
        let policies = touching.iter().filter_map(|number| self.forbids.get(*number));
        let renamed =
            touching.iter().zip(policies).map(|(number, forbid)| forbid.numbered(*number));
        let set = PolicySet::from_policies(renamed).map_err(not_evaluated)?;
        let index = u32::try_from(self.sets.len()).map_err(not_evaluated)?;
        self.sets.push((touching.clone(), set));
        self.set_of.insert(touching, index);
        Ok(Some(index))
    }

    /// The places of the forbids that can touch an operation.
    pub(crate) fn numbers(&self, api: &ApiName, operation: &str) -> Vec<usize> {
        let mut touching = self.everywhere.clone();
        if !self.some.is_empty() {
            let of = |id: &str| self.some.get(id).into_iter().flatten().copied();
            touching.extend(of(api.as_str()));
            touching.extend(of(&operation_id(api, operation)));
            touching.sort_unstable();
        }
        touching
    }

    /// The forbids that can touch an operation.
    pub(crate) fn touching<'s>(
        &'s self,
        operation: Operation<'_>,
    ) -> impl Iterator<Item = &'s Forbid> + use<'s> {
        let set = operation.row.guard.and_then(|guard| self.set(guard));
        let numbers = set.map(|(numbers, _)| numbers.as_slice()).unwrap_or_default();
        numbers.iter().filter_map(|number| self.forbids.get(*number))
    }

    fn set(&self, guard: u32) -> Option<&(Vec<usize>, PolicySet)> {
        self.sets.get(usize::try_from(guard).ok()?)
    }

    /// What the forbids say about a call.
    pub(crate) fn hits(&self, call: &Call<'_>) -> Hits {
        let Some(guard) = call.operation.row.guard else { return Hits::default() };
        let Some((numbers, policies)) = self.set(guard) else {
            let lost = || Some("the policies of this operation are missing".to_owned());
            let failed = self.forbids.iter().map(|forbid| forbid.hit(lost())).collect();
            return Hits { forbidden: vec![], failed };
        };
        let (request, entities) = match call.lower(self.words, &self.environment) {
            Ok(lowered) => lowered,
            Err(NotEvaluated(error)) => {
                let all = numbers.iter().filter_map(|number| self.forbids.get(*number));
                let failed = all.map(|forbid| forbid.hit(Some(error.clone()))).collect();
                return Hits { forbidden: vec![], failed };
            }
        };
        let response = self.authorizer.is_authorized(&request, policies, &entities);
        let mut hits = read_hits(&response, &self.forbids);
        let touching = numbers.iter().filter_map(|number| self.forbids.get(*number));
        hits.add_unknown(touching, call.principal);
        hits
    }

    /// Whether a condition holds.
    pub(crate) fn holds(&self, condition: usize, call: &Call<'_>) -> Result<bool, NotEvaluated> {
        let unknown_condition =
            || NotEvaluated("the condition is not part of this snapshot".to_owned());
        let when = self.conditions.get(condition).ok_or_else(unknown_condition)?;
        if let Some(unknown) = call.principal.and_then(|it| unknown(&when.looks, it)) {
            return Err(unknown);
        }
        let (request, entities) = call.lower(self.words, &self.environment)?;
        ask(&self.authorizer, &request, &when.policies, &entities)
    }

    /// What a condition looks at.
    pub(crate) fn looks(&self, condition: usize) -> Option<&Looks> {
        Some(&self.conditions.get(condition)?.looks)
    }
}

/// That nothing can be said by what looks at a claim which the issuer left out of the token: absent is
/// what somebody would be who holds none.
pub(crate) fn unknown(looks: &Looks, principal: &Principal) -> Option<NotEvaluated> {
    if !principal.leaves_anything_out() {
        return None;
    }
    let claim = looks.claims.iter().find(|claim| principal.leaves_out(claim));
    let told = match claim {
        Some(claim) => format!("the issuer left `{claim}` out of the token (overage)"),
        None if looks.computed => "the issuer left claims out of the token (overage)".to_owned(),
        None => return None,
    };
    Some(NotEvaluated(told))
}

/// Whether a condition, lowered to one `permit`, holds.
pub(crate) fn ask(
    authorizer: &Authorizer,
    request: &Request,
    policies: &PolicySet,
    entities: &Entities,
) -> Result<bool, NotEvaluated> {
    let response = authorizer.is_authorized(request, policies, entities);
    match response.diagnostics().errors().next() {
        Some(error) => Err(NotEvaluated(error_text(error))),
        None => Ok(response.decision() == Decision::Allow),
    }
}

/// The forbids that a response names; their policies have their number as id.
pub(crate) fn read_hits(response: &cedar_policy::Response, forbids: &[Forbid]) -> Hits {
    let forbid = |id: &PolicyId| forbids.get(id.to_string().parse::<usize>().ok()?);
    let mut hits = Hits::default();
    let reasons = response.diagnostics().reason().filter_map(forbid);
    hits.forbidden.extend(reasons.map(|forbid| forbid.hit(None)));
    for error in response.diagnostics().errors() {
        let AuthorizationError::PolicyEvaluationError(inner) = error;
        if let Some(forbid) = forbid(inner.policy_id()) {
            hits.failed.push(forbid.hit(Some(error_text(error))));
        }
    }
    hits.forbidden.sort_by(|one, two| one.source.cmp(&two.source));
    hits.failed.sort_by(|one, two| one.source.cmp(&two.source));
    hits
}

fn error_text(error: &AuthorizationError) -> String {
    let AuthorizationError::PolicyEvaluationError(inner) = error;
    inner.inner().to_string()
}

/// One caller and one operation, as Cedar is asked about them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation<'a>,
    /// `None`: nobody in particular.
    pub(crate) principal: Option<&'a Principal>,
    /// Others that prove the same issuer and subject.
    pub(crate) also: &'a [&'a Principal],
    pub(crate) ip: IpAddr,
    pub(crate) now: OffsetDateTime,
}

impl Call<'_> {
    pub(crate) fn lower(
        &self,
        words: &Vocabulary,
        environment: &EntityUid,
    ) -> Result<(Request, Entities), NotEvaluated> {
        let api = self.operation.api();
        let caller = self.caller(words)?;
        let api_uid = words.uid(Kind::Api, api.name.as_str());
        let owner = api.owner.clone().unwrap_or_default();
        let api_entity = entity(&api_uid, [("owner", owner)], [environment.clone()], None)?;
        let (id, path) = (self.operation.id(), self.operation.path());
        let operation = words.uid(Kind::Operation, &operation_id(&api.name, id));
        let attributes = [
            ("id", id.to_owned()),
            ("method", self.operation.method().as_str().to_owned()),
            ("path", path.to_owned()),
        ];
        let operation_entity = entity(&operation, attributes, [api_uid], None)?;
        let context = [
            ("at".to_owned(), datetime(self.now)?),
            ("ip".to_owned(), RestrictedExpression::new_ip(self.ip.to_canonical().to_string())),
        ];
        let context = Context::from_pairs(context).map_err(not_evaluated)?;
        let request =
            Request::new(caller.uid(), words.uid(Kind::Action, "call"), operation, context, None);
        let entities = [caller, operation_entity, api_entity];
        let entities = Entities::from_entities(entities, None).map_err(not_evaluated)?;
        Ok((request.map_err(not_evaluated)?, entities))
    }

    fn caller(&self, words: &Vocabulary) -> Result<Entity, NotEvaluated> {
        let Some(principal) = self.principal else {
            let attributes = [("issuer", String::new()), ("subject", String::new())];
            return entity(&words.uid(Kind::Caller, ""), attributes, [], None);
        };
        let Principal { identity, issuer, subject, claims, expires_at: _ } = principal;
        let identities = self.also.iter().map(|also| &also.identity).chain([identity]);
        let parents: Vec<_> =
            identities.map(|name| words.uid(Kind::Identity, name.as_str())).collect();
        let attributes = [("issuer", issuer.clone()), ("subject", subject.clone())];
        entity(
            &words.uid(Kind::Caller, &format!("{issuer}|{subject}")),
            attributes,
            parents,
            Some(claims),
        )
    }
}

pub(crate) fn not_evaluated(error: impl fmt::Display) -> NotEvaluated {
    NotEvaluated(error.to_string())
}

pub(crate) fn entity<const N: usize>(
    uid: &EntityUid,
    attributes: [(&str, String); N],
    parents: impl IntoIterator<Item = EntityUid>,
    claims: Option<&ClaimSet>,
) -> Result<Entity, NotEvaluated> {
    let text =
        |(name, value): (&str, String)| (name.to_owned(), RestrictedExpression::new_string(value));
    let tags = claims.into_iter().flatten();
    let tags = tags.map(|(name, values)| (name.clone(), texts(values)));
    Entity::new_with_tags(uid.clone(), attributes.map(text), parents, tags).map_err(not_evaluated)
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = &'a String>) -> RestrictedExpression {
    let each = values.into_iter().cloned().map(RestrictedExpression::new_string);
    RestrictedExpression::new_set(each)
}

pub(crate) fn datetime(at: OffsetDateTime) -> Result<RestrictedExpression, NotEvaluated> {
    // Cedar reads at most milliseconds, so what is finer is cut off.
    let at = at.to_offset(UtcOffset::UTC).truncate_to_millisecond();
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    Ok(RestrictedExpression::new_datetime(at.format(format).map_err(not_evaluated)?))
}

/// The name of an operation in Cedar, `orders/createOrder`.
pub(crate) fn operation_id(api: &ApiName, operation: &str) -> String {
    format!("{api}/{operation}")
}
