//! The ways of being an identity, taken apart so that one more audience is a widening, one less a
//! narrowing, and another issuer both.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use gw_model::{
    scalar::Period,
    workspace::{Identity, Oidc},
};

/// One way of being an identity: an issuer with one of its audiences, one authority, one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proof {
    /// What is asked for, by its name in people's words.
    facets: BTreeMap<&'static str, String>,
    /// A larger allowance takes every token that a smaller one takes.
    skew: Option<Period>,
}

/// In which ways callers prove an identity, as far as that tells them from others: the values of each
/// facet, in every combination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proved(pub BTreeMap<&'static str, BTreeSet<String>>);

const SKEW: &str = "clock skew";

impl Proof {
    fn new<const N: usize>(facets: [(&'static str, String); N]) -> Self {
        Self { facets: facets.into(), skew: None }
    }

    pub(super) fn accepts(&self, other: &Self) -> bool {
        self.facets == other.facets && self.skew >= other.skew
    }

    fn words(&self) -> BTreeMap<&'static str, String> {
        let mut words = self.facets.clone();
        words.extend(self.skew.map(|skew| (SKEW, skew.to_string())));
        words
    }
}

/// Takes an identity apart into alternatives.
pub(super) fn proofs_of(identity: &Identity) -> Vec<Proof> {
    match identity {
        Identity::Oidc(oidc) => of_issuer(oidc),
        Identity::BitbucketPipelines { audience, repositories } => std::iter::once("this one")
            .chain(repositories.iter().map(String::as_str))
            .map(|repository| {
                Proof::new([
                    ("kind", "pipeline".to_owned()),
                    ("audience", audience.clone()),
                    ("repository", repository.to_owned()),
                ])
            })
            .collect(),
        Identity::SignedWebhook { provider, header, secret, remember } => {
            vec![Proof::new([
                ("kind", "signed webhook".to_owned()),
                ("provider", provider.as_str().to_owned()),
                ("header", header.clone().unwrap_or_else(|| "as the provider has it".to_owned())),
                ("secret", secret.to_string()),
                ("remembered for", remember.to_string()),
            ])]
        }
        Identity::ClientCertificate { authorities } => authorities
            .iter()
            .map(|authority| {
                Proof::new([
                    ("kind", "client certificate".to_owned()),
                    ("authority", authority.to_string()),
                ])
            })
            .collect(),
        Identity::AwsIam { audience, accounts, arns } => {
            let any = ["*".to_owned()];
            let arns = if arns.is_empty() { &any[..] } else { arns };
            let proof = |account: &String, arn: &String| {
                Proof::new([
                    ("kind", "AWS identity".to_owned()),
                    ("audience", audience.clone()),
                    ("account", account.clone()),
                    ("ARN", arn.clone()),
                ])
            };
            accounts
                .iter()
                .flat_map(|account| arns.iter().map(move |arn| proof(account, arn)))
                .collect()
        }
    }
}

fn of_issuer(oidc: &Oidc) -> Vec<Proof> {
    let Oidc { issuer, audiences, subject, algorithms, clock_skew, rename } = oidc;
    let renamed = rename.iter().map(|(claim, path)| format!("{claim} from {path}"));
    let renamed = renamed.collect::<Vec<_>>().join(" and ");
    let mut proofs = vec![];
    for audience in audiences {
        for algorithm in algorithms {
            let mut proof = Proof::new([
                ("kind", "token".to_owned()),
                ("issuer", issuer.clone()),
                ("subject", subject.clone()),
                ("audience", audience.clone()),
                ("algorithm", algorithm.as_str().to_owned()),
                (
                    "claims",
                    if renamed.is_empty() { "as they are".to_owned() } else { renamed.clone() },
                ),
            ]);
            proof.skew = Some(*clock_skew);
            proofs.push(proof);
        }
    }
    proofs
}

/// What tells some proofs of an identity from its other ones, and from those of the other side:
/// nothing where it is all of them and the other side takes one of them.
pub(super) fn tell_apart(some: &[&Proof], all: &[Proof], others: &[&Proof]) -> Vec<Proved> {
    let accepted = some.iter().any(|proof| others.iter().any(|other| other.accepts(proof)));
    if others.is_empty() || (some.len() == all.len() && accepted) {
        return vec![];
    }
    let mut rest: Vec<BTreeMap<&'static str, String>> =
        all.iter().filter(|proof| !some.contains(proof)).map(Proof::words).collect();
    if !accepted {
        rest.extend(others.iter().map(|proof| proof.words()));
    }
    let told: Vec<BTreeMap<&'static str, String>> =
        some.iter().map(|proof| proof.words()).collect();
    let own = facets(&told);
    let product: usize = own.values().map(BTreeSet::len).product();
    let alternatives = if product == told.len() {
        vec![own]
    } else {
        told.iter().map(|one| facets(std::slice::from_ref(one))).collect()
    };
    let known = facets(&rest);
    let differs = |facet: &str, values: &BTreeSet<String>| known.get(facet) != Some(values);
    let distinct = alternatives.into_iter().map(|mut facets| {
        if product == told.len() {
            facets.retain(|facet, values| differs(facet, values));
        }
        Proved(facets)
    });
    distinct.filter(|Proved(facets)| !facets.is_empty()).collect()
}

fn facets(proofs: &[BTreeMap<&'static str, String>]) -> BTreeMap<&'static str, BTreeSet<String>> {
    let mut facets: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
    for proof in proofs {
        for (facet, value) in proof {
            facets.entry(facet).or_default().insert(value.clone());
        }
    }
    facets
}

/// `issuer https://login.test and audience a or b`.
impl fmt::Display for Proved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (facet, values)) in self.0.iter().enumerate() {
            let and = if place == 0 { "" } else { " and " };
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            write!(f, "{and}{facet} {}", values.join(" or "))?;
        }
        Ok(())
    }
}
