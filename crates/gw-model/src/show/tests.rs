use insta::assert_snapshot;

use super::*;
use crate::load::{load, tests::folder};

fn shown(object: &Object) -> String {
    let declarations = load(&folder()).declarations.unwrap();
    let lines = declarations.show(object).unwrap();
    let line = |line: &Line| {
        let origins: Vec<String> = line.origins.iter().map(ToString::to_string).collect();
        let origins = if origins.is_empty() { "default".to_owned() } else { origins.join(", ") };
        format!("{:<48} # {origins}", line.text)
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_line_has_its_origin() {
    let (api, environment) = ("orders".parse().unwrap(), "dev".parse().unwrap());
    assert_snapshot!(shown(&Object::Api { api, environment }), @r#"
    apiVersion: gatewright.io/v1alpha1               # apis/orders/api.yaml:1
    kind: Api                                        # apis/orders/api.yaml:2
    metadata:                                        # apis/orders/api.yaml:3
      name: orders                                   # apis/orders/api.yaml:3
    spec:                                            # apis/orders/api.yaml:4
      owner: orders-team                             # apis/orders/api.yaml:5
      openapi:                                       # apis/orders/api.yaml:6
        file: apis/orders/openapi.yaml               # apis/orders/api.yaml:6
      upstream:                                      # apis/orders/api.yaml:7
        url: https://orders.example.com              # apis/orders/api.yaml:8, environments/dev.yaml:5
        auth:                                        # apis/orders/api.yaml:9
          header:                                    # apis/orders/api.yaml:9
            name: X-Api-Key                          # apis/orders/api.yaml:9
            secret: orders-key                       # apis/orders/api.yaml:9
        timeout: 30s                                 # default
        passAuthorization: false                     # default
      access:                                        # apis/orders/api.yaml:10
        - methods: [GET]                             # apis/orders/api.yaml:11
          identities: [staff]                        # apis/orders/api.yaml:11
        - operations: [createOrder]                  # apis/orders/api.yaml:12
          identities: [staff]                        # apis/orders/api.yaml:13
          claims:                                    # apis/orders/api.yaml:14
            groups: [testers]                        # apis/orders/api.yaml:14, environments/dev.yaml:5
      limits:                                        # apis/orders/api.yaml:15
        - rate: 100/1m                               # apis/orders/api.yaml:16
          per: caller                                # apis/orders/api.yaml:16
      targets: [default]                             # default
      validate: "off"                                # default
    "#);
    assert_snapshot!(shown(&Object::Environment("dev".parse().unwrap())), @r#"
    apiVersion: gatewright.io/v1alpha1               # environments/dev.yaml:1
    kind: Environment                                # environments/dev.yaml:2
    metadata:                                        # environments/dev.yaml:3
      name: dev                                      # environments/dev.yaml:3
    spec:                                            # environments/dev.yaml:4
      values:                                        # environments/dev.yaml:5
        domain: example.com                          # environments/dev.yaml:5
        group: testers                               # environments/dev.yaml:5
      targets:                                       # environments/dev.yaml:6
        default:                                     # environments/dev.yaml:6
          builtin: {}                                # environments/dev.yaml:6
      secrets:                                       # environments/dev.yaml:7
        files:                                       # environments/dev.yaml:7
          directory: ".secrets"                      # environments/dev.yaml:7
      changes:                                       # environments/dev.yaml:8
        - actions: [view, plan, apply]               # environments/dev.yaml:9
          identities: [local, operators]             # environments/dev.yaml:9
          deletes: false                             # default
      drift: { every: 5m, then: report }             # default
      deletions: { mode: byRule, ceiling: 5 }        # default
    "#);
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let declarations = load(&folder()).declarations.unwrap();
    let name: EnvironmentName = "dev".parse().unwrap();
    let lines = declarations.show(&Object::Environment(name.clone())).unwrap();
    let text: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    let mut again = folder();
    again.files.insert("environments/dev.yaml".to_owned(), text.join("\n"));
    let again = load(&again).declarations.unwrap().desired(&name).unwrap();
    let once = declarations.desired(&name).unwrap();
    let (again, once) = (&again.spec, &once.spec);
    assert_eq!((&again.values, &again.targets), (&once.values, &once.targets));
    assert_eq!((&again.drift, &again.deletions), (&once.drift, &once.deletions));
}
