//! Every code that a person may meet. Codes are stable: none is ever used for something else.

use std::{fmt, str::FromStr};

use crate::diagnostic::Severity;

macro_rules! codes {
    ($($name:ident = $number:literal $severity:ident $title:literal, $explain:literal;)+) => {
        /// A stable code, `GW1101`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)+
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number),+ }
            }

            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),+ }
            }

            /// What it is about, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// The long story: why this is refused, and how it is mended.
            pub const fn explain(self) -> &'static str {
                match self { $(Self::$name => $explain),+ }
            }
        }
    };
}

codes! {
    // GW10xx: the bytes of a document. GW11xx: its fields.

    NotText = 1001 Error "not plain text",
        "Declarations are UTF-8 text. Control characters, a byte order mark inside the text, and \
         signs that turn the direction of text are refused, because a reviewer would see something \
         else than the program reads. Save the file as UTF-8 without them.";
    Syntax = 1002 Error "not YAML",
        "The file cannot be read as YAML 1.2 (JSON is YAML as well). The label says what the parser \
         expected. Frequent causes: a tab used for indentation, a text with `: ` or `#` in it that \
         needs quotes, a line that is indented by one space too many.";
    TooLarge = 1003 Error "too large",
        "Files are read as untrusted input, so their size, depth, number of documents and number of \
         values are limited. Values are counted after aliases are followed and before anything is \
         copied: a small file that unfolds into a huge one is refused by count. Split the file.";
    DuplicateKey = 1004 Error "duplicate key",
        "A map holds the same key twice. Programs disagree about which one wins, so neither does.";
    MergeKey = 1005 Error "merge key",
        "`<<` merges one map into another. It belonged to YAML 1.1 and hides what holds at a place. \
         Anchors and aliases for whole values are read; merge keys are not.";
    Tag = 1006 Error "tag",
        "Tags such as `!!str` or `!include` change what a value means. None are read.";
    Directive = 1007 Error "directive",
        "A line that begins with `%` in front of a document instructs the parser. Only `%YAML` with \
         a known version is accepted, and it is not needed.";
    EndlessAlias = 1008 Error "endless alias",
        "An alias stands inside the value that its anchor names, so the value would hold itself.";
    KeyIsNoText = 1009 Error "key is not text",
        "Keys of a map are plain words. A list, a map, an alias or nothing cannot be a key.";

    UnknownField = 1101 Error "unknown field",
        "A field that the format does not have. Nothing is ever dropped in silence, so a misspelt \
         field is refused rather than ignored. The message suggests the nearest known name.";
    UnknownDocument = 1102 Error "not a declaration",
        "Which files are declarations is said, never guessed: `gatewright.yaml`, \
         `environments/*.yaml`, `apis/*/api.yaml`, or the globs in `files` of the workspace. In these \
         every document must carry a known `apiVersion` and `kind`. A misspelt version that was \
         skipped in silence would look like the deletion of an API.";
    MissingField = 1103 Error "missing field",
        "A field that must be written is not there. Only what has a safe meaning when it is left away \
         has a default.";
    WrongType = 1104 Error "wrong type",
        "Every field has one type: a text, a number, true or false, a list, or a map. In YAML 1.2 \
         `no` and `on` are texts, and a number in quotes is a text.";
    WrongValue = 1105 Error "value that cannot be read",
        "The value has the right type and a form that means nothing here. The message says what was \
         expected; the documentation of the field has examples.";
    WrongLength = 1106 Error "too long, too short, or too many",
        "Texts and lists are bounded, so that no declaration can grow without limit. An empty list is \
         refused where it would read like `all` to one person and like `none` to another.";
    WrongChoice = 1107 Error "not exactly one choice",
        "A choice is written as a map with exactly one of several keys, for example `oidc:` or \
         `signedWebhook:`. Two at once contradict each other, none says nothing.";
    ReservedName = 1108 Error "reserved name",
        "`local` (the user of this machine) and `server` (Gatewright acting by itself) are proved in \
         their own ways. They are never declared, and never call APIs.";
    UnknownName = 1110 Error "unknown name",
        "A declaration refers to something by name, and nothing of that name is declared. Names are \
         resolved across all files of the workspace.";
    DuplicateName = 1111 Error "name used twice",
        "Two documents of one kind have the same name. Which one wins would depend on the order of \
         files, so neither does.";
    UnknownValue = 1112 Error "unknown value",
        "`${env.NAME}` is replaced by the value of that name in `values` of the environment. Every \
         environment to which an API goes must have every value that the API uses, and nothing else \
         that begins with `${` is known.";
    MisplacedValue = 1113 Error "value in a forbidden place",
        "Values of an environment are filled into addresses, claims and headers. Names, identities, \
         owners, paths of files and conditions must read the same everywhere, because they decide \
         who may do what.";
    UpstreamUrl = 1114 Error "upstream is not a URL",
        "Once values are filled in, `upstream.url` must be a URL with `http` or `https` and a host, \
         without user, password, query and fragment.";
    IdleOverride = 1115 Warning "override without effect",
        "The API does not go to the environment for which it has an override, so nothing comes of it.";
    UpstreamHost = 1116 Error "host that upstreams here may not have",
        "Upstreams may have public host names. Addresses of private networks, of this machine, and \
         names that only a private network knows must be listed under `egress` of the environment, \
         so that an API cannot make the gateway talk to its own surroundings.";
    WrongHours = 1117 Error "hours that end before they begin",
        "`from` and `to` lie on one day, and `to` (up to `24:00`) is the later one. For a window that \
         passes midnight write two rules.";
    ReservedHeader = 1118 Error "header that is not yours to set",
        "Some headers say where a message ends (`Host`, `Content-Length`, `Transfer-Encoding`), and some \
         say who calls or how the gateway was reached (`X-Forwarded-For`, `X-Real-Ip`, `Forwarded`, \
         everything that begins with `Gatewright-`). Backends believe them, so the gateway alone sets \
         them, and takes away what callers send. `headers`, `upstream.auth.header` and \
         `upstream.assertion` need other names; only the assertion may have one in `Gatewright-`.";

    // GW12xx: OpenAPI documents and what refers to them.

    NoSuchOpenapi = 1201 Error "no such OpenAPI file",
        "The file that `openapi` names is not in the workspace. Paths are written from the root of \
         the workspace, with `/` and without `..`, so that they mean the same in Git and in a \
         cluster.";
    UnsupportedOpenapi = 1202 Error "not an OpenAPI 3.0 or 3.1 document",
        "The paths of an API come from its OpenAPI document, version 3.0 or 3.1, as YAML or JSON. \
         Swagger 2.0 is older and means other things by the same words; convert the document once \
         and keep the result.";
    UnknownOperation = 1203 Error "no such operation",
        "A rule, a limit or a health check names an operation that the OpenAPI document of this API \
         does not have. Operations are called by their `operationId`; one without is called \
         `METHOD path`, for example `GET /orders`.";
    RemoteReference = 1204 Error "a reference that leaves the workspace",
        "A `$ref` names something outside the workspace: an address, a path of one machine, or a \
         folder above the root. Nothing is fetched while declarations are read, because what was \
         reviewed would then depend on what another server answers. Keep a copy in the workspace.";
    ReferenceCycle = 1205 Error "references that go round in a circle",
        "A `$ref` leads to another `$ref`, and at last back to the first, so nothing is described. \
         A schema that contains itself is legal; a reference that is nothing but itself is not.";
    DanglingReference = 1206 Error "a reference that leads nowhere",
        "A `$ref` names a file that is not in the workspace, or a place that its file does not have. \
         In the part behind `#`, `/` inside a key is written `~1`, and `~` is written `~0`.";
    InvalidPath = 1207 Error "not a path",
        "A key of `paths` is what callers send: it begins with `/`, has parameters in braces, no \
         query, no fragment, no empty segment and no `.` or `..`. A path in another form could never \
         be reached, so it is refused rather than ignored.";
    AmbiguousPath = 1208 Error "two paths that answer the same calls",
        "Two paths of one document differ in the names of their parameters only, such as \
         `/orders/{id}` and `/orders/{number}`, and both describe the same method. No gateway can \
         tell which one a call means, and different ones choose differently.";
    DuplicateOperation = 1209 Error "two operations of one name",
        "`operationId` names an operation for rules and limits, so every name may be used only once \
         in a document.";
    UndeclaredParameter = 1210 Error "path and parameters differ",
        "Each name in braces needs a parameter with `in: path`, at the operation or at its path, and \
         each such parameter needs its braces. Some targets refuse a document in which they differ.";
    MalformedOpenapi = 1211 Error "not what OpenAPI wants here",
        "A field has the wrong kind of value, or a key of a path is neither a method nor a known \
         field. A misspelt method would otherwise be an operation that silently does not exist.";

    // GW13xx: rules, Cedar files and access.

    SamePath = 1301 Error "two APIs answer one path",
        "Two declarations would answer the same calls, so which of them answers would depend on an \
         order that nobody wrote down. Give one of them another `listen.host` or `listen.path`, or \
         take the path out of one OpenAPI document.";
    UnroutablePath = 1302 Error "a path that no call can have",
        "A path of the OpenAPI document, or `listen.path`, is not in the one normal form in which \
         the gateway compares paths: it begins with `/`, has no empty segment, no `.` or `..`, and \
         no encoded `/` or `\\`. A call in another form is refused, so such a path could never be \
         reached.";
    PolicySyntax = 1303 Error "Cedar text that cannot be read",
        "A `.cedar` file or a `when` condition is not Cedar. Nothing is applied while a policy \
         cannot be read, because leaving it out could open a door.";
    PermitInPolicy = 1304 Error "`permit` in a policy file",
        "A policy file can only take access away. Who may call an API is written under `access` in \
         that API's own file, and who may change an environment under its `changes`, so nothing \
         attached elsewhere can open a door.";
    PolicyInvalid = 1305 Error "a policy that does not fit the schema",
        "The Cedar text names an entity, attribute, tag or action that does not exist, or uses a \
         value as something that it is not. It would fail when it is evaluated, and then every call \
         it touches would be refused. A claim is a tag that may be missing: ask \
         `principal.hasTag(\"groups\")` before `principal.getTag(\"groups\")`.";
    PolicyIdTwice = 1306 Error "two policies with one `@id`",
        "Decisions name the policy that refused. Two policies of one name could not be told apart.";
    SameListen = 1307 Error "two targets at one address",
        "Both targets of the environment are served from this state, so on one machine, and only one \
         process can listen at an address there (`0.0.0.0` is every address). The second gateway \
         could never start. A target that names no address listens at `127.0.0.1:8080`.";

    // GW14xx: what is allowed and worth a warning.

    LoginDisagrees = 1402 Warning "OpenAPI and access disagree about login",
        "The `security` of the OpenAPI document and the rules under `access` say different things \
         about one operation: one wants a login, the other does not. The access rule decides. \
         Correct the document, or readers of it will be misled.";
    NoOperations = 1403 Warning "a document without operations",
        "The OpenAPI document describes no operation below `paths`, so nothing of this API can be \
         called.";
    BaseIgnored = 1404 Note "`servers` has a path",
        "The public address of an operation is the host of the target and the path in the OpenAPI \
         document. A path in `servers` is not put in front of it. Where callers use that path today, \
         say so with `listen.path`.";
    RuleNeverMatches = 1410 Warning "a rule that can never match",
        "No call of a listed operation can satisfy this rule: its methods or operations do not occur \
         in the OpenAPI document, or a claim has no accepted value. It grants nothing; remove it or \
         correct it.";
    NobodyMayCall = 1411 Warning "an operation that nobody may call",
        "The OpenAPI document lists the operation and no rule under `access` grants it, so every \
         call is refused. That is safe, and often an oversight.";
    ShadowedRoute = 1412 Warning "a route that shadows another",
        "Some calls fit two paths of different APIs. The more exact path answers, and the other API \
         never sees those calls.";
    RuleEnded = 1413 Warning "a rule that has ended",
        "The date under `until` is past, so the rule grants nothing any more. Remove it, or give it \
         a new date if the need is still there.";
    RuleEndsSoon = 1414 Warning "a rule that ends soon",
        "The date under `until` is at most 14 days away. Callers who are let in by this rule alone \
         will be refused from the next day on.";
    PolicyNamesNothing = 1415 Error "a policy that names what does not exist",
        "The policy names an API, an operation, an identity, an environment, a person or a team that \
         nothing has, so it takes nothing away, or takes away what nobody can give back. Where the name \
         is misspelt, a door is open that was meant to be shut, or shut for good; where the thing is \
         gone, remove the policy with it.";

    NobodyApplies = 1416 Warning "an environment that nobody may change",
        "No rule under `changes` names `apply`. The first apply is judged by the folder's own rules, \
         every later one by the rules in force; once these are, nothing can be applied here any more, \
         not even a file that names `apply` again.";

    AcceptanceEnded = 1417 Warning "an acceptance that has ended",
        "The last day under `until` of a difference that was accepted is past, so nothing is \
         accepted any more: where a target shows the difference, it is an error again. Remove the \
         entry, or give it a new day if the need is still there.";
    AcceptanceEndsSoon = 1418 Warning "an acceptance that ends soon",
        "The last day under `until` of a difference that was accepted is at most 14 days away. From \
         the next day on the difference is an error again.";

    OpenIssuer = 1420 Warning "anybody at this issuer",
        "Some issuers sign tokens for everybody in the world who runs a job or a cluster there. A \
         rule that names such an identity and no claim that says whose job it is admits all of them. \
         Require `sub`, or the claim that carries the id of your repository, project or account.";
    UnmatchedCedar = 1421 Warning "Cedar file that nothing names",
        "A `.cedar` file lies in the workspace, and no glob under `policies` matches it, so its \
         forbids do not hold.";

    SharedListen = 1422 Warning "two environments at one address",
        "The code of this workspace lives on this machine, and so do its gateways. Two environments \
         whose gateways listen at one address (`127.0.0.1:8080` where none is named, `0.0.0.0` is \
         every address) cannot both be served at a time.";

    // GW15xx: secrets.

    Secret = 1501 Error "secret in a declaration",
        "A declaration names secrets, it never holds them: whoever can read the repository could read \
         the value. Known kinds of keys and texts that are too random to be words are refused in \
         every file that is read, and never repeated in a message. Put the value into the secret \
         store of the environment, write its name here, and replace the value: it was readable.";
    SecretNotAllowed = 1502 Error "secret that this API may not send there",
        "An API may send a secret whose name begins with the API's own name and a hyphen to its own \
         upstream. Everything else is a line under `secrets.allow` of the environment: which names, \
         which APIs, which hosts.";
    NoSecretStore = 1503 Error "no secret store",
        "The environment says no place where secrets are kept, and something in it needs one. Add \
         store to the environment, for example `secrets: { files: { directory: .secrets } }`: a folder \
         with a file for each secret, which is not committed.";

    // GW16xx: the workspace as a whole, its files and its id.

    NoWorkspaceId = 1601 Error "the workspace has no id",
        "Every target that a workspace manages carries its random id, so that two workspaces never \
         write to one gateway, and the state on this machine is found by it. `gatewright init --id` \
         writes it into `.gatewright/id`; commit that file. `check`, `show` and `can` do without.";
    NoWorkspace = 1602 Error "no workspace",
        "A folder of declarations has exactly one document of kind `Workspace`, in `gatewright.yaml`. \
         `gatewright init --from OPENAPI` writes one round an API that you have, \
         `gatewright init --demo shop` one to play with.";
    MisplacedDeclaration = 1603 Error "declaration outside the declared files",
        "A file that is none of the declared files holds a document of this tool, so it would be \
         silently left out. Move it, or add its path to `files` of the workspace. Files that also \
         hold objects of others (as under `clusters/`) are for the cluster and are left alone.";
    MissingFile = 1604 Error "file that is not there",
        "A declaration names a file of the workspace that cannot be read. Paths begin at the root of \
         the workspace and have no `..`, so that they mean the same in Git and in a cluster.";
    IdleGlob = 1605 Error "glob that matches nothing",
        "A glob under `files` or `policies` matches no file. A misspelt one would leave declarations \
         or forbids out in silence.";
    UnclearFile = 1606 Warning "file that may hold a declaration",
        "A file outside the declared files speaks of this tool's `apiVersion` and cannot be read as \
         YAML, so nobody can tell whether it was meant to be a declaration.";
    SecondWorkspace = 1607 Error "two workspaces",
        "A folder of declarations has exactly one document of kind `Workspace`.";
    OtherVersion = 1608 Error "workspace for another version",
        "`requires` of the workspace is a range of versions of this tool, and the version that reads \
         does not lie in it. Fields may be missing here or mean something else there, so nothing is \
         planned or applied. `gatewright version` says which one this is. Use a version that the range \
         includes, or widen the range once the declarations were checked with this one.";

    // GW2xxx: what a target can and cannot do.

    VersionsUnavailable = 2401 Error "versions side by side are not available on this target yet",
        "`version` lets several versions of one API live side by side. This target cannot choose \
         between them yet. Leave `version` out and give each version a `listen.path` of its own.";

    UnavailableHere = 2001 Error "not available on this target yet",
        "The declaration asks for something whose engine this kind of target does not have yet. It \
         is refused rather than left out, because a gateway that serves half of what is declared is \
         worse than one that stays as it was. Take the field out, or send the API to a target that \
         can do it.";
    TargetKindUnavailable = 2002 Error "this kind of target cannot be managed yet",
        "The declarations may name this kind of gateway, and they are checked in full, but no driver \
         for it exists in this version. Nothing is written. A `builtin` target works today.";
    IdleHere = 2003 Warning "nothing acts on it here",
        "The declaration is right and the gateway serves everything else, yet nothing acts on this \
         field: it is for a server, which does things by itself on events and timers, or for a check \
         that this version does not make. Callers meet the same with it and without it. It may stay, \
         for the day when something acts on it.";
    OtherKind = 2004 Note "written for another kind of target",
        "Native configuration is written for one kind of gateway. A target of another kind serves the \
         portable part and leaves the native part alone.";
    PlanRefuses = 2005 Warning "a plan would refuse this",
        "The declarations are right as they are, and this version cannot put them in force in the \
         environment that is named: `plan` and `apply` would refuse them with the code in the note. \
         `check` only warns, because the folder may be written for a version that can.";
    AcceptanceEndless = 2006 Error "an acceptance without an end",
        "An exception that nobody has to look at again stays for ever. A plan refuses an acceptance \
         that does not say under `until` on which day it ends. Name a day by which somebody looks at \
         it again; from fourteen days before it `check` tells.";

    // GW3xxx: changes and the state of targets.

    OnlyBuiltin = 3101 Error "this target needs a server",
        "Without a server only targets of the kind `builtin` are written, by the user of this machine. \
         Other gateways hold credentials that belong to a server and not to a laptop.";
    EffectMoved = 3102 Error "the plan no longer does what it showed",
        "Since the plan was made, something moved: the declarations, the rules or the target. It was \
         planned again, and the new plan would do something else than the one that was shown, so \
         nothing was written. Look at a new plan and apply that one.";
    StateHeld = 3103 Error "the state is held back",
        "This state was rolled back. It is not applied again until another state was applied, so that \
         a rollback is not undone by whoever comes next with the same files. Change the declarations, \
         then apply. A state that only takes access away is not held: closing something never waits.";
    TargetMoved = 3104 Error "the target is no longer as in the plan",
        "Between planning and writing, something else changed the target. Each write asks for the \
         version that was planned against, so nothing was overwritten. Make a new plan.";
    PlanAltered = 3105 Error "the plan file was altered",
        "A plan file carries the digest of its content, and this content has another one. A plan is \
         applied as it was made or not at all; make a new one with `gatewright plan --out`.";
    HalfWay = 3106 Error "a change stopped half way",
        "A change of this environment began and did not come to its end. What was done is in the \
         journal, step by step; `gatewright apply` continues it, `gatewright apply --abandon` gives it \
         up as long as callers cannot have seen it, and a rollback ends it. Until then no other change \
         begins.";
    ChangeDenied = 3107 Error "no rule allows this change",
        "Who may change an environment stands under `changes` in its declaration, and policies can \
         take it away again. The rules that judge are those that were applied last, so that a change \
         never allows itself.";
    NoSuchChange = 3108 Error "there is no such change",
        "Changes are numbered from 1 in each environment; `gatewright history` lists them. Only a \
         change that took effect can be gone back to.";
    NoSuchPlan = 3109 Error "there is no such plan",
        "A plan is kept on the machine that made it, the newest fifty of each environment. Make it \
         again with `gatewright plan`, or name the file that `--out` wrote.";
    HistoryRewritten = 3110 Error "the commit does not follow the one in force",
        "A server puts only commits in force that come after the one that is in force. Another one means \
         that history was rewritten (a forced push), or that an older commit is asked for: what was \
         approved since would be lost without a word. Going back on purpose is `gatewright rollback`, \
         which is judged and recorded as that.";

    EnvironmentOccupied = 3111 Error "somebody else works on the environment",
        "One change at a time: whoever changes an environment has a lease on it, which is renewed as long \
         as it lives. What waits for it is done next, by itself.";

    DriftFight = 3112 Error "two owners put it back and forth",
        "The same difference was put back three times and came again: somebody or something else wants \
         the target otherwise. Nothing more is put back until a change is applied, because two owners \
         who take turns are worse than one who is wrong. `gatewright drift` shows what differs.";

    NoEnvironment = 3113 Error "there is no such environment",
        "The commit declares no environment of this name, and nothing is in force under it.";

    NotYet = 3114 Error "not available yet",
        "What is asked for has its name and its place already, and this version cannot do it yet.";

    DriftUnwritable = 3115 Error "what differs cannot be written down",
        "A difference of a target is proposed as a change by putting the live values in the place of those \
         in the declarations: values and new elements of lists of an API. What is otherwise there, gone or \
         of another kind has no such place. Write it yourself, or have it put back.";

    TargetUnreachable = 3201 Error "the target does not answer",
        "Nobody answers at the target. For a builtin target it means that no gateway runs: what was \
         written is served as soon as `gatewright gateway` or `gatewright dev` starts, but it cannot \
         be called verified before that.";
    TargetBusy = 3202 Error "the target is busy",
        "The target asked to be left alone for a while. The same command continues later.";
    TargetRefused = 3203 Error "the target refused what it was given",
        "The target did not take the new state and still serves the former one. The message carries \
         its own words.";
    ReadBackDiffers = 3204 Error "the target serves something else than was written",
        "After writing, the target was asked what it serves, and the answer is not what was written. \
         The change is recorded as not verified.";
    ProbeFailed = 3205 Error "a probe was answered wrongly",
        "After writing, the target was called as a stranger would call it, and it answered in a way \
         that the declarations do not allow. The change is recorded as not verified.";
    TargetBroken = 3206 Error "the state of the target cannot be used",
        "What the target holds cannot be read, or cannot be written: its folder, its files or its \
         signatures are not as they must be. Nothing was changed.";
    TargetOfAnother = 3301 Error "the target belongs to another workspace",
        "Every target carries the random id of the workspace that manages it, and this one carries \
         another id. Two workspaces that write to one gateway would undo each other, so the second \
         is refused.";

    // GW4xxx: identities.

    TokenNotTaken = 4001 Error "the token is not taken",
        "Whoever asks the server shows a token of an issuer that is declared under `identities`, or in \
         the server's settings. This one does not hold: the message says what is wrong with it, and the \
         ledger has the reason as one word. Algorithms, audience and issuer are what is declared, never \
         what the token says of itself.";
    ProofUnchecked = 4002 Error "the proof cannot be checked now",
        "Whether it holds, somebody else has to say: the issuer by its keys, or AWS by its answer. They \
         were not reached, and what cannot be checked is refused. Try again; `gatewright doctor` looks at \
         each issuer.";
    StepNotDeclared = 4003 Error "the pipeline may not ask here",
        "A step of a Bitbucket pipeline proves its workspace and its repository by their UUIDs, and both \
         must be the declared ones: names change hands. Run it in the repository of `source.bitbucket`, or \
         list this one's UUID under `repositories` of the identity. A fork is another repository.";
    AwsNotTaken = 4004 Error "the signed AWS request is not taken",
        "An AWS principal proves itself by a GetCallerIdentity request that it signs and does not send: \
         the server sends it to an STS host of its settings. It must be a POST, signed within the last 15 \
         minutes, with `x-gatewright-audience` among its signed headers and the declared audience as the \
         value, so that a request that was signed for somebody else is worth nothing here.";
    ProofUsed = 4005 Error "the proof was used",
        "The step of a pipeline, the token of a machine and a signed request each give one token that may \
         write. Whoever finds one in a log afterwards has nothing. A step keeps the token that it got; a \
         step that lost it is run again. Asking for `view` and `plan` uses nothing up.";
    TokenRequest = 4006 Error "not a request for a token",
        "The exchange is that of RFC 8693: `grant_type`, `subject_token`, `subject_token_type`, `scope` with \
         the actions, and `resource` with the environment as `urn:gatewright:ENVIRONMENT`, or with a plan as \
         `urn:gatewright:ENVIRONMENT:PLAN`. Each stands once. `audience` and `actor_token` are not supported.";
    TokenOver = 4007 Error "not signed in, or not any more",
        "A sign-in lasts as long as the issuer says, and is renewed as long as the issuer does that; \
         tokens of the server are good for 15 minutes at most, for one environment and for the actions \
         that they were asked for. This one is unknown: over, taken back, or never there. People run \
         `gatewright login`; whoever shows a proof of their own exchanges a new one.";
    LocalIdentity = 4105 Error "`local` in an environment that is not local",
        "The identity `local` is the user of the machine on which the command runs, proved by owning \
         the state folder. It may change environments whose targets are all `builtin`. Anything else \
         would let a laptop write to a shared gateway without anybody being asked.";
    IdentityTwice = 4106 Error "identity that calls and changes",
        "An identity stands either in `access` (it calls APIs) or in `changes` (it changes them). A \
         backend receives the tokens of its callers; if such a token could also change the gateway, \
         one careless backend could roll back production. Give each purpose an identity with an \
         audience of its own.";
    ServerIdentity = 4107 Error "`server` where it cannot act",
        "The identity `server` is Gatewright acting by itself on an event, a timer, drift or a failed \
         health check. It may stand in `changes` for `plan`, `apply` (with `commit`), `rollback` and \
         `rotate`, and nowhere else.";

    // GW5xxx: the ledger.

    LedgerBroken = 5001 Error "the ledger does not verify",
        "The ledger is a Merkle tree under signed checkpoints: each entry is hashed, each hash is in \
         the tree, each root was signed. What was found is not what was signed, at the place that the \
         message names. Keep this copy, it is evidence. Compare it with another one (a backup, a \
         bundle that was exported, a checkpoint that somebody kept): the first entry in which they \
         differ is where it was changed.";
    LedgerAhead = 5002 Error "the state was set back",
        "The files of the ledger know entries that the state does not have, or others at the same \
         place. So the state is an older copy: a backup that was restored, or a machine that was set \
         back. What happened since then is missing in it, and going on would write a second story \
         beside the first. Bring back the newest state. Where it is lost for good, begin a new state \
         folder and keep the old ledger beside it.";
    LedgerKey = 5003 Error "another key than the ledger's",
        "Every checkpoint of the ledger is signed by the key that its first entry names (or a later \
         one that this key handed over to). The key at hand is another one. Restore `ledger.key` of \
         the state folder from a backup. Nothing is done meanwhile, because nobody could prove it.";
    LedgerUnwritable = 5004 Error "the ledger cannot record it",
        "What cannot be recorded is not done. The message says why the entry has no form, for example \
         because it is longer than 65,535 bytes.";
    LedgerFiles = 5005 Warning "the files of the ledger cannot be written",
        "The entry itself is safe in the state, in the same transaction as what it tells of. The \
         files that an auditor reads are written behind it, and that failed: a full disk, or a folder \
         that is not ours. They are written with the next change.";
    NoLedger = 5006 Error "no ledger",
        "There is nothing to verify or to list: no change was ever recorded here, or the folder is \
         not one of a ledger. A folder of a ledger has a file `checkpoint` and a folder `tile`.";

    LedgerUnwitnessed = 5007 Error "the witness was not reached for too long",
        "A second place remembers how large the ledger is, so that nobody can make it shorter unnoticed. \
         It did not answer for longer than the setting `witness.patienceMin` allows, so nothing is begun \
         that could be denied later. What goes on meanwhile is recorded, gateways serve on, and as soon \
         as the witness answers everything is as before.";
    LedgerDisputed = 5008 Error "the witness remembers another ledger",
        "The newest checkpoint at the witness is not one of this ledger: the state was set back to an \
         older copy, another one went on beside it, or somebody wrote there. Nothing is begun until \
         somebody has looked. Compare both with a copy that was kept (`audit verify --checkpoint`), and \
         bring back the newest state.";

    StateUnbound = 5009 Error "the state is not what the ledger says",
        "Which change is in force, which rules and declarations it brought, what it does, what was \
         shown and who approved: the state holds all of it whole, and the ledger holds the digest of \
         each. What the message names is another in the state than in the ledger, so somebody changed \
         the state behind the back of this program. Nothing is judged by it and nothing is done. Keep \
         this copy, it is evidence; `audit verify` tells whether the ledger itself is whole. Bring back \
         the newest backup of the state folder that agrees with the ledger. Where there is none, begin \
         a new state folder, apply the commit that is to be in force, and keep the old one beside it.";

    // GW6xxx: source and Git host.

    SourceUnreachable = 6001 Error "the source does not answer",
        "The Git host was not reached, did not answer in time, or said that it cannot serve now. What \
         was fetched last stays in force, nothing is changed meanwhile, and it is asked again: later \
         each time, or when the host said.";
    SourceDenied = 6002 Error "the source does not let us in",
        "The Git host refuses the credential, knows no such repository, sends us elsewhere, or is not \
         the one whose key is known. Asking again would change nothing, so a person is asked. Where a \
         host sends us is never followed: the credential would go to whoever is there.";
    SourceBroken = 6003 Error "the source is not whole",
        "What answers is no Git host that can be understood, or what it sent is damaged, cut, or keeps \
         back a part of the history. A fetch is whole or did not happen, so what was fetched last stays \
         in force.";
    SourceTooLarge = 6004 Error "the source is too large",
        "Repositories are read as untrusted input, so what one fetch brings, the size of an object once \
         it is unpacked, the number of commits, branches and files and the depth of folders are limited. \
         A repository of declarations is far from every limit; one that also holds programs may not be. \
         What rules in force name is fetched first and on its own; any other branch that is too much is \
         left out until it holds something else, and its pull request says why.";
    NoSuchCommit = 6005 Error "no such commit",
        "The repository has no commit of this name on any branch or under any tag, as far as it was \
         fetched. Commits are named whole: a shortened name may come to mean another one.";
    SourceCopy = 6006 Error "the copy of the source fails",
        "A Git source is fetched into a folder of the state. It could not be written or read there: a \
         full disk, a folder that is not ours, another process that uses it, or no `ssh` where the \
         address needs one. The copy holds nothing that cannot be fetched again.";

    NoReference = 6007 Error "no such branch or tag",
        "The repository has no branch or tag of this name, as far as it was fetched: it was deleted, or \
         never pushed. What is in force stays.";

    LinkInSource = 6101 Error "a link or a submodule",
        "A symbolic link means something else on every machine and can lead out of the repository; a \
         submodule is another repository, with other reviewers. Neither is ever followed. Because one \
         in the place of a folder would read like the deletion of everything in it, the whole commit \
         is refused.";
    HostileName = 6102 Error "a name that misleads",
        "The name of a file means something else to a reviewer, to another system or to another \
         program: it is not UTF-8 text, has signs that cannot be seen or turn the text round, has a \
         `\\`, or is one that some systems take for `.git`.";
    NamesAlike = 6103 Error "two names that are one",
        "Two files of one folder have names that differ in nothing but large and small letters. On some \
         systems one of them takes the place of the other, so a reviewer may never see it.";

    HostUnreachable = 6201 Error "the Git host does not answer",
        "The interface of the Git host was not reached, says that it cannot serve now, or answers what \
         cannot be understood. Whoever approved cannot be asked for, so nothing that needs an approval is \
         applied meanwhile. It is asked again by itself.";

    HostDenied = 6202 Error "the Git host does not tell",
        "The Git host refuses the credential, does not let it read what is asked, or hides it. The message \
         names what is missing. Facts that are not known approve nothing.";

    SourceForeign = 6203 Error "the commit is of another repository",
        "Who may ask for what is bound to the ids of one repository and one workspace. A commit whose \
         declarations name others (`source` of the workspace, or `.gatewright/id`) was made for another \
         server, or somebody wants to be taken for another repository. Nothing of it is put in force. \
         The same where the state on this machine belongs to a server or to another folder: ask that \
         server (`--server URL`), or name a state of your own (`--state DIR`).";

    // GW7xxx: settings, state store, the gateway as a process.

    NoServer = 7001 Error "no server",
        "Only a server does what was asked: it needs more than one person, or a proof of who asks. Name \
         it with `--server URL` or GATEWRIGHT_SERVER; docs/server.md tells how one is run.";

    StateUnreadable = 7101 Error "the state cannot be used",
        "The state folder holds what was applied from this machine: the journal, the signing key and \
         the generations that gateways serve. It could not be opened, or its content is not what this \
         version wrote. Nothing is changed then. `gatewright doctor` tells more.";

    StateBusy = 7102 Error "the state is in use",
        "Only one process at a time changes an environment from a state folder, so that two changes \
         never mix. Another `gatewright` holds the lock; wait until it ends, or stop it. The lock goes \
         with the process, so a crash leaves nothing to clean up.";

    StateNewer = 7103 Error "the state is newer than this program",
        "The state folder was written by a newer version of Gatewright, whose changes this version \
         cannot understand; nothing is changed in it. Use that version again, or put back the copy \
         of the folder that was made before it.";

    NoStateFolder = 7104 Error "no place for the state",
        "The state of a workspace lies in `--state`, else in GATEWRIGHT_STATE, else below \
         XDG_STATE_HOME or the home folder. None of them is known here, so name one.";

    StateForeign = 7105 Error "another workspace's state",
        "A state folder belongs to one workspace: what was applied, who did it and what may be gone back \
         to are told of that one. Two workspaces that shared a folder would read and hold one another's \
         changes. Give each its own, or name none: the default has the id of the workspace in its name.";

    SettingsWrong = 7201 Error "wrong settings",
        "The settings of a process, `gatewright.toml`, hold something that is not a setting or has \
         the wrong form. Unknown keys are refused, so that a misspelt one is never ignored. The file is \
         the one of `--config`, else of GATEWRIGHT_CONFIG, else that of the state folder; one among the \
         declarations is never read, because whoever proposes a change there must not say how the \
         process runs.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GW{:04}", self.number())
    }
}

/// There is no such code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchCode;

impl FromStr for Code {
    type Err = NoSuchCode;

    fn from_str(text: &str) -> Result<Self, NoSuchCode> {
        Self::ALL.iter().copied().find(|code| code.to_string() == text).ok_or(NoSuchCode)
    }
}
