//! Policy files and conditions: from text to a policy that fits the schema, or to findings with the
//! place in the file.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Expression, Policy, PolicyId, PolicySet,
    PrincipalConstraint, ResourceConstraint, ValidationMode, Validator,
};
use gw_model::{
    code::Code,
    desired::PolicyFile,
    diagnostic::{Diagnostic, Mark},
    environment::ChangeAction,
    id::IdentityName,
    source::{Origin, Position},
};
use serde_json::Value;

use super::Vocabulary;
use crate::denial::PolicyHit;

/// The scope of a condition on calls.
pub(crate) const CALL: &str = "action == Gatewright::Action::\"call\"";

/// A `forbid` of a policy file.
#[derive(Clone, Debug)]
pub struct Forbid {
    /// Its `@id`, else `file:line`; no two are alike.
    pub id: String,
    pub source: Origin,
    /// Its `@reason`.
    pub reason: Option<String>,
    /// As written, from its first annotation to its `;`.
    pub text: String,
    pub(crate) looks: Looks,
    policy: Policy,
}

/// What of a call a policy or condition looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looks {
    /// The claims, by name.
    pub(crate) claims: BTreeSet<String>,
    /// The name of a claim is put together only when it is evaluated, so it may be any.
    pub(crate) computed: bool,
    /// It tells callers of the same identity and claims apart.
    pub(crate) subject: bool,
    pub(crate) address: bool,
    pub(crate) time: bool,
}

impl Looks {
    fn of(policy: &Policy) -> Self {
        let mut looks = Self::default();
        match policy.to_json() {
            Ok(json) => looks.search(&json),
            Err(_) => looks.look_at_anything(),
        }
        let one = |uid: &EntityUid| uid.type_name().basename() == "Caller";
        looks.subject |= policy.entity_literals().iter().any(one);
        looks
    }

    /// What cannot be searched may look at anything.
    fn look_at_anything(&mut self) {
        (self.computed, self.subject, self.address, self.time) = (true, true, true, true);
    }

    /// By the JSON form of policies: a claim is the right side of `getTag` or `hasTag`, a variable
    /// stands under `Var`, an attribute under `attr`.
    fn search(&mut self, json: &Value) {
        match json {
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member.as_str()) {
                        ("getTag" | "hasTag", None) => self.search_tag(member),
                        ("." | "has", None) if self.search_context(member) => continue,
                        // The whole of the context.
                        ("Var", Some("context")) => (self.address, self.time) = (true, true),
                        ("attr", Some("subject" | "issuer")) => self.subject = true,
                        _ => {}
                    }
                    self.search(member);
                }
            }
            Value::Array(members) => members.iter().for_each(|member| self.search(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Whether this is one attribute of the context, which is then looked at.
    fn search_context(&mut self, access: &Value) -> bool {
        if access.pointer("/left/Var").and_then(Value::as_str) != Some("context") {
            return false;
        }
        match access.get("attr").and_then(Value::as_str) {
            Some("ip") => self.address = true,
            Some("at") => self.time = true,
            _ => return false,
        }
        true
    }

    fn search_tag(&mut self, tag: &Value) {
        match tag.pointer("/right/Value").and_then(Value::as_str) {
            Some(claim) => {
                self.claims.insert(claim.to_owned());
            }
            None => self.computed = true,
        }
    }
}

/// A condition of a rule, as one `permit`.
#[derive(Debug)]
pub(crate) struct When {
    pub(crate) policies: PolicySet,
    pub(crate) looks: Looks,
}

impl Forbid {
    pub(crate) fn hit(&self, error: Option<String>) -> PolicyHit {
        let Self { id, source, reason, .. } = self;
        PolicyHit { id: id.clone(), source: source.clone(), reason: reason.clone(), error }
    }

    /// Under a number as its id, so that a response leads back here.
    pub(crate) fn numbered(&self, number: usize) -> Policy {
        self.policy.new_id(PolicyId::new(number.to_string()))
    }

    /// What it forbids, without annotations, comments and layout: equal for policies that forbid the
    /// same in the same words.
    pub fn canonical(&self) -> String {
        let Ok(mut json) = self.policy.to_json() else { return self.text.clone() };
        if let Some(members) = json.as_object_mut() {
            members.remove("annotations");
        }
        json.to_string()
    }

    /// Every entity that it names.
    pub(crate) fn names(&self) -> Vec<EntityUid> {
        self.policy.entity_literals()
    }

    /// The texts that it compares with facts about a change which hold names, each with the fact.
    pub(crate) fn compared(&self) -> Vec<(&'static str, String)> {
        let mut compared = vec![];
        if let Ok(json) = self.policy.to_json() {
            search_facts(&json, &mut compared);
        }
        compared
    }

    /// Whether its scope takes in callers of an identity; without one, nobody in particular.
    pub(crate) fn concerns(&self, identity: Option<&IdentityName>) -> bool {
        match self.policy.principal_constraint() {
            PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid)
                if uid.type_name().basename() == "Identity" =>
            {
                identity.is_some_and(|name| uid.id().unescaped() == name.as_str())
            }
            _ => true,
        }
    }

    pub(crate) fn resource(&self) -> ResourceConstraint {
        self.policy.resource_constraint()
    }

    pub fn judges_calls(&self) -> bool {
        self.judges("call")
    }

    pub fn judges_changes(&self) -> bool {
        ChangeAction::ALL.iter().any(|action| self.judges(action.as_str()))
    }

    pub(crate) fn judges(&self, action: &str) -> bool {
        let named = |uid: &EntityUid| uid.id().unescaped() == action;
        match self.policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => named(&uid),
            ActionConstraint::In(uids) => uids.iter().any(named),
        }
    }
}

