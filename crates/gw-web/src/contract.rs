//! What is said over the wire: every body, and every place where one is sent or answered.
//!
//! The document for programs is made from this ([`crate::openapi`]), so it cannot say something else.

use gw_control::answer::End;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::openapi::{Schemas, Shape};

/// A body: its type, and its schema out of the same lines.
macro_rules! body {
    ($($(#[doc = $about:literal])+ $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident $(as $wire:literal)?: $kind:ty),+ $(,)?
    })+) => {$(
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+
            #[serde($(rename = $wire,)? skip_serializing_if = "Shape::is_absent")]
            pub $field: $kind,)+
        }

        impl Shape for $name {
            fn shape(schemas: &mut Schemas) -> Value {
                schemas.named(stringify!($name), concat!($($about),+), |schemas, map| {
                    $(map.field::<$kind>(
                        schemas,
                        body!(@wire $field $(as $wire)?),
                        concat!($($doc),+),
                    );)+
                })
            }
        }
    )+};
    (@wire $field:ident as $wire:literal) => { $wire };
    (@wire $field:ident) => { stringify!($field) };
}

body! {
    /// Why something was not done.
    Problem {
        /// `about:blank`: the status says what kind of problem it is
        kind as "type": String,
        /// in one sentence
        title: String,
        /// the status of the answer
        status: u16,
        /// the same in one word that stays
        reason: String,
        /// by which `gatewright explain CODE` tells more
        code: Option<String>,
        /// what helps
        help: Option<String>,
    }

    /// A token of ours, after RFC 8693.
    Token {
        /// opens what the scope says, until it ends
        access_token as "access_token": String,
        /// that it is an access token
        issued_token_type as "issued_token_type": String,
        /// how it is sent: `Bearer`
        token_type as "token_type": String,
        /// seconds
        expires_in as "expires_in": u64,
        /// the actions it is for
        scope: String,
    }

    /// Why there is no token, after RFC 6749.
    TokenRefusal {
        /// a word of the RFC
        error: String,
        /// in one sentence
        error_description as "error_description": String,
        /// the same in one word that stays
        reason: String,
        /// by which `gatewright explain CODE` tells more
        code: String,
        /// what helps
        help: String,
    }

    /// Where people sign in, by a code on another device (RFC 8628).
    Login {
        /// the identity that they prove
        identity: String,
        /// who signs for it
        issuer: String,
        /// the application, which has no secret
        client_id as "clientId": String,
        /// what the application asks for
        scope: String,
        /// whom the access token is for, where the issuer wants to be told (RFC 8707)
        resource: Option<String>,
    }

    /// Somebody who is proved.
    Holder {
        /// a declared identity
        identity: String,
        /// who says so
        issuer: String,
        /// who it is for the issuer
        subject: String,
    }

    /// Who asks, and for what their token is good.
    Whoami {
        /// the id of the token; it opens nothing
        token: String,
        /// each identity that was proved
        holders: Vec<Holder>,
        /// where it is good
        environment: String,
        /// for what
        actions: Vec<String>,
        /// for this plan only
        plan: Option<String>,
        /// RFC 3339
        ends as "expiresAt": String,
    }

    /// What is to be planned.
    PlanOrder {
        /// its whole hash
        commit: Option<String>,
        /// instead: an open pull request, as if it were merged now
        pull_request as "pullRequest": Option<u64>,
        /// or: going back to the state that this change left
        to: Option<u64>,
        /// only these APIs
        only: Option<Vec<String>>,
    }

    /// A plan.
    Planned {
        /// by which it is applied and approved
        id: String,
        /// where it can be looked at
        url: String,
        /// for people
        text: String,
        /// whether nothing is to be done
        is_empty as "isEmpty": bool,
        /// how long one waits at each gate that it has before it
        gates: Vec<Gate>,
        /// `gatewright.io/plan/v1`
        plan: Value,
    }

    /// How long one waits at a gate.
    Gate {
        /// in the words of the rules: `approval by team security`
        gate: String,
        /// half of them waited at most so many seconds
        median_s as "medianS": u64,
        /// so many of the newest that came through were looked at
        passed: u64,
        /// for people
        text: String,
    }

    /// Glass that was broken.
    Glass {
        /// the change that went round the ordinary rules
        change: u64,
        /// who asked: the identity, and whom it proved
        by: String,
        /// why
        reason: String,
        /// RFC 3339; then the server goes back, where a rule lets it
        until: String,
    }

    /// A pull request that waits, or somebody who would go back.
    Wait {
        /// its number in the Git host
        pull_request as "pullRequest": Option<u64>,
        /// instead: the change whose state is asked for
        rollback_to as "rollbackTo": Option<u64>,
        /// the plan of that, by which it is approved
        plan: Option<String>,
        /// in the words of the rules: `approval by team security`
        gate: String,
        /// RFC 3339
        since: String,
    }

    /// An approval of what a plan changes.
    ApprovalOrder {
        /// why, for the record
        reason: Option<String>,
    }

    /// An approval that is on record. Whether it counts is judged when the change is made.
    Approved {
        /// what was approved
        plan: String,
        /// the commit that was shown
        commit: String,
        /// the entries of the effect it is for
        entries: Vec<String>,
        /// what comes then, for people
        next: String,
    }

    /// What is to be done to an environment.
    ChangeOrder {
        /// `apply`, `rollback`, `abandon`, `breakGlass` or `test`
        action: String,
        /// what to apply: a whole hash; without it, that of the plan
        commit: Option<String>,
        /// apply exactly this, or nothing
        plan: Option<String>,
        /// apply only these APIs
        only: Option<Vec<String>>,
        /// the change to go back to
        to: Option<u64>,
        /// why to go back, or to break glass, for the record
        reason: Option<String>,
        /// RFC 3339; until when broken glass holds
        until: Option<String>,
    }

    /// Something is to be done; it is on disk.
    Accepted {
        /// its number under `/v1/tasks`
        task: u64,
    }

    /// What became of something.
    Answer {
        /// how it ended
        end: EndWord,
        /// in one sentence
        text: String,
        /// by which `gatewright explain CODE` tells more
        code: Option<String>,
        /// what helps
        help: Option<String>,
        /// the change that was made
        change: Option<u64>,
        /// the plan that was carried out, or refused
        plan: Option<String>,
        /// whether it may be, and by which rules
        decision: Option<String>,
    }

    /// Something that is to be done, or was.
    Task {
        /// its number
        id: u64,
        /// what it is about
        what: String,
        /// `waiting`, `running`, `done` or `failed`
        state: String,
        /// where
        environment: Option<String>,
        /// how often it was begun
        attempts: u32,
        /// RFC 3339
        queued_at as "queuedAt": String,
        /// RFC 3339
        ended_at as "endedAt": Option<String>,
        /// of a waiting one: why it was not done at once
        answer: Option<Answer>,
        /// what was done so far
        lines: Vec<String>,
    }

    /// What is to be done, then what was done last.
    Tasks {
        /// at most a hundred
        tasks: Vec<Task>,
    }

    /// What is in force somewhere.
    Environment {
        /// its name
        name: String,
        /// none: nothing yet
        in_force as "inForce": Option<Change>,
        /// a change that somebody works on, or that stopped half way
        under_way as "underWay": Option<Change>,
        /// in force is what went round the ordinary rules: it stays open until an ordinary change
        glass: Option<Glass>,
        /// what targets hold otherwise than it was written, by which it is accepted; none: nothing that is
        /// not accepted, as far as is known
        drift: Option<String>,
        /// why it could not be compared with its targets; none: it could
        uncompared: Option<String>,
        /// what waits for somebody, pull requests first, the longest before others
        waits: Vec<Wait>,
        /// changes whose state was left by going back: it is not applied again until another was
        held: Vec<u64>,
        /// how long one waits at each gate, where some came through
        gates: Vec<Gate>,
    }

    /// What the token lets see.
    Environments {
        /// each
        environments: Vec<Environment>,
    }

    /// A change.
    Change {
        /// its number in its environment
        number: u64,
        /// `apply` or `rollback`
        action: String,
        /// how far it came
        outcome: String,
        /// what more there is to say of that
        detail: Option<String>,
        /// who asked: the identity, and whom it proved
        by: String,
        /// whose files they are
        commit: Option<String>,
        /// what was carried out
        plan: String,
        /// what it does, as a digest
        effect: String,
        /// the change whose state it brought back
        restores: Option<u64>,
        /// why it went back
        reason: Option<String>,
        /// the run of a pipeline that asked for it: `#12, pipeline {…}, step {…}`
        run: Option<String>,
        /// once the step of a pipeline that asked for it has ended
        deployment: Option<Deployment>,
        /// RFC 3339
        began_at as "beganAt": String,
        /// RFC 3339
        ended_at as "endedAt": Option<String>,
    }

    /// What the Git host says of the step that asked for a change, and that deploys in its words.
    Deployment {
        /// as the Git host calls it
        environment: Option<String>,
        /// `done`, `failed`, `stopped` or `underWay`; none: nobody knows
        state: Option<String>,
        /// what people call the run: `#12`
        run: Option<String>,
        /// where it can be seen
        url: Option<String>,
        /// in which the Git host says otherwise than the change, or why it is not known
        why: Option<String>,
        /// for people
        text: String,
    }

    /// Changes, the newest first.
    Changes {
        /// at most a hundred
        changes: Vec<Change>,
        /// those whose state was left by going back: it is not applied again until another was
        held: Vec<u64>,
    }

    /// One act of a change.
    Step {
        /// where
        target: String,
        /// what
        step: String,
        /// `intended`, `done` or `failed`
        state: String,
        /// what more there is to say
        detail: Option<String>,
        /// RFC 3339
        began_at as "beganAt": String,
        /// RFC 3339
        ended_at as "endedAt": Option<String>,
    }

    /// A change and what was done.
    ChangeWithSteps {
        /// the change
        change: Change,
        /// in order
        steps: Vec<Step>,
    }

    /// What is known of targets that do not hold what was written.
    Drift {
        /// as a digest; none: they hold it, as far as is known
        drift: Option<String>,
        /// by which it is accepted
        id: Option<String>,
        /// what differs, for people
        lines: Vec<String>,
        /// RFC 3339; until then it is left as it is
        accepted_until as "acceptedUntil": Option<String>,
        /// how often that, or what differed before, was put back
        put_back as "putBack": u64,
        /// RFC 3339; none: not since the last change
        compared_at as "comparedAt": Option<String>,
        /// why that came to nothing: then it is not known what is there
        uncompared: Option<String>,
    }

    /// How long a difference is left as it is.
    AcceptanceOrder {
        /// the last day: `2027-03-01`
        until: String,
    }

    /// A difference that is left as it is.
    Acceptance {
        /// which
        id: String,
        /// RFC 3339
        until: String,
    }

    /// What was proposed so that a difference is kept.
    Adoption {
        /// the branch whose declarations say it
        branch: String,
        /// its number in the Git host
        pull_request as "pullRequest": u64,
    }

    /// Why a change may or may not be made.
    Decided {
        /// none: it was refused before there was anything to judge
        id: Option<String>,
        /// whether it may be made
        is_allowed as "isAllowed": bool,
        /// `apply` or `rollback`
        action: String,
        /// where
        environment: String,
        /// who wanted it
        who: String,
        /// whose files they are
        commit: Option<String>,
        /// RFC 3339
        at: String,
        /// its place in the ledger
        entry: u64,
        /// each party that it goes through, in order
        links: Vec<Link>,
        /// what is there of it
        end: String,
        /// what helps
        cure: Option<String>,
        /// all of it for people
        text: String,
        /// the entries, as they were signed
        entries: Vec<Value>,
    }

    /// A party that a change goes through.
    Link {
        /// `gitHost`, `files`, `rules`, `target` or `vault`
        part: String,
        /// `good`, `bad`, or `open`: it was not asked
        mark: String,
        /// in sentences
        says: Vec<String>,
        /// what was not let through
        blocked: Option<Blocked>,
    }

    /// What was not let through, and what would let it.
    Blocked {
        /// what was wanted
        action: String,
        /// of what
        scope: String,
        /// by whom
        who: String,
        /// what they have
        has: String,
        /// what they need
        needs: String,
    }

    /// Who may change an environment, by the rules in force.
    Rights {
        /// where
        environment: String,
        /// of each action that was asked about: by which rules, and provided what
        rights: Vec<Value>,
        /// the same for people
        text: String,
        /// where the Git host lets people do something else
        links: Vec<Tested>,
    }

    /// What the server can reach.
    Examined {
        /// for which
        environment: String,
        /// each link of the chain
        links: Vec<Tested>,
    }

    /// The credentials of the path from the Git host to the backends; never a value.
    Secrets {
        /// where
        environment: String,
        /// each of them
        secrets: Vec<Credential>,
    }

    /// A credential, and what is wrong with how it stands.
    Credential {
        /// of the secret
        name: String,
        /// what it opens, or proves
        purpose: String,
        /// who answers for it
        owner: Option<String>,
        /// where its value lies
        source: String,
        /// since when that is in force, where its store tells; RFC 3339
        since: Option<String>,
        /// the day that ends it
        expires: Option<String>,
        /// when the server used it last; RFC 3339. What goes to backends only a gateway sees
        last_used as "lastUsed": Option<String>,
        /// what should be done about it
        warnings: Vec<String>,
    }

    /// One thing that was tested.
    Tested {
        /// which
        name: String,
        /// whether it is as it should be
        good: bool,
        /// what was found
        found: String,
        /// how it is repaired
        repair: Option<String>,
        /// what is worth knowing, and needs no repair
        notes: Vec<String>,
    }

    /// The sizes at which the ledger was signed.
    Checkpoints {
        /// names of files below `checkpoints/`
        checkpoints: Vec<String>,
    }

    /// That the process lives.
    Health {
        /// `ok`
        status: String,
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndWord(pub End);

impl Shape for EndWord {
    fn shape(_: &mut Schemas) -> Value {
        let words = [
            End::Done,
            End::Failed,
            End::Wrong,
            End::Denied,
            End::Differs,
            End::Half,
            End::Unreachable,
            End::Unproven,
        ];
        json!({ "type": "string", "enum": words })
    }
}

/// A place where something is asked.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    pub method: &'static str,
    /// With `{name}` for what is put in.
    pub path: &'static str,
    pub about: &'static str,
    pub access: Access,
    pub ask: Body,
    /// The status where it was done, and what is answered then.
    pub done: (u16, Body),
}

/// What one has to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Anybody,
    /// A signature over the body.
    Signed,
    /// A token of ours.
    Bearer,
}

