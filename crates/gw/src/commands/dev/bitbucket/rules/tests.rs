use super::{Place, Texts, Unfit, written};

const OPENAPI: &str = include_str!("../../../../../demo/shop/openapi.yaml");
const SHOP: &str = include_str!("../../../../../demo/shop/gatewright.yaml");

fn place() -> Place {
    Place {
        repository: "acme/shop-apis".to_owned(),
        repository_uuid: "{11111111-1111-4111-a111-111111111111}".to_owned(),
        workspace_uuid: "{22222222-2222-4222-a222-222222222222}".to_owned(),
        issuer: "http://localhost:7071".to_owned(),
        people: vec![
            ("dana".to_owned(), "{33333333-3333-4333-a333-333333333333}".to_owned(), None),
            (
                "mira".to_owned(),
                "{44444444-4444-4444-a444-444444444444}".to_owned(),
                Some("security"),
            ),
        ],
    }
}

fn with(workspace: &str) -> Texts {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    [file("gatewright.yaml", workspace), file("openapi.yaml", OPENAPI)].into()
}

#[test]
fn the_shop_gets_rules_and_keeps_the_rest() {
    let changed = written(&with(SHOP), &place()).expect("the shop can follow it");
    let names: Vec<&str> = changed.keys().map(String::as_str).collect();
    assert_eq!(names, ["gatewright.yaml", "policies/changes.cedar"]);
    let text = &changed["gatewright.yaml"];
    for line in SHOP.lines().filter(|line| !line.contains("local")) {
        assert!(text.contains(line), "{line}\n{text}");
    }
    insta::assert_snapshot!(text.split("kind: Api").next().unwrap_or_default(), @r#"
    # A workspace in one file. A larger one gives each document a file of its own.
    # Where a line of the running configuration comes from: gatewright show api/orders
    apiVersion: gatewright.io/v1alpha1
    kind: Workspace
    metadata: { name: shop }
    spec:
      source:
        bitbucket:
          repository: acme/shop-apis
          repositoryUuid: "{11111111-1111-4111-a111-111111111111}"
          workspaceUuid: "{22222222-2222-4222-a222-222222222222}"
      # Their accounts there, and who they are for the server.
      people:
        dana: { bitbucket: "{33333333-3333-4333-a333-333333333333}", subjects: { operators: dana } }
        mira: { bitbucket: "{44444444-4444-4444-a444-444444444444}", subjects: { operators: mira } }
      teams:
        security: { people: [mira] }
      identities:
        operators:
          oidc: { issuer: http://localhost:7071, audiences: [gatewright] }
        demo:
          oidc: { issuer: http://localhost:7071, audiences: [shop] }
    ---
    apiVersion: gatewright.io/v1alpha1
    kind: Environment
    metadata: { name: dev }
    spec:
      targets:
        default: { builtin: { listen: 127.0.0.1:8080 } }
      # The rules in force judge a change, also a change of these rules: see policies/changes.cedar.
      changes:
        - { actions: [view, plan, approve, rollback], identities: [operators] }
        - { actions: [apply], identities: [server, operators], commit: { branch: main }, deletes: true }
      on:
        - { event: pullRequest, do: plan }
        - { event: merge, branch: main, do: apply }
      egress: [localhost]
    ---
    apiVersion: gatewright.io/v1alpha1
    "#);
}

#[test]
fn whatever_way_it_is_written_it_stays_readable() {
    let block = SHOP.replace("source: { local: {} }", "source:\n    local: {}\n  # A remark.");
    let flow = SHOP.replace(
        "  identities:\n    demo:\n      oidc: { issuer: http://localhost:7071, audiences: [shop] }",
        "  identities: { demo: { oidc: { issuer: \"http://localhost:7071\", audiences: [shop] } } }",
    );
    let umlaut = SHOP.replace("# A workspace", "# Ein Arbeitsbereich für alle: ein workspace");
    for text in [block, flow, umlaut] {
        let changed = written(&with(&text), &place());
        let changed = changed.unwrap_or_else(|unfit| panic!("{unfit}\n{text}"));
        let text = &changed["gatewright.yaml"];
        assert!(text.contains("bitbucket:") && text.contains("operators:"), "{text}");
        assert!(!text.contains("local: {}"), "{text}");
    }
}

#[test]
fn what_is_for_another_source_is_refused_with_its_place() {
    for (from, to, refusal) in [
        (
            "source: { local: {} }",
            "source: { github: { repository: acme/apis, repositoryId: \"1\" } }",
            Unfit::Declares { what: "source", file: "gatewright.yaml".to_owned(), line: 7 },
        ),
        (
            "  source:",
            "  people: {}\n  source:",
            Unfit::Declares { what: "people", file: "gatewright.yaml".to_owned(), line: 7 },
        ),
        (
            "spec:\n  targets:\n    default: { builtin: { listen: 127.0.0.1:8080 } }\n  changes:\n    \
             - { actions: [view, plan, apply, rollback], identities: [local], deletes: true }",
            "spec: { targets: { default: { builtin: { listen: \"127.0.0.1:8080\" } } } }",
            Unfit::Dense { what: "spec", file: "gatewright.yaml".to_owned(), line: 15 },
        ),
    ] {
        let text = SHOP.replace(from, to);
        assert_ne!(text, SHOP, "{from}");
        assert_eq!(written(&with(&text), &place()), Err(refusal), "{text}");
    }
}
