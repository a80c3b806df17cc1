//! Declarations as a source has them: read once, and judged as far as files alone can be.

use std::collections::BTreeSet;

use gw_model::{
    desired::Desired,
    diagnostic::{Diagnostic, Severity},
    id::EnvironmentName,
    load::{Declarations, load},
    source::Sources,
};
use gw_plan::digest::Digest;
use gw_policy::check;
use time::Date;

use crate::source::Snapshot;

#[derive(Debug)]
pub struct Declared {
    /// Every text, for whoever shows where something is wrong.
    pub sources: Sources,
    /// None where the files say too little to go on.
    pub declarations: Option<Declarations>,
    /// What was found while reading; the rest is found environment by environment.
    pub found: Vec<Diagnostic>,
    /// The *source* digest, over the files that say something. Others were only looked into, and may
    /// come and go.
    pub digest: Digest,
}

impl Declared {
    pub fn read(files: &dyn Snapshot) -> Self {
        let loaded = load(files);
        let sources = loaded.sources;
        let says: BTreeSet<&str> = sources.files().map(|(_, file)| file.path.as_str()).collect();
        let mut read = files.was_read();
        read.retain(|path, _| says.contains(path.as_str()));
        let digest =
            Digest::of_named(read.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())));
        Self { sources, declarations: loaded.declarations, found: loaded.diagnostics, digest }
    }

    /// The declarations, where nothing is wrong with them.
    pub fn faultless(&self) -> Option<&Declarations> {
        let wrong = self.found.iter().any(|found| found.severity() == Severity::Error);
        self.declarations.as_ref().filter(|_| !wrong)
    }

    /// Whether the environment is one of the declared ones.
    pub fn declares(&self, environment: &EnvironmentName) -> bool {
        let declarations = self.declarations.as_ref();
        declarations.is_some_and(|it| it.environments().any(|(name, _)| name == environment))
    }

    /// Everything there is to say about the declarations, in every environment, each thing once.
    /// `more` tells of an environment what only its targets know.
    pub fn check(
        &self,
        today: Date,
        more: impl Fn(&Desired) -> Vec<Diagnostic>,
    ) -> Vec<Diagnostic> {
        let mut found = self.found.clone();
        if let Some(declarations) = &self.declarations {
            let environments: Vec<&Desired> = declarations.desired_everywhere().collect();
            let policies = check::policies(&environments);
            let findings = environments.iter().flat_map(|one| check::findings(one, today));
            let others = environments.iter().flat_map(|one| more(one));
            let told = policies.into_iter().chain(findings).chain(others);
            found.extend(told.map(|finding| declarations.locate(finding)));
        }
        let mut once: Vec<Diagnostic> = vec![];
        for diagnostic in found {
            if !once.contains(&diagnostic) {
                once.push(diagnostic);
            }
        }
        once
    }
}