/// What a body is.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    None,
    Json(fn(&mut Schemas) -> Value),
    Other(&'static str),
}

const FORM: Body = Body::Other("application/x-www-form-urlencoded");
const BYTES: Body = Body::Other("application/octet-stream");
const HTML: Body = Body::Other("text/html");

const fn json<T: Shape>() -> Body {
    Body::Json(T::shape)
}

macro_rules! endpoints {
    ($($method:literal $path:literal $access:ident $ask:expr => $status:literal $done:expr, $about:literal;)+) => {
        /// Every place, as the router has them.
        pub const ENDPOINTS: &[Endpoint] = &[$(Endpoint {
            method: $method,
            path: $path,
            about: $about,
            access: Access::$access,
            ask: $ask,
            done: ($status, $done),
        }),+];
    };
}

endpoints! {
    "get" "/healthz" Anybody Body::None => 200 json::<Health>(), "Whether the process lives";
    "get" "/openapi.json" Anybody Body::None => 200 Body::Json(|_| json!({})), "This document";
    "get" "/p/{id}" Anybody Body::None => 200 HTML, "A page about a plan; what it says, only with a token";
    "get" "/d/{id}" Anybody Body::None => 200 HTML, "A page about a decision; what it says, only with a token";
    "post" "/v1/webhooks/bitbucket" Signed BYTES => 202 Body::None, "A delivery of a webhook; it is only a hint";
    "get" "/v1/login" Anybody Body::None => 200 json::<Login>(), "Where people sign in";
    "post" "/v1/token" Anybody FORM => 200 json::<Token>(), "Exchanges a proof for a token of ours (RFC 8693)";
    "post" "/v1/token/revoke" Anybody FORM => 200 Body::None, "Takes a token of ours back (RFC 7009), or, for a proof, each that its subject holds";
    "get" "/v1/whoami" Bearer Body::None => 200 json::<Whoami>(), "Who asks, and for what the token is good";
    "post" "/v1/environments/{environment}/plans" Bearer json::<PlanOrder>() => 200 json::<Planned>(), "Plans a commit, a pull request, or going back to a change; needs `plan`";
    "get" "/v1/plans/{id}" Bearer Body::None => 200 json::<Planned>(), "A plan that was shown; needs `view`";
    "post" "/v1/plans/{id}/approvals" Bearer json::<ApprovalOrder>() => 201 json::<Approved>(), "Approves what a plan changes; needs `approve`";
    "post" "/v1/environments/{environment}/changes" Bearer json::<ChangeOrder>() => 202 json::<Accepted>(), "Has something done; needs the action";
    "get" "/v1/environments" Bearer Body::None => 200 json::<Environments>(), "What is in force; needs `view`";
    "get" "/v1/environments/{environment}/changes" Bearer Body::None => 200 json::<Changes>(), "Changes; needs `view`";
    "get" "/v1/environments/{environment}/changes/{number}" Bearer Body::None => 200 json::<ChangeWithSteps>(), "A change and its steps; needs `view`";
    "get" "/v1/environments/{environment}/drift" Bearer Body::None => 200 json::<Drift>(), "What is known of drift; needs `view`";
    "post" "/v1/environments/{environment}/drift/{id}/acceptance" Bearer json::<AcceptanceOrder>() => 201 json::<Acceptance>(), "Leaves a difference as it is for a while; needs `acceptDrift`";
    "post" "/v1/environments/{environment}/drift/{id}/adoption" Bearer Body::None => 201 json::<Adoption>(), "Proposes a difference as a change, by a pull request; needs `acceptDrift`";
    "get" "/v1/environments/{environment}/rights" Bearer Body::None => 200 json::<Rights>(), "Who may change it by the rules in force, and where the Git host lets people do something else; needs `view`";
    "get" "/v1/environments/{environment}/doctor" Bearer Body::None => 200 json::<Examined>(), "What the server can reach for it, and how what is broken is repaired; needs `view`";
    "get" "/v1/environments/{environment}/secrets" Bearer Body::None => 200 json::<Secrets>(), "The credentials that its work goes by, with owner, source, end and last use; needs `view`";
    "get" "/v1/tasks" Bearer Body::None => 200 json::<Tasks>(), "The queue; needs `view`";
    "get" "/v1/tasks/{id}" Bearer Body::None => 200 json::<Task>(), "A task, with `?wait=SECONDS` once it has ended; needs `view`, except for whoever asked for it";
    "post" "/v1/tasks/{id}/retry" Bearer Body::None => 202 json::<Accepted>(), "Has a task that failed tried again; needs `view` and `apply`";
    "get" "/v1/decisions/last" Bearer Body::None => 200 json::<Decided>(), "Why the newest change may or may not be made; needs `view`";
    "get" "/v1/decisions/{id}" Bearer Body::None => 200 json::<Decided>(), "Why a change may or may not be made; needs `view`";
    "get" "/v1/ledger/checkpoints" Bearer Body::None => 200 json::<Checkpoints>(), "The checkpoints there are; needs `view`";
    "get" "/v1/ledger/{*path}" Bearer Body::None => 200 BYTES, "A file of the ledger: `checkpoint`, `checkpoints/SIZE` or a tile; needs `view`";
}
