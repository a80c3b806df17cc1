//! Wrong declarations and what is said about them: every case beside its golden answer, in
//! `crates/gw-model/tests/all/wrong`. `base.txt` is a right folder; a case changes some of its files.
//!
//! `-- PATH --` begins a whole file. `-- PATH: edit --` replaces the lines behind `<` by those behind
//! `>`, `-- PATH: hex --` gives bytes, `-- PATH: gone --` takes the file away.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use gw_model::{
    code::Code,
    diagnostic::Diagnostic,
    load::{Files, ReadError, load},
    source::Sources,
};
use time::{Date, macros::date};

use super::{Paint, Summary, text};

/// The day on which all of this is read.
const TODAY: Date = date!(2026 - 11 - 27);

/// Codes of declarations that only `plan` and `apply` tell. This list may only shrink.
const WITHOUT_CASE: [Code; 1] = [Code::NoWorkspaceId];

#[derive(Clone, Debug, Default)]
struct Folder(BTreeMap<String, Vec<u8>>);

impl Files for Folder {
    fn paths(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        self.0.get(path).cloned().ok_or_else(|| ReadError("there is no such file".to_owned()))
    }
}

impl Folder {
    fn take(&mut self, heading: &str, body: &str) {
        let (path, kind) = heading.split_once(": ").unwrap_or((heading, "whole"));
        match kind {
            "whole" => {
                self.0.insert(path.to_owned(), body.as_bytes().to_vec());
            }
            "edit" => {
                let lines = |sign| {
                    let behind = body.lines().filter_map(move |line| line.strip_prefix(sign));
                    behind.map(|line| format!("{line}\n")).collect::<String>()
                };
                let (old, new) = (lines("< "), lines("> "));
                let file = self.0.get_mut(path).unwrap();
                let before = String::from_utf8(file.clone()).unwrap();
                assert_eq!(before.matches(&old).count(), 1, "{heading}: {old}");
                *file = before.replace(&old, &new).into_bytes();
            }
            "hex" => {
                let digits: Vec<u32> =
                    body.trim().chars().map(|c| c.to_digit(16).unwrap()).collect();
                let bytes =
                    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap());
                self.0.insert(path.to_owned(), bytes.collect());
            }
            "gone" => assert!(self.0.remove(path).is_some(), "{heading}"),
            _ => panic!("{heading}"),
        }
    }

    fn with(mut self, case: &str) -> Self {
        let mut current: Option<(&str, String)> = None;
        for line in case.lines() {
            if let Some(heading) =
                line.strip_prefix("-- ").and_then(|line| line.strip_suffix(" --"))
            {
                if let Some((heading, body)) = current.replace((heading, String::new())) {
                    self.take(heading, &body);
                }
            } else if let Some((_, body)) = &mut current {
                body.push_str(line);
                body.push('\n');
            }
        }
        if let Some((heading, body)) = current {
            self.take(heading, &body);
        }
        self
    }
}

fn cases() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../gw-model/tests/all/wrong"))
}

/// Each case by its name, `base` among them.
fn read_cases() -> BTreeMap<String, String> {
    let files = fs::read_dir(cases()).unwrap().map(|entry| entry.unwrap().path());
    let cases = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    cases
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// What `gatewright check` finds.
fn check(folder: &Folder) -> (Vec<Diagnostic>, Sources) {
    let loaded = load(folder);
    let mut found = loaded.diagnostics;
    if let Some(declarations) = loaded.declarations {
        let environments: Vec<_> = declarations.desired_everywhere().collect();
        let findings = environments.iter().flat_map(|one| gw_policy::check::findings(one, TODAY));
        for finding in gw_policy::check::policies(&environments).into_iter().chain(findings) {
            let finding = declarations.locate(finding);
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
    }
    (found, loaded.sources)
}

#[test]
fn every_case_has_its_golden_answer() {
    let mut cases_by_name = read_cases();
    assert!(cases_by_name.len() > 80, "{}", cases_by_name.len());
    let base = Folder::default().with(&cases_by_name.remove("base").unwrap());
    let (found, sources) = check(&base);
    assert_eq!(
        Summary::of(&found, &sources).touched,
        0,
        "{}",
        text(&found, &sources, Paint::Plain)
    );
    let (mut seen, mut accepted) = (BTreeSet::new(), vec![]);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(cases());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, case) in &cases_by_name {
            let (found, sources) = check(&base.clone().with(case));
            if found.is_empty() {
                accepted.push(name);
            }
            seen.extend(found.iter().map(|diagnostic| diagnostic.code));
            insta::assert_snapshot!(name.as_str(), text(&found, &sources, Paint::Plain));
        }
    });
    assert!(accepted.is_empty(), "nothing is said about {accepted:?}");
    let unseen: Vec<_> = Code::ALL
        .iter()
        .copied()
        .filter(|code| is_of_check(*code) && !seen.contains(code))
        .collect();
    assert_eq!(unseen, WITHOUT_CASE, "codes without a case");
}

/// Whether the code is about declarations, not about targets, changes or processes.
fn is_of_check(code: Code) -> bool {
    matches!(code.number(), 1000..2000 | 4100..4200)
}

/// A pasted secret is never shown again, whatever else is said about it; a policy file is a file like
/// any other here.
/// Shows S4.1: part (history is not searched)
#[test]
fn no_answer_repeats_a_secret() {
    let cases_by_name = read_cases();
    let base = Folder::default().with(&cases_by_name["base"]);
    let secrets = [
        "AKIAQ3EGJ5TZ7WLX2MNP",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ];
    let holds = |case: &str| secrets.iter().any(|secret| case.contains(secret));
    assert!(holds(&cases_by_name["policy-secret"]));
    let mut told = 0;
    for case in cases_by_name.values().filter(|case| holds(case)) {
        let (found, sources) = check(&base.clone().with(case));
        assert!(found.iter().any(|diagnostic| diagnostic.code.number() == 1501));
        let shown = text(&found, &sources, Paint::Plain)
            + &super::machine::json(&found, &sources).to_string()
            + &super::machine::sarif(&found, &sources).to_string();
        assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
        told += 1;
    }
    assert!(told >= 4, "{told}");
}
