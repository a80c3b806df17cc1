use std::path::Path;

use insta::assert_snapshot;

use super::*;

/// A folder in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folder {
    pub(crate) files: BTreeMap<String, String>,
    /// The order in which paths are told.
    pub(crate) backwards: bool,
}

impl Files for Folder {
    fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.files.keys().cloned().collect();
        if self.backwards {
            paths.reverse();
        }
        paths
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let missing = || ReadError("there is no such file".to_owned());
        self.files.get(path).map(|text| text.clone().into_bytes()).ok_or_else(missing)
    }
}

const WORKSPACE: &str = "apiVersion: gatewright.io/v1alpha1
kind: Workspace
metadata: { name: acme }
spec:
  source: { local: {} }
  identities:
    staff: { oidc: { issuer: https://id.example.com, audiences: [api] } }
    operators: { oidc: { issuer: https://id.example.com, audiences: [gatewright] } }
  people: { erik: { github: \"12\" } }
  teams: { security: { people: [erik] } }
";

const DEV: &str = "apiVersion: gatewright.io/v1alpha1
kind: Environment
metadata: { name: dev }
spec:
  values: { domain: example.com, group: testers }
  targets: { default: { builtin: {} } }
  secrets: { files: { directory: .secrets } }
  changes:
    - { actions: [view, plan, apply], identities: [local, operators] }
";

const API: &str = "apiVersion: gatewright.io/v1alpha1
kind: Api
metadata: { name: orders }
spec:
  owner: orders-team
  openapi: { file: apis/orders/openapi.yaml }
  upstream:
    url: https://orders.${env.domain}
    auth: { header: { name: X-Api-Key, secret: orders-key } }
  access:
    - { methods: [GET], identities: [staff] }
    - operations: [createOrder]
      identities: [staff]
      claims: { groups: [\"${env.group}\"] }
  limits:
    - { rate: 100/1m, per: caller }
";

const OPENAPI: &str = "openapi: 3.0.3
info: { title: Orders, version: \"1\" }
paths:
  /orders:
    get: { operationId: listOrders, responses: { \"200\": { description: all } } }
    post: { operationId: createOrder, responses: { \"201\": { description: made } } }
";

pub(crate) fn folder() -> Folder {
    let files = [
        ("gatewright.yaml", WORKSPACE),
        ("environments/dev.yaml", DEV),
        ("apis/orders/api.yaml", API),
        ("apis/orders/openapi.yaml", OPENAPI),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
    Folder { files: files.into(), backwards: false }
}

impl Folder {
    fn with(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    fn edit(mut self, path: &str, old: &str, new: &str) -> Self {
        let text = self.files.get_mut(path).unwrap();
        assert!(text.contains(old), "{path} has no {old}");
        *text = text.replacen(old, new, 1);
        self
    }

    fn api(self, old: &str, new: &str) -> Self {
        self.edit("apis/orders/api.yaml", old, new)
    }

    fn dev(self, old: &str, new: &str) -> Self {
        self.edit("environments/dev.yaml", old, new)
    }

    fn workspace(self, old: &str, new: &str) -> Self {
        self.edit("gatewright.yaml", old, new)
    }

    /// Everything that is told about the folder, and no more.
    fn told(&self) -> String {
        let loaded = load(self);
        let errors = has_errors(&loaded.diagnostics);
        assert_eq!(loaded.declarations.is_some(), !errors, "declarations stand for no errors");
        told(&loaded.diagnostics, &loaded.sources)
    }
}

fn told(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let mut out = vec![];
    for diagnostic in diagnostics {
        out.push(format!("{} {}", diagnostic.code, diagnostic.message));
        for label in &diagnostic.labels {
            let path = &sources.get(label.span.file).unwrap().path;
            let start = label.span.start;
            out.push(format!("  {path}:{}:{} {}", start.line, start.column, label.text));
        }
        out.extend(diagnostic.notes.iter().map(|note| format!("  = {note}")));
        out.extend(diagnostic.help.iter().map(|help| format!("  help: {help}")));
    }
    out.join("\n")
}

fn desired(folder: &Folder, environment: &str) -> Arc<Desired> {
    let loaded = load(folder);
    let told = told(&loaded.diagnostics, &loaded.sources);
    let declarations = loaded.declarations.unwrap_or_else(|| panic!("{told}"));
    declarations.desired(&environment.parse().unwrap()).unwrap()
}

#[test]
fn a_folder_becomes_what_must_hold() {
    assert_snapshot!(folder().told(), @"");
    let desired = desired(&folder(), "dev");
    let api = desired.apis.values().next().unwrap();
    let json = |mut part: serde_json::Value| {
        part.sort_all_objects();
        part.to_string()
    };
    assert_eq!(api.at.to_string(), "apis/orders/api.yaml:1");
    assert_snapshot!(json(serde_json::json!(api.spec.upstream)), @r#"{"assertion":null,"auth":{"header":{"name":"X-Api-Key","prefix":"","secret":"orders-key"}},"health":null,"passAuthorization":false,"timeout":"30s","url":"https://orders.example.com"}"#);
    assert_snapshot!(json(serde_json::json!(api.spec.access)), @r#"[{"at":{"file":"apis/orders/api.yaml","line":11},"methods":["GET"],"operations":[],"until":null,"who":{"proven":{"claims":{},"identities":["staff"],"when":null}}},{"at":{"file":"apis/orders/api.yaml","line":12},"methods":[],"operations":["createOrder"],"until":null,"who":{"proven":{"claims":{"groups":["testers"]},"identities":["staff"],"when":null}}}]"#);
    assert_snapshot!(json(serde_json::json!(api.spec.limits)), @r#"[{"at":{"file":"apis/orders/api.yaml","line":16},"methods":[],"operations":[],"per":"caller","rate":"100/1m"}]"#);
    assert_snapshot!(json(serde_json::json!(api.operations)), @r#"[{"id":"listOrders","method":"GET","path":"/orders"},{"id":"createOrder","method":"POST","path":"/orders"}]"#);
}

#[test]
fn misspelt_fields_and_values_are_told_together() {
    let folder = folder()
        .api("  limits:", "  limitz:")
        .api("[GET]", "[get, PATHC]")
        .dev("builtin: {}", "builtin: { replicas: 0 }, apim: {}")
        .workspace("audiences: [api]", "audience: api");
    assert_snapshot!(folder.told(), @r"
    GW1105 `get` is not known in `methods`
      apis/orders/api.yaml:11:19 did you mean `GET`?
      help: known here: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE
    GW1105 `PATHC` is not known in `methods`
      apis/orders/api.yaml:11:24 did you mean `PATCH`?
      help: known here: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE
    GW1101 unknown field `limitz`
      apis/orders/api.yaml:15:3 did you mean `limits`?
      help: known here: owner, openapi, version, targets, environments, listen, upstream, access, limits, cors, headers, validate, maxBody, native, overrides
    GW1105 `replicas` is `0`
      environments/dev.yaml:6:46 a whole number from 1 to 4294967295 is needed
    GW1103 `apim` needs `service`
      environments/dev.yaml:6:51 it is missing here
    GW1107 `default` cannot have `builtin` and `apim` at once
      environments/dev.yaml:6:51 only one of them can hold
      environments/dev.yaml:6:25 this is the other
    GW1101 unknown field `audience`
      gatewright.yaml:7:54 did you mean `audiences`?
      help: known here: issuer, audiences, subject, algorithms, clockSkew, rename
    ");
}

#[test]
fn names_lead_somewhere() {
    let folder = folder()
        .api("identities: [staff] }", "identities: [stuff] }")
        .api("[createOrder]", "[createOrders]")
        .api(
            "  limits:",
            "  targets: [edge]\n  environments: [dev, pord]\n  overrides: { test: {} }\n  limits:",
        )
        .dev("operators]", "operator]")
        .workspace("people: [erik]", "people: [erika]");
    assert_snapshot!(folder.told(), @r"
    GW1110 no identity is called `stuff`
      apis/orders/api.yaml:11:38 did you mean `staff`?
      help: declared: operators, staff
    GW1203 no operation of apis/orders/openapi.yaml is called `createOrders`
      apis/orders/api.yaml:12:20 did you mean `createOrder`?
    GW1110 environment `dev` has no target `edge`
      apis/orders/api.yaml:15:13 this API goes to `dev`
      help: its targets: default
      help: or say under `environments` where this API goes
    GW1110 no environment is called `pord`
      apis/orders/api.yaml:16:23 no declaration has this name
      help: declared: dev
    GW1110 no environment is called `test`
      apis/orders/api.yaml:17:16 no declaration has this name
      help: declared: dev
    GW1110 no identity is called `operator`
      environments/dev.yaml:9:59 did you mean `operators`?
      help: declared: operators, staff
    GW1110 no person is called `erika`
      gatewright.yaml:10:33 did you mean `erik`?
      help: declared: erik
    ");
}

#[test]
fn values_are_filled_in_or_told() {
    assert_snapshot!(folder().dev("domain:", "domian:").told(), @r"
    GW1112 environment `dev` has no value `domain`
      apis/orders/api.yaml:8:10 did you mean `${env.domian}`?
      help: add `domain` under `values` of `dev`
    ");
    assert_snapshot!(folder().api("owner: orders-team", "owner: ${env.domain}").told(), @r"
    GW1113 a value of the environment cannot stand in `owner`
      apis/orders/api.yaml:5:10 this must read the same in every environment
      help: names, identities, owners, paths and conditions are never filled in
    ");
    assert_snapshot!(folder().api("${env.domain}", "${domain}").told(), @r"
    GW1112 `${domain}` is not a value
      apis/orders/api.yaml:8:10 begins with `${`
      help: values are written `${env.NAME}`
    ");
    assert_snapshot!(folder().dev("example.com", "\"exa mple\"").told(), @r"
    GW1114 the upstream of API `orders` is not a URL
      apis/orders/api.yaml:8:10 in environment `dev` this is `https://orders.exa mple`
      help: write `https://`, a host, and a path if there is one
    ");
}

#[test]
fn upstreams_go_where_they_may() {
    assert_snapshot!(folder().dev("example.com", "internal").told(), @r"
    GW1116 `orders.internal` is not a public host, and `egress` does not list it
      apis/orders/api.yaml:8:10 upstream of `orders` in environment `dev`
      help: add `orders.internal` or `*.internal` to `egress` of environment `dev`
    ");
    let listed = folder()
        .dev("example.com", "internal")
        .dev("  changes:", "  egress: [\"*.internal\"]\n  changes:");
    assert_snapshot!(listed.told(), @"");
    let private = folder().api("https://orders.${env.domain}", "http://10.0.0.7:8000/v1");
    assert_snapshot!(private.told(), @r"
    GW1116 `10.0.0.7` is not a public host, and `egress` does not list it
      apis/orders/api.yaml:8:10 upstream of `orders` in environment `dev`
      help: add `10.0.0.7` to `egress` of environment `dev`
    ");
    let mapped =
        folder().api("https://orders.${env.domain}", "\"http://[::ffff:169.254.169.254]/\"");
    assert_snapshot!(mapped.told(), @r"
    GW1116 `[::ffff:a9fe:a9fe]` is not a public host, and `egress` does not list it
      apis/orders/api.yaml:8:10 upstream of `orders` in environment `dev`
      help: add `[::ffff:a9fe:a9fe]` to `egress` of environment `dev`
    ");
    let loopback = folder().api("https://orders.${env.domain}", "http://localhost:8000");
    assert_snapshot!(loopback.told(), @"");
    let user = folder().api("https://orders.${env.domain}", "https://me@orders.example.com");
    assert_snapshot!(user.told(), @r"
    GW1114 the upstream of API `orders` is not a URL
      apis/orders/api.yaml:8:10 in environment `dev` this is `https://me@orders.example.com`
      help: leave user and password away: `upstream.auth` names the secret
    ");
}

/// Shows S4.22: part (names of one syntax in every declaration; stores beyond files are open)
#[test]
fn secrets_go_where_they_may() {
    assert_snapshot!(folder().api("orders-key", "payments-key").told(), @r#"
    GW1502 API `orders` may not send secret `payments-key` to `orders.example.com`
      apis/orders/api.yaml:9:48 in environment `dev`
      help: call it `orders-…` if it is this API's own
      help: or allow it under `secrets.allow` of the environment: { names: [payments-key], apis: [orders], hosts: ["orders.example.com"] }
    "#);
    let allowed = folder().api("orders-key", "payments-key").dev(
        ".secrets }",
        ".secrets }, allow: [{ names: [payments-*], apis: [orders], hosts: [\"*.example.com\"] }]",
    );
    assert_snapshot!(allowed.told(), @"");
    assert_snapshot!(folder().dev("  secrets: { files: { directory: .secrets } }\n", "").told(), @r"
    GW1503 environment `dev` has no secret store
      apis/orders/api.yaml:9:48 API `orders` needs this secret
      help: add a store to the environment: `secrets: { files: { directory: .secrets } }`
    ");
}

/// Shows S0.13: holds
#[test]
fn a_secret_is_refused_with_its_line_and_never_repeated() {
    let key = ["AKIA", "Z7Q2M5N8P1R4T6VX"].concat();
    let folder = folder()
        .api("orders-key", &key)
        .api("owner: orders-team", &format!("owner: orders-team # {key}"))
        .dev("group: testers", &format!("group: \"{key}\""))
        .with("policies/a.cedar", &format!("// {key}\n"));
    let loaded = load(&folder);
    assert_snapshot!(told(&loaded.diagnostics, &loaded.sources), @r"
    GW1501 an AWS access key stands in a file of the workspace
      apis/orders/api.yaml:5:24 not shown
      help: put it into the secret store of the environment, and write its name here
      help: whoever could read this file knows it now: replace it
    GW1501 a secret stands in `secret`, where its name belongs
      apis/orders/api.yaml:9:48 not shown
      help: put the value into the secret store, and write the name under which it is kept there
      help: whoever could read this file knows the value now: replace it
    GW1501 an AWS access key stands in a file of the workspace
      environments/dev.yaml:5:41 not shown
      help: put it into the secret store of the environment, and write its name here
      help: whoever could read this file knows it now: replace it
    GW1501 an AWS access key stands in a file of the workspace
      policies/a.cedar:1:4 not shown
      help: put it into the secret store of the environment, and write its name here
      help: whoever could read this file knows it now: replace it
    ");
    assert!(!format!("{loaded:?}").contains(&key));
}

#[test]
fn identities_have_one_purpose() {
    assert_snapshot!(folder().dev("operators]", "staff]").told(), @r"
    GW4106 identity `staff` calls APIs and changes them
      environments/dev.yaml:9:59 here it may change an environment
      apis/orders/api.yaml:11:38 here it may call an API, whose backend receives its tokens
      help: declare a second identity with an audience of its own, and name that one here
    ");
    let target = "apim: { service: /subscriptions/a/resourceGroups/b/providers/Microsoft.ApiManagement/service/c }";
    assert_snapshot!(folder().dev("builtin: {}", target).told(), @r"
    GW4105 `local` may change only environments whose targets are all builtin
      environments/dev.yaml:9:52 the user of whatever machine runs the command
      environments/dev.yaml:6:14 this target is not on that machine
      help: name an identity that can be proved to others, for example of `oidc`
    ");
    assert_snapshot!(folder().dev("[local, operators]", "[server]").told(), @r"
    GW4107 `server` cannot have `view` in this rule
      environments/dev.yaml:9:19 the server does not do this by itself
      environments/dev.yaml:9:52 named here
    GW4107 `server` cannot have `apply` in this rule
      environments/dev.yaml:9:31 by itself the server applies only with `commit`
      environments/dev.yaml:9:52 named here
    ");
    assert_snapshot!(folder().api("identities: [staff] }", "identities: [server, local] }").told(), @r"
    GW1108 `local` cannot stand in `identities`
      apis/orders/api.yaml:11:46 this name is reserved and means something else
    ");
    let open =
        folder().workspace("https://id.example.com", "https://token.actions.githubusercontent.com");
    assert_snapshot!(open.told(), @r"
    GW1420 `staff` admits every workflow of every repository on GitHub
      apis/orders/api.yaml:11:38 no claim says whose token it is
      help: add `claims: { sub: [...] }`, or `repository_id`
    GW1420 `staff` admits every workflow of every repository on GitHub
      apis/orders/api.yaml:13:20 no claim says whose token it is
      help: add `claims: { sub: [...] }`, or `repository_id`
    ");
}

#[test]
fn which_files_are_declarations_is_said() {
    assert_snapshot!(Folder::default().told(), @r"
    GW1602 there is no document of kind `Workspace`
      help: name the folder that holds it with `-w DIR`
      help: or have gatewright.yaml written: `gatewright init --from OPENAPI` round an API that you have, `gatewright init --demo shop` to play with
    ");
    // What cannot be read may well be the workspace.
    let unread = folder().with("gatewright.yaml", "a: !x 1\n");
    assert_snapshot!(unread.told(), @r"
    GW1006 tags are not read
      gatewright.yaml:1:4 this value carries a tag
      help: leave the tag away: text in quotes is text, everything else is what it looks like
    ");
    let elsewhere = folder().with("apis/extra.yaml", API);
    assert_snapshot!(elsewhere.told(), @r"
    GW1603 `apis/extra.yaml` is none of the declared files and holds a declaration
      apis/extra.yaml:1:1 nothing would come of this document
      help: add `apis/extra.yaml` to `files` of the workspace, or move the document
    ");
    let cluster = format!("apiVersion: v1\nkind: Namespace\n---\n{API}");
    assert_snapshot!(folder().with("clusters/prod.yaml", &cluster).told(), @"");
    assert_snapshot!(folder().api("v1alpha1", "v1alpha2").told(), @r"
    GW1102 `gatewright.io/v1alpha2` is not an `apiVersion` of declarations
      apis/orders/api.yaml:1:13 `gatewright.io/v1alpha1` is meant here
    ");
    assert_snapshot!(folder().api("kind: Api", "kind: API").told(), @r"
    GW1102 `API` is no kind of declaration
      apis/orders/api.yaml:2:7 did you mean `Api`?
    ");
    assert_snapshot!(folder().with("apis/two/api.yaml", API).told(), @r"
    GW1111 two documents declare API `orders`
      apis/two/api.yaml:3:19 the second
      apis/orders/api.yaml:3:19 the first
    ");
    assert_snapshot!(folder().with("environments/b.yaml", WORKSPACE).told(), @r"
    GW1607 a folder has one workspace
      gatewright.yaml:3:19 the second
      environments/b.yaml:3:19 the first
    ");
    assert_snapshot!(folder().with("more/a.cedar", "").told(), @r"
    GW1421 no glob under `policies` matches `more/a.cedar`
      help: its forbids do not hold
    ");
    let globs = "spec:\n  files: [environments/*.yaml, \"apis/**/api.yaml\", none/*.yaml]";
    assert_snapshot!(folder().workspace("spec:", globs).told(), @r"
    GW1605 `none/*.yaml` matches no file
      gatewright.yaml:5:52 nothing is read because of it
    ");
    let helm = "apiVersion: gatewright.io/v1alpha1\nkind: Api\nmetadata: {{ name }}\n{{ end }}";
    assert_snapshot!(folder().with("chart/a.yaml", helm).told(), @r"
    GW1606 `chart/a.yaml` may hold a declaration and cannot be read
      chart/a.yaml:3:12 here
      = a key that is a list or a map
    ");
}

#[test]
fn overrides_change_only_their_environment() {
    let written = "  overrides:
    dev:
      upstream: { timeout: 5s, auth: { basic: { username: me, secret: orders-key } } }
      limits: [{ rate: 1/1s, per: ip }]
  limits:";
    let folder = folder().api("  limits:", written);
    let desired = desired(&folder, "dev");
    let spec = &desired.apis.values().next().unwrap().spec;
    assert_eq!(spec.upstream.url, "https://orders.example.com");
    assert_eq!(spec.upstream.timeout.to_string(), "5s");
    assert!(matches!(spec.upstream.auth, Some(crate::api::UpstreamAuth::Basic { .. })));
    assert_eq!(spec.limits.len(), 1);
    assert_eq!(spec.limits[0].at.to_string(), "apis/orders/api.yaml:18");
    let access = folder.api("      limits: [", "      access: [");
    assert_snapshot!(access.told(), @r"
    GW1101 unknown field `access`
      apis/orders/api.yaml:18:7 `dev` has no such field
      help: known here: listen, upstream, limits, cors, maxBody, native
    ");
}

#[test]
fn an_unknown_environment_is_told() {
    let loaded = load(&folder());
    let refused = loaded.declarations.unwrap().desired(&"dve".parse().unwrap()).unwrap_err();
    assert_snapshot!(told(std::slice::from_ref(&*refused), &loaded.sources), @r"
    GW1110 no environment is called `dve`
      help: did you mean `dev`?
    ");
}

#[test]
fn every_code_that_check_may_tell_explains_itself() {
    for code in Code::ALL {
        assert!(!code.title().is_empty() && code.explain().len() > 40, "{code}");
    }
}

/// A folder on disk.
struct Disk<'a>(&'a Path);

impl Files for Disk<'_> {
    fn paths(&self) -> Vec<String> {
        let mut paths = vec![];
        let mut folders = vec![self.0.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    paths.push(path.strip_prefix(self.0).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        paths
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the test reads the examples beside the repository"
    )]
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        std::fs::read(self.0.join(path)).map_err(|error| ReadError(error.to_string()))
    }
}

#[test]
fn the_examples_of_the_design_load_without_error() {
    let Some(examples) = gw_testkit::shared::folder("design/examples") else { return };
    let mut folders = vec![examples.join("orders")];
    let scenarios = std::fs::read_dir(examples.join("scenarios")).unwrap();
    folders.extend(scenarios.map(|entry| entry.unwrap().path()));
    assert_eq!(folders.len(), 6);
    for folder in folders {
        let loaded = load(&Disk(&folder));
        assert_eq!(told(&loaded.diagnostics, &loaded.sources), "", "{}", folder.display());
        let declarations = loaded.declarations.unwrap();
        for (environment, _) in declarations.environments() {
            assert!(!declarations.desired(environment).unwrap().apis.is_empty());
        }
    }
}

/// Shows S1.6: holds
#[test]
fn the_order_of_files_means_nothing() {
    let mut folder = folder();
    for number in 0..20 {
        let api = API.replacen("name: orders }", &format!("name: api-{number} }}"), 1);
        let api = api.replace("orders-key", &format!("api-{number}-key"));
        folder = folder.with(&format!("apis/a{number}/api.yaml"), &api);
    }
    let backwards = Folder { backwards: true, ..folder.clone() };
    assert_eq!(desired(&folder, "dev"), desired(&backwards, "dev"));
    let wrong = folder.dev("domain:", "domian:").workspace("staff:", "stuff:");
    assert_eq!(wrong.told(), Folder { backwards: true, ..wrong.clone() }.told());
}

proptest::proptest! {
    /// Any damage to a file is an answer, and what is left is either whole or told.
    #[test]
    fn a_damaged_folder_is_an_answer(file in 0usize..4, at in 0usize..600, cut in 0usize..40, put in "[-a-z:{}\\[\\]\"$. \n]{0,6}") {
        let mut folder = folder();
        let path = folder.paths().swap_remove(file);
        let text = folder.files.get_mut(&path).unwrap();
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        text.replace_range(start..end, &put);
        let loaded = load(&folder);
        let told = loaded.diagnostics.iter().any(|found| found.severity() == Severity::Error);
        proptest::prop_assert_ne!(loaded.declarations.is_some(), told);
    }
}

#[test]
fn what_cannot_be_read_may_declare_any_name() {
    let whole = folder().dev(
        "files: { directory: .secrets }",
        "files: { directory: .secrets }, allow: [{ names: [orders-key], hosts: [orders.example.com], apis: [orders] }]",
    );
    assert_snapshot!(whole.told(), @"");
    for broken in [("  owner", " owner"), ("kind: Api", "kind: API"), ("v1alpha1", "v9")] {
        let told = whole.clone().api(broken.0, broken.1).told();
        assert_eq!(told.matches("GW").count(), 1, "{told}");
        assert!(!told.contains("GW1110"), "{told}");
    }
}

/// A key of OpenPGP, as far as a text shows it.
const OPENPGP: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQENBGsCxZEBCAC353c40WPtRpWfrxbxgrSLPIPcwnMoMULsSoMMBCJQFcdWdzZ8\nwuk9/+85ez48C5azfx+SW+5mFVIecYfpzjbz3kuS5PliIrjv/prO4/C5HIxH8UU1\n=byoK\n-----END PGP PUBLIC KEY BLOCK-----";

#[test]
fn public_keys_are_taken_and_nothing_else_for_one() {
    let with = |keys: &str| {
        let person = format!("{{ erik: {{ github: \"12\", signingKeys: [{keys}] }} }}");
        folder().edit("gatewright.yaml", "{ erik: { github: \"12\" } }", &person).told()
    };
    let block = OPENPGP.replace('\n', "\n        ");
    let block = format!(
        "\n    erik:\n      github: \"12\"\n      signingKeys:\n      - |\n        {block}\n"
    );
    let taken = folder().edit("gatewright.yaml", "{ erik: { github: \"12\" } }", &block).told();
    assert_eq!(taken, "");
    let ssh = "AAAAC3NzaC1lZDI1NTE5AAAAIJrYGdy4AyMmPqJYl3Pm0ZQ4bGqO9mJHnGdVb7yCkD0p";
    assert_eq!(with(&format!("\"ssh-ed25519 {ssh} erik@example.com\"")), "");
    assert_eq!(with(&format!("\"sk-ssh-ed25519@openssh.com {ssh}\"")), "");
    assert_snapshot!(with("\"1234ABCD\", \"ssh-dss AAAA\""), @"
    GW1105 `1234ABCD` is not a public key as `ssh-keygen` (`ssh-ed25519 AAAA…`) or `gpg --armor --export` (`-----BEGIN PGP PUBLIC KEY BLOCK-----`) writes it
      gatewright.yaml:9:49 the value of an item of `signingKeys`
    GW1105 `ssh-dss AAAA` is not a public key as `ssh-keygen` (`ssh-ed25519 AAAA…`) or `gpg --armor --export` (`-----BEGIN PGP PUBLIC KEY BLOCK-----`) writes it
      gatewright.yaml:9:61 the value of an item of `signingKeys`
    ");
}
