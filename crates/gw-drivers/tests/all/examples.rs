//! Every environment of the design's examples, on a builtin target: it can be planned, the rules
//! that the example itself declares let it through, and a plan after its apply is empty.
//!
//! What the builtin gateway has no engine for, and what no plan takes, is made otherwise in the copy;
//! `SWAPS` lists all of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use gw_drivers::registry::Registry;
use gw_model::{
    desired::Desired,
    environment::ChangeAction,
    id::{EnvironmentName, IdentityName, PersonName, TargetName, TeamName},
    load::{Files, ReadError, load},
};
use gw_plan::{
    digest::Digest,
    driver::{Condition, Driver, Object, Observed, Order, Stamp, read_back},
    plan::{InForce, Inputs, Planned, TargetInput, plan},
};
use gw_policy::{
    change::{Asked, CommitFacts},
    principal::{Caller, Principal},
};
use tempfile::TempDir;

use super::{
    gateway::Gateway,
    shop::{NOW, registry},
};

/// Which files, which key with everything below it, and what stands there instead.
const SWAPS: [(&str, &str, &str); 8] = [
    // Other kinds of target have no driver yet.
    ("/environments/", "apim", "builtin: {}"),
    ("/environments/", "tyk", "builtin: {}"),
    // Stores that this version cannot read.
    ("", "azureKeyVault", "files: { directory: .secrets }"),
    ("", "hashicorpVault", "files: { directory: .secrets }"),
    // Accepted for ever, which a plan refuses.
    (
        "1-bitbucket-apim/environments/prod.yaml",
        "because",
        "because: two regions count apart\n      until: 2999-12-31",
    ),
    // A credential that only a machine in Azure has.
    ("1-bitbucket-apim/apis/quotes/api.yaml", "auth", ""),
    // One process serves a builtin target, and callers cannot prove themselves by webhook yet.
    ("3-webhook-fastapi/", "builtin", "builtin: { listen: \"0.0.0.0:8443\" }"),
    (
        "3-webhook-fastapi/",
        "signedWebhook",
        "oidc: { issuer: \"https://hooks.acme.test\", audiences: [hooks] }",
    ),
];

/// A folder of the examples, with the swaps made as it is read.
struct Copy(PathBuf);

impl Files for Copy {
    fn paths(&self) -> Vec<String> {
        let mut paths = vec![];
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    paths.push(path.strip_prefix(&self.0).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        paths.sort();
        paths
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let whole = self.0.join(path);
        let text = std::fs::read_to_string(&whole).map_err(|it| ReadError(it.to_string()))?;
        let here = whole.to_str().unwrap();
        let swaps = SWAPS.iter().filter(|(file, _, _)| here.contains(file));
        Ok(swaps.fold(text, |text, (_, key, by)| swap(&text, key, by)).into_bytes())
    }
}

/// Puts one line in the place of a key of block style and of everything that is indented below it.
fn swap(text: &str, key: &str, by: &str) -> String {
    let mut swapped = String::new();
    let mut below = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        if below.is_some_and(|outer| indent > outer) {
            continue;
        }
        below = None;
        if line.trim_start().starts_with(&format!("{key}:")) {
            below = Some(indent);
            swapped.push_str(&format!("{:indent$}{by}\n", ""));
        } else {
            swapped.push_str(&format!("{line}\n"));
        }
    }
    swapped
}

fn folders() -> Vec<PathBuf> {
    let Some(examples) = gw_testkit::shared::folder("design/examples") else { return vec![] };
    let mut folders = vec![examples.join("orders")];
    let scenarios = std::fs::read_dir(examples.join("scenarios")).unwrap();
    folders.extend(scenarios.map(|entry| entry.unwrap().path()));
    folders.sort();
    assert_eq!(folders.len(), 6);
    folders
}

fn environments(folder: &Path) -> Vec<Arc<Desired>> {
    let loaded = load(&Copy(folder.to_owned()));
    let told: Vec<_> = loaded.diagnostics.iter().map(|found| &found.message).collect();
    let declarations = loaded.declarations.unwrap_or_else(|| unreachable!("{folder:?}: {told:?}"));
    let names: Vec<_> = declarations.environments().map(|(name, _)| name.clone()).collect();
    names.iter().map(|name| declarations.desired(name).unwrap()).collect()
}