/// Facts about a change that are sets of names.
const NAMING: [&str; 4] = ["approvers", "approverTeams", "authors", "verifiedIn"];

/// By the JSON form of policies: both sides of an operation, the fact on one of them.
fn search_facts(json: &Value, compared: &mut Vec<(&'static str, String)>) {
    match json {
        Value::Object(members) => {
            if let (Some(left), Some(right)) = (members.get("left"), members.get("right")) {
                for (one, other) in [(left, right), (right, left)] {
                    if let Some(fact) = fact_of(one) {
                        texts_of(other, fact, compared);
                    }
                }
            }
            members.values().for_each(|member| search_facts(member, compared));
        }
        Value::Array(members) => members.iter().for_each(|member| search_facts(member, compared)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The fact that this is, if it is one.
fn fact_of(json: &Value) -> Option<&'static str> {
    let access = json.get(".")?;
    if access.pointer("/left/Var")?.as_str()? != "context" {
        return None;
    }
    let name = access.get("attr")?.as_str()?;
    NAMING.into_iter().find(|fact| *fact == name)
}

/// One text, or each of a set.
fn texts_of(json: &Value, fact: &'static str, compared: &mut Vec<(&'static str, String)>) {
    if let Some(text) = json.get("Value").and_then(Value::as_str) {
        compared.push((fact, text.to_owned()));
    }
    let set = json.get("Set").and_then(Value::as_array);
    set.into_iter().flatten().for_each(|member| texts_of(member, fact, compared));
}

/// Reads every policy of these files; what is wrong goes to the findings.
pub(crate) fn read_files(
    files: &[PolicyFile],
    words: &Vocabulary,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Forbid> {
    let validator = Validator::new(words.schema.clone());
    let mut forbids: Vec<Forbid> = vec![];
    for file in files {
        for piece in split(&file.text) {
            match read_policy(file, &piece, &validator) {
                Ok(forbid) => forbids.push(forbid),
                Err(mut found) => findings.append(&mut found),
            }
        }
    }
    forbids.sort_by(|one, two| (&one.source, &one.text).cmp(&(&two.source, &two.text)));
    name_apart(&mut forbids);
    let mut known = BTreeMap::new();
    for forbid in &forbids {
        if let Some(first) = known.insert(forbid.id.clone(), forbid.source.clone()) {
            let message = format!("two policies have the `@id` `{}`", forbid.id);
            let finding = Diagnostic::new(Code::PolicyIdTwice, message);
            findings.push(finding.on(&forbid.source, "this one").on(&first, "and this one"));
        }
    }
    forbids
}

/// Policies without `@id` go by their line; where one line holds several, they are counted.
fn name_apart(forbids: &mut [Forbid]) {
    let mut count = BTreeMap::new();
    for forbid in forbids.iter_mut().filter(|forbid| forbid.id == forbid.source.to_string()) {
        let number = count.entry(forbid.source.clone()).or_insert(0_u32);
        *number += 1;
        if *number > 1 {
            forbid.id = format!("{}#{number}", forbid.source);
        }
    }
}

fn read_policy(
    file: &PolicyFile,
    piece: &Piece<'_>,
    validator: &Validator,
) -> Result<Forbid, Vec<Diagnostic>> {
    let place = Place { file, offset: piece.offset };
    let policy = Policy::parse(None, piece.text).map_err(|errors| {
        let told = errors.iter().map(|error| {
            let message = format!("this is not a Cedar policy: {error}");
            describe(Diagnostic::new(Code::PolicySyntax, message), error, &place)
        });
        told.collect::<Vec<_>>()
    })?;
    let start = position(&file.text, piece.offset);
    let source = Origin { file: file.path.clone(), line: start.line };
    if policy.effect() == Effect::Permit {
        let found = Diagnostic::new(Code::PermitInPolicy, "a policy file cannot permit anything");
        let mark = place.mark(0, "permit".len(), piece.text.find("permit").unwrap_or(0));
        return Err(vec![
            found
                .mark(mark)
                .help("say who may call under `access` in the API's file")
                .help("say who may change under `changes` in the environment's file"),
        ]);
    }
    validate(&policy, validator, &place)?;
    let annotation = |name| policy.annotation(name).map(str::to_owned).filter(|it| !it.is_empty());
    Ok(Forbid {
        id: annotation("id").unwrap_or_else(|| source.to_string()),
        reason: annotation("reason"),
        source,
        text: piece.text.to_owned(),
        looks: Looks::of(&policy),
        policy,
    })
}

fn validate(
    policy: &Policy,
    validator: &Validator,
    place: &Place<'_>,
) -> Result<(), Vec<Diagnostic>> {
    let Ok(set) = PolicySet::from_policies([policy.clone()]) else {
        return Err(vec![Diagnostic::new(Code::PolicyInvalid, "the policy cannot stand alone")]);
    };
    let result = validator.validate(&set, ValidationMode::Strict);
    let found: Vec<_> = result
        .validation_errors()
        .map(|error| {
            // The internal id of the policy says nothing to a reader.
            let text = error.to_string().replace("for policy `policy0`, ", "");
            describe(Diagnostic::new(Code::PolicyInvalid, text), error, place)
        })
        .collect();
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Reads a `when` of a rule: one expression, which stands under the given scope.
pub(crate) fn read_condition(
    text: &str,
    at: &Origin,
    scope: &str,
    words: &Vocabulary,
) -> Result<When, Box<Diagnostic>> {
    let refuse = |code, message: String| {
        Box::new(Diagnostic::new(code, message).on(at, "the `when` of this rule"))
    };
    let syntax = |error: &dyn std::fmt::Display| {
        refuse(Code::PolicySyntax, format!("the condition `{text}` is not Cedar: {error}"))
    };
    // Read alone first: so nothing in it can close the braces that are put round it.
    text.parse::<Expression>().map_err(|error| syntax(&error))?;
    let permit = format!("permit (principal, {scope}, resource) when {{\n{text}\n}};");
    let policy = Policy::parse(None, permit).map_err(|error| syntax(&error))?;
    let looks = Looks::of(&policy);
    let policies = PolicySet::from_policies([policy]).map_err(|error| syntax(&error))?;
    let validator = Validator::new(words.schema.clone());
    let result = validator.validate(&policies, ValidationMode::Strict);
    if let Some(error) = result.validation_errors().next() {
        let error = error.to_string().replace("for policy `policy0`, ", "");
        let message = format!("the condition `{text}` does not fit the schema: {error}");
        return Err(refuse(Code::PolicyInvalid, message));
    }
    Ok(When { policies, looks })
}

/// One policy of a file, from its first word to its `;`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece<'t> {
    offset: usize,
    text: &'t str,
}

/// Cuts a file at the `;` that end policies. A piece at the end without one is kept: it is an error
/// that the parser names.
fn split(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = vec![];
    let mut start = None;
    let mut signs = text.char_indices().peekable();
    while let Some((offset, sign)) = signs.next() {
        match sign {
            '/' if signs.peek().is_some_and(|(_, next)| *next == '/') => {
                while signs.next_if(|(_, sign)| *sign != '\n').is_some() {}
            }
            _ if sign.is_whitespace() => {}
            ';' => {
                let begin = start.take().unwrap_or(offset);
                pieces.extend(piece(text, begin, offset + 1));
            }
            _ => {
                start.get_or_insert(offset);
                if sign == '"' {
                    skip_text(&mut signs);
                }
            }
        }
    }
    pieces.extend(start.and_then(|begin| piece(text, begin, text.len())));
    pieces
}

/// Moves behind the closing quote.
fn skip_text(signs: &mut impl Iterator<Item = (usize, char)>) {
    while let Some((_, sign)) = signs.next() {
        match sign {
            '\\' => {
                signs.next();
            }
            '"' => return,
            _ => {}
        }
    }
}

fn piece(text: &str, begin: usize, end: usize) -> Option<Piece<'_>> {
    Some(Piece { offset: begin, text: text.get(begin..end)? })
}

/// Where the text that Cedar was given begins in its file.
struct Place<'t> {
    file: &'t PolicyFile,
    offset: usize,
}

impl Place<'_> {
    /// The place `length` bytes long, `start` bytes behind the beginning.
    fn mark(&self, start: usize, length: usize, more: usize) -> Mark {
        let begin = self.offset + start + more;
        Mark {
            file: self.file.path.clone(),
            start: position(&self.file.text, begin),
            end: position(&self.file.text, begin + length.max(1)),
            text: String::new(),
            meant: None,
        }
    }
}

/// Adds place and help of a Cedar error.
fn describe(
    mut finding: Diagnostic,
    error: &dyn miette::Diagnostic,
    place: &Place<'_>,
) -> Diagnostic {
    let label = error.labels().and_then(|mut labels| labels.next());
    let (start, length) = label.map_or((0, 1), |label| (label.offset(), label.len()));
    finding = finding.mark(place.mark(start, length, 0));
    match error.help() {
        Some(help) => finding.help(help.to_string()),
        None => finding,
    }
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
    let line = before.rsplit('\n').next().unwrap_or_default();
    Position { line: count(before.matches('\n').count()), column: count(line.chars().count()) }
}

#[cfg(test)]
mod tests;
