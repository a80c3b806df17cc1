//! What commands print: the documents for machines, and the pages for people that no other test has.

use serde_json::Value;

use super::machine::Machine;

const OPENAPI: &str = "\
openapi: 3.0.3
info: { title: Pets, version: \"1\" }
paths:
  /pets:
    get: { operationId: listPets, responses: { \"200\": { description: pets } } }
";

/// Each document that a command prints, with what differs from run to run taken out.
fn documents(machine: &Machine, arguments: &[&str]) -> String {
    let mut all = vec![];
    for line in machine.says(arguments).lines() {
        let mut document: Value = serde_json::from_str(line).expect("it prints JSON");
        let schema = document["schema"].as_str().map(str::to_owned);
        assert!(schema.is_some_and(|it| it.starts_with("gatewright.io/")), "{arguments:?}: {line}");
        for duration in ["ms", "tookUs"] {
            if document[duration].is_u64() {
                document[duration] = Value::from("TOOK");
            }
        }
        all.push(machine.steady(&document.to_string()));
    }
    all.join("\n")
}

#[test]
fn a_workspace_begins_with_an_openapi_document_or_not_at_all() {
    let machine = Machine::new();
    for (file, text, code) in [
        ("passwd", "root:x:0:0:root:/root:/bin/bash\n", "GW1202"),
        ("old.yaml", "swagger: \"2.0\"\ninfo: { title: Pets }\npaths: {}\n", "GW1202"),
        ("empty.yaml", "", "GW1202"),
    ] {
        machine.folder.write(&format!("mine/{file}"), text);
        let file = format!("../mine/{file}");
        let output = machine.run("home", &["init", "--from", &file, "-w", "../new"]);
        let told = String::from_utf8(output.stderr).expect("it is text");
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(code) && told.contains("nothing was written"), "{told}");
        assert!(!machine.folder.path("new").exists());
    }
    // What it refers to may come later.
    let part = OPENAPI.replace("description: pets", "$ref: parts.yaml#/pets");
    machine.folder.write("mine/pets.yaml", &part);
    let init = ["init", "--from", "../mine/pets.yaml", "-w", "../new"];
    assert_eq!(machine.ends("home", &init), 0);
}

#[test]
fn arguments_that_are_none_are_told_in_the_form_that_was_asked_for() {
    let machine = Machine::with_shop();
    for wrong in [
        &["plan", "--nope"] as &[&str],
        &["plan", "--timeout", "3"],
        &["chekc"],
        &["can"],
        &["audit", "verify", "--from", "xx"],
    ] {
        let output = machine.run("shop", &[wrong, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        let told: Value = serde_json::from_slice(&output.stderr).expect("it is JSON");
        assert_eq!(told["schema"], "gatewright.io/failure/v1");
        assert_eq!(told["exit"], 2);
        let message = told["message"].as_str().expect("it has a message");
        assert!(!message.is_empty() && !message.starts_with("error"), "{message}");
        assert!(!told["help"].as_array().expect("ways out").is_empty(), "{told}");
    }
}

#[test]
fn documents_of_commands_that_need_no_gateway() {
    let machine = Machine::with_shop();
    insta::assert_snapshot!(documents(&machine, &["check", "--json"]), @r#"{"schema":"gatewright.io/check/v1","diagnostics":[],"counts":{"errors":0,"warnings":0,"notes":0,"files":2,"filesWithDiagnostics":0}}"#);
    insta::assert_snapshot!(documents(&machine, &["can", "demo", "GET", "/orders", "--json"]), @r#"{"schema":"gatewright.io/can/v1","environment":"dev","by":"files","allowed":true,"reason":"granted","operation":{"api":"orders","operation":"listOrders","owner":null},"grant":{"file":"gatewright.yaml","line":29},"why":null,"candidates":[],"policies":[],"cure":null}"#);
    insta::assert_snapshot!(
        documents(&machine, &["can", "--who-can", "GET", "/orders", "--json"]), @r#"{"schema":"gatewright.io/who-can/v1","environment":"dev","by":"files","operation":{"api":"orders","operation":"listOrders","owner":null},"method":"GET","path":"/orders","ways":[{"rule":{"file":"gatewright.yaml","line":29},"who":"demo","until":null}],"policies":[]}"#
    );
    insta::assert_snapshot!(documents(&machine, &["can", "--matrix", "--json"]), @r#"{"schema":"gatewright.io/access/v1","environment":"dev","by":"files","columns":[{"identity":null,"claims":{}},{"identity":"demo","claims":{}},{"identity":"demo","claims":{"groups":"orders-team"}}],"rows":[{"api":"orders","operation":"listOrders","method":"GET","path":"/orders","cells":["refused",{"allowed":{"file":"gatewright.yaml","line":29}},{"allowed":{"file":"gatewright.yaml","line":29}}]},{"api":"orders","operation":"createOrder","method":"POST","path":"/orders","cells":["refused",{"depends":{"file":"gatewright.yaml","line":31}},{"allowed":{"file":"gatewright.yaml","line":31}}]},{"api":"orders","operation":"getOrder","method":"GET","path":"/orders/{id}","cells":["refused",{"allowed":{"file":"gatewright.yaml","line":29}},{"allowed":{"file":"gatewright.yaml","line":29}}]}]}"#);
    insta::assert_snapshot!(documents(&machine, &["explain", "GW3103", "--json"]), @r#"{"schema":"gatewright.io/code/v1","code":"GW3103","severity":"error","title":"the state is held back","explain":"This state was rolled back. It is not applied again until another state was applied, so that a rollback is not undone by whoever comes next with the same files. Change the declarations, then apply. A state that only takes access away is not held: closing something never waits."}"#);
    insta::assert_snapshot!(documents(&machine, &["status", "--json"]), @r#"{"schema":"gatewright.io/status/v1","workspace":"shop","environments":[{"environment":"dev","change":null,"outcome":null,"since":null,"halfWay":null,"halfWayIsServed":false,"pending":true,"folderHasErrors":false,"apis":[{"name":"orders","owner":null,"operations":3,"rules":2,"standing":"notApplied"}],"drifted":[],"notRunning":["the gateway at 127.0.0.1:PORT"],"refused":[],"unready":[],"held":null}],"undeclared":[],"literalSecrets":0}"#);
    insta::assert_snapshot!(documents(&machine, &["history", "--json"]), @r#"{"schema":"gatewright.io/history/v1","changes":[]}"#);
    insta::assert_snapshot!(documents(&machine, &["drift", "--json"]), @r#"{"schema":"gatewright.io/drift/v1","environment":"dev","drifted":[]}"#);
    insta::assert_snapshot!(documents(&machine, &["version", "--json"]), @r#"{"schema":"gatewright.io/version/v1","version":"0.1.0"}"#);
}

#[test]
fn documents_of_a_change() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    let plan: Value = serde_json::from_str(&machine.says(&["plan", "--json"])).expect("JSON");
    let members: Vec<_> = plan.as_object().expect("a document").keys().cloned().collect();
    insta::assert_snapshot!(members.join(" "), @r"schema id workspace environment commit comparedWith targets callers access objects notes facts decision counts digests");
    insta::assert_snapshot!(documents(&machine, &["apply", "--json"]), @r#"
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"recheck","state":"begun"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"recheck","state":"done","detail":"the gateway at 127.0.0.1:PORT still looks as in the plan","ms":"TOOK"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"stage","state":"begun"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"stage","state":"done","detail":"3 objects, not served yet","ms":"TOOK"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"switch","state":"begun"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"switch","state":"done","detail":"the new state is in force","ms":"TOOK"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"read back","state":"begun"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"read back","state":"done","detail":"3 of 3 objects are what was written","ms":"TOOK"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"probe","state":"begun"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"probe","state":"done","detail":"no token → 401 · token of another issuer → 401 · unlisted path → 404","ms":"TOOK"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"retire","state":"begun"}
    {"schema":"gatewright.io/event/v1","t":"TIME","change":1,"target":"default","step":"retire","state":"done","detail":"what is no longer needed is gone","ms":"TOOK"}
    {"schema":"gatewright.io/applied/v1","environment":"dev","change":1,"outcome":"verified"}
    "#);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    insta::assert_snapshot!(documents(&machine, &["explain", "--last", "--json"]), @r#"{"schema":"gatewright.io/decision/v1","id":"d-ID","count":1,"environment":"dev","target":"default","generation":1,"client":"127.0.0.1","method":"GET","host":"127.0.0.1:PORT","path":"/orders","reason":"not_signed_in","status":401,"detail":null,"who":[],"lookedAt":[],"operation":{"api":"orders","operation":"listOrders","owner":null},"grant":null,"candidates":[{"rule":{"file":"gatewright.yaml","line":29},"parts":[{"verdict":"held","aspect":"method","text":"GET"},{"verdict":"lacked","aspect":"identity","text":"identity: needs demo; nobody is signed in"}]},{"rule":{"file":"gatewright.yaml","line":31},"parts":[{"verdict":"lacked","aspect":"method","text":"POST only"}]}],"policies":[],"cure":"send a token from http://localhost:7071","upstreamStatus":null,"tookUs":"TOOK","at":"TIME"}"#);
    insta::assert_snapshot!(documents(&machine, &["explain", "1", "--json"]), @r#"{"schema":"gatewright.io/change/v1","environment":"dev","change":1,"action":"apply","restores":null,"actor":"local","reason":null,"outcome":"verified","plan":"p-ID","source":"sha256:HASH","callers":[{"api":null,"operation":null,"effect":"rules","risk":true,"who":null,"text":"the first rules of this environment","before":null,"after":null,"cause":"declared","source":null},{"api":"orders","operation":"listOrders","effect":"widen","risk":true,"who":{"identity":"demo","claims":{},"text":"any demo"},"text":"+ any demo may call","before":null,"after":null,"cause":"declared","source":{"file":"gatewright.yaml","line":29}},{"api":"orders","operation":"createOrder","effect":"widen","risk":true,"who":{"identity":"demo","claims":{"groups":["orders-team"]},"text":"group orders-team (demo)"},"text":"+ group orders-team (demo) may call","before":null,"after":null,"cause":"declared","source":{"file":"gatewright.yaml","line":31}},{"api":"orders","operation":"getOrder","effect":"widen","risk":true,"who":{"identity":"demo","claims":{},"text":"any demo"},"text":"+ any demo may call","before":null,"after":null,"cause":"declared","source":{"file":"gatewright.yaml","line":29}}],"steps":[{"target":"default","step":"recheck","state":"done","detail":"the gateway at 127.0.0.1:PORT still looks as in the plan"},{"target":"default","step":"stage","state":"done","detail":"3 objects, not served yet"},{"target":"default","step":"switch","state":"done","detail":"the new state is in force"},{"target":"default","step":"read back","state":"done","detail":"3 of 3 objects are what was written"},{"target":"default","step":"probe","state":"done","detail":"no token → 401 · token of another issuer → 401 · unlisted path → 404"},{"target":"default","step":"retire","state":"done","detail":"what is no longer needed is gone"}]}"#);
    insta::assert_snapshot!(documents(&machine, &["status", "--json"]), @r#"{"schema":"gatewright.io/status/v1","workspace":"shop","environments":[{"environment":"dev","change":1,"outcome":"verified","since":"TIME","halfWay":null,"halfWayIsServed":false,"pending":false,"folderHasErrors":false,"apis":[{"name":"orders","owner":null,"operations":3,"rules":2,"standing":"verified"}],"drifted":[],"notRunning":[],"refused":[],"unready":[],"held":null}],"undeclared":[],"literalSecrets":0}"#);
    insta::assert_snapshot!(documents(&machine, &["history", "--json"]), @r#"{"schema":"gatewright.io/history/v1","changes":[{"environment":"dev","change":1,"action":"apply","outcome":"verified","actor":"local","reason":null,"restores":null,"source":"sha256:HASH","effect":"sha256:HASH","plan":"p-ID","beganAt":"TIME","endedAt":"TIME","detail":null}]}"#);
}

#[test]
fn a_document_with_the_origin_of_each_line() {
    let machine = Machine::with_shop();
    insta::assert_snapshot!(machine.tells(&["show", "api/orders"]).0, @r#"
    apiVersion: gatewright.io/v1alpha1 # gatewright.yaml:21
    kind: Api # gatewright.yaml:22
    metadata: # gatewright.yaml:23
      name: orders # gatewright.yaml:23
    spec: # gatewright.yaml:24
      openapi: # gatewright.yaml:25
        file: openapi.yaml # gatewright.yaml:25
      upstream: # gatewright.yaml:26
        url: http://localhost:7072 # gatewright.yaml:26
        timeout: 30s
        passAuthorization: false
      access: # gatewright.yaml:28
        - methods: [GET] # gatewright.yaml:29
          identities: [demo] # gatewright.yaml:30
        - methods: [POST] # gatewright.yaml:31
          identities: [demo] # gatewright.yaml:32
          claims: # gatewright.yaml:33
            groups: [orders-team] # gatewright.yaml:34
      limits: # gatewright.yaml:36
        - rate: 100/1m # gatewright.yaml:37
          per: caller # gatewright.yaml:37
      targets: [default]
      validate: "off"
    "#);
    insta::assert_snapshot!(machine.tells(&["show", "environment/dev"]).0, @r#"
    apiVersion: gatewright.io/v1alpha1 # gatewright.yaml:12
    kind: Environment # gatewright.yaml:13
    metadata: # gatewright.yaml:14
      name: dev # gatewright.yaml:14
    spec: # gatewright.yaml:15
      targets: # gatewright.yaml:16
        default: # gatewright.yaml:17
          builtin: # gatewright.yaml:17
            listen: "127.0.0.1:PORT" # gatewright.yaml:17
      changes: # gatewright.yaml:18
        - actions: [view, plan, apply, rollback] # gatewright.yaml:19
          identities: [local] # gatewright.yaml:19
          deletes: true # gatewright.yaml:19
      drift: { every: 5m, then: report }
      deletions: { mode: byRule, ceiling: 5 }
    "#);
}

#[test]
fn a_workspace_round_a_document_that_is_there() {
    let machine = Machine::new();
    machine.folder.write("mine/pets.yaml", OPENAPI);
    machine.folder.write("shop/.keep", "");
    let init = ["init", "--from", "../mine/pets.yaml", "-w", "../mine"];
    insta::assert_snapshot!(machine.tells(&init).0, @r"
    wrote gatewright.yaml, environments/dev.yaml, apis/pets/api.yaml, apis/pets/openapi.yaml, .gatewright/id, .gitignore
    nobody may call anything yet: name your issuer under identities: in gatewright.yaml, then add rules under access: in apis/pets/api.yaml
    next: gatewright check -w ../mine
    ");
    insta::assert_snapshot!(machine.folder.read("mine/apis/pets/api.yaml"), @r#"
    apiVersion: gatewright.io/v1alpha1
    kind: Api
    metadata: { name: pets }
    spec:
      openapi: { file: apis/pets/openapi.yaml }
      # The service behind the gateway.
      upstream: { url: "http://localhost:3000" }
      # Who may call. What no rule grants is refused, for example:
      #   - methods: [GET]
      #     identities: [staff]
      access: []
    "#);
    insta::assert_snapshot!(machine.tells(&["check", "../mine"]).0, @r#"
    warning[GW1411]: nobody may call operation `listPets` of API `pets`
      ┌─ apis/pets/openapi.yaml:5:5
      │
    5 │ get: { operationId: listPets, responses: { "200": { description: pets } } }
      │ ^^^ listed here
      help: add a rule under `access`, or leave it: every call of it is refused

    1 warning. Nothing was sent anywhere.
    "#);
    // It writes nothing over what is there.
    assert_eq!(machine.ends("shop", &init), 2);
}

#[test]
fn the_doctor_looks_at_every_link() {
    let machine = Machine::with_shop();
    let issuer = gw_testkit::issuer::Issuer::start(&[&gw_testkit::signer::Signer::rs256("one")]);
    machine.edit("http://localhost:7071", &issuer.url());
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let (told, code) = machine.tells(&["doctor"]);
    assert_eq!(code, 0, "{told}");
    let id = machine.folder.read("shop/.gatewright/id");
    insta::assert_snapshot!(told.replace(id.trim(), "WORKSPACE-ID"), @r"
      ✔ declarations 2 files
      ✔ state ROOT/home/.local/state/gatewright/WORKSPACE-ID
      ✔ ledger 17 entries agree with the state
      ✔ clock not behind the last change
      ✔ identity demo http://TIME discovery, 1 key
      ✔ target default the gateway at 127.0.0.1:PORT answers
    0 repairs
    ");
}

#[test]
fn the_cedar_that_equals_the_rules_follows_the_document() {
    let machine = Machine::with_shop();
    let whole = machine.tells(&["show", "api/orders"]).0;
    let both = machine.tells(&["show", "api/orders", "--policies"]).0;
    let cedar = both.strip_prefix(&whole).expect("it begins with the document");
    insta::assert_snapshot!(cedar.trim(), @r#"
    @id("api/orders/access[0]")
    @source("gatewright.yaml:29")
    permit (
      principal in Gatewright::Identity::"demo",
      action == Gatewright::Action::"call",
      resource in Gatewright::Api::"orders"
    )
    when {
      ["GET"].contains(resource.method)
    };

    @id("api/orders/access[1]")
    @source("gatewright.yaml:31")
    permit (
      principal in Gatewright::Identity::"demo",
      action == Gatewright::Action::"call",
      resource in Gatewright::Api::"orders"
    )
    when {
      ["POST"].contains(resource.method) &&
      principal.hasTag("groups") && principal.getTag("groups").containsAny(["orders-team"])
    };
    "#);
}