/// Whoever the examples let apply, with every fact that their rules ask for.
fn asked() -> Asked {
    let principal = |identity: &str, subject: &str| Principal {
        identity: IdentityName::parse(identity).unwrap(),
        issuer: format!("https://{identity}.test"),
        subject: subject.to_owned(),
        claims: BTreeMap::from([("sub".to_owned(), BTreeSet::from([subject.to_owned()]))]),
        expires_at: None,
    };
    let principals = vec![
        principal("pipeline", "step"),
        principal("flux", "system:serviceaccount:gateways:gatewright"),
    ];
    Asked {
        action: ChangeAction::Apply,
        actor: Caller { principals },
        commit: Some(CommitFacts {
            sha: "9f2c1e7d0a".to_owned(),
            branches: BTreeSet::from(["main".to_owned()]),
            tags: BTreeSet::new(),
            signed: true,
            unproven: None,
        }),
        approvers: BTreeSet::from([PersonName::parse("mira").unwrap()]),
        approver_teams: BTreeSet::from([TeamName::parse("security").unwrap()]),
        authors: BTreeSet::new(),
        approvals: 2,
        verified_in: BTreeSet::from([EnvironmentName::parse("staging").unwrap()]),
        at: NOW,
    }
}

struct Bench {
    registry: Registry,
    target: TargetName,
    driver: Box<dyn Driver>,
}

impl Bench {
    fn of(state: &Path, desired: &Desired) -> Self {
        let registry = registry(state, 7);
        let (target, declared) = desired.spec.targets.first_key_value().unwrap();
        assert_eq!(desired.spec.targets.len(), 1);
        let driver = registry.open(&desired.environment, target, declared).unwrap();
        Self { registry, target: target.clone(), driver }
    }

    fn plan(
        &self,
        desired: &Arc<Desired>,
        applied: Option<&[Object]>,
        observed: Observed,
    ) -> Planned {
        plan(Inputs {
            workspace_id: &self.registry.workspace_id,
            source: Digest::of_bytes(b"files"),
            declared: desired,
            in_force: applied.map(|_| InForce { change: 1, at: NOW, desired }),
            targets: vec![TargetInput {
                target: &self.target,
                driver: &*self.driver,
                written: applied.unwrap_or_default().to_vec(),
                observed,
            }],
            only: &BTreeSet::new(),
            asked: &asked(),
            owners: None,
            subject: None,
        })
    }
}

/// Plans and applies one environment, and says what the first plan told beside its effects.
async fn settle(desired: &Arc<Desired>) -> Vec<String> {
    let state = TempDir::new().unwrap();
    let bench = Bench::of(state.path(), desired);
    let folder = bench.registry.folder(&desired.environment, &bench.target);
    let _gateway = Gateway::serve(folder, &desired.environment, 7, None).await;

    let observed = bench.driver.observe().await.unwrap();
    let Planned { plan: first, script, .. } = bench.plan(desired, None, observed);
    let notes = first.notes.iter().map(|note| format!("{} {}", note.code, note.text)).collect();
    assert!(!first.has_errors() && first.allowed(), "{notes:?} {:?}", first.decision);
    let [part] = script.targets.as_slice() else { unreachable!("one target") };
    let stamp = &Stamp { change: 1, effect: first.digests.effect.total(), at: NOW };
    let condition = &Condition { version: part.version.clone() };
    for step in &part.steps {
        let order = Order { step, wanted: &part.wanted, stamp, condition };
        bench.driver.step(order).await.unwrap();
    }

    let observed = bench.driver.observe().await.unwrap();
    assert_eq!(read_back(&*bench.driver, &part.wanted, &observed), Ok(()));
    let second = bench.plan(desired, Some(&part.wanted), observed).plan;
    assert!(second.is_empty() && second.targets[0].differences.is_empty(), "{second:?}");
    notes
}

/// Shows S0.23: holds
#[tokio::test]
async fn a_plan_after_an_apply_is_empty_in_every_environment_of_the_examples() {
    let mut told = vec![];
    for folder in folders() {
        for desired in environments(&folder) {
            let notes = settle(&desired).await;
            let name = folder.file_name().unwrap().to_str().unwrap();
            told.push(format!("{name} {}", desired.environment));
            told.extend(notes.into_iter().map(|note| format!("  {note}")));
        }
    }
    if told.is_empty() {
        return;
    }
    assert_eq!(told.iter().filter(|line| !line.starts_with(' ')).count(), 8);
    insta::assert_snapshot!(told.join("\n"));
}
