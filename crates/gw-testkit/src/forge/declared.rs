//! What the repository declares: one API, who may call it, and who decides about it.

use gw_model::id::WorkspaceId;

use super::Forge;

/// Who signs the tokens of callers and of people, where nobody asks it anything.
pub const ISSUER: &str = "https://login.example.com";

pub const OPENAPI: &str = r#"openapi: 3.0.3
info: { title: orders, version: "1" }
paths:
  /orders:
    get: { operationId: listOrders, responses: { "200": { description: ok } } }
    post: { operationId: createOrder, responses: { "201": { description: made } } }
"#;

pub const POLICY: &str = r#"@id("widening-needs-security")
@reason("giving anyone new access needs a review by security")
forbid (principal, action == Gatewright::Action::"apply", resource)
when { context.plan.widensAccess }
unless { context.approverTeams.contains("security") };
"#;

pub fn workspace_id() -> WorkspaceId {
    WorkspaceId::from_random([7; 16])
}

/// Who may call, with the groups that may create orders, and how often.
pub fn api(groups: &str, rate: &str) -> String {
    format!(
        "apiVersion: gatewright.io/v1alpha1
kind: Api
metadata: {{ name: orders }}
spec:
  owner: orders-team
  openapi: {{ file: apis/orders/openapi.yaml }}
  upstream: {{ url: http://127.0.0.1:9 }}
  access:
    - {{ methods: [GET], identities: [staff] }}
    - {{ methods: [POST], identities: [staff], claims: {{ groups: [{groups}] }} }}
  limits:
    - {{ rate: {rate}, per: caller }}
"
    )
}

impl Forge {
    /// Everything that a workspace declares, with these lines of `identities` and this environment.
    pub fn files(&self, identities: &str, environment: String) -> Vec<(&'static str, String)> {
        vec![
            (".gatewright/id", format!("{}\n", workspace_id().as_str())),
            ("gatewright.yaml", self.workspace_file(identities)),
            ("environments/prod.yaml", environment),
            ("policies/changes.cedar", POLICY.to_owned()),
            ("apis/orders/api.yaml", api("orders-team", "100/1m")),
            ("apis/orders/openapi.yaml", OPENAPI.to_owned()),
        ]
    }

    fn workspace_file(&self, identities: &str) -> String {
        format!(
            "apiVersion: gatewright.io/v1alpha1
kind: Workspace
metadata: {{ name: acme }}
spec:
  source:
    bitbucket:
      repository: acme/apis
      repositoryUuid: \"{}\"
      workspaceUuid: \"{}\"
  identities:
{identities}  people:
    ann: {{ bitbucket: \"{}\", subjects: {{ operators: ann }} }}
    bob: {{ bitbucket: \"{}\", subjects: {{ operators: bob }} }}
    carol: {{ bitbucket: \"{}\", subjects: {{ operators: carol }} }}
  teams:
    security: {{ people: [carol] }}
",
            self.repository, self.workspace, self.ann.uuid, self.bob.uuid, self.carol.uuid
        )
    }
}
