//! What no command can be brought to say on one machine, told by the words of the command line: a
//! target that is busy, that moves between two steps, or that lies.

use std::path::PathBuf;

use gw_control::{
    apply::{Halt, Reach},
    engine::EngineError,
    store::ActName,
};
use gw_model::id::TargetName;
use gw_plan::driver::{Answer, Fate, ObjectKey, Probed, TargetError};
use gw_policy::generation::Part;

use crate::{exit::Failure, ui::failure_text};

fn target() -> TargetName {
    TargetName::parse("edge").unwrap()
}

fn stopped(step: ActName, error: TargetError) -> EngineError {
    EngineError::Halt(Halt::HalfWay { step, target: target(), reach: Reach::Former, error })
}

/// Beside the cases that the binary can be brought to, in `tests/all/codes`.
#[test]
fn what_only_a_foreign_target_does_has_its_golden_text() {
    let place = || "the gateway of edge".to_owned();
    let moved = TargetError::Moved {
        place: place(),
        expected: Some("7".to_owned()),
        found: Some("8".to_owned()),
    };
    let busy = TargetError::Busy { place: place(), after_ms: 500 };
    let differs = TargetError::Differs {
        place: place(),
        objects: vec![ObjectKey { kind: Part::API.to_owned(), name: "orders".to_owned() }],
    };
    let misbehaves = TargetError::Misbehaves {
        place: place(),
        probe: "no token: GET /orders".to_owned(),
        expected: Answer::Status(401),
        probed: Probed { status: 200, fate: Fate::Refused },
    };
    let cases = [
        ("GW3101", EngineError::OnlyBuiltin { target: target() }),
        ("GW3104", EngineError::Halt(Halt::NotBegun(moved))),
        ("GW3202", stopped(ActName::Write, busy)),
        ("GW3204", stopped(ActName::ReadBack, differs)),
        ("GW3205", stopped(ActName::Probe, misbehaves)),
    ];
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/all/codes"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (code, error) in &cases {
            let failure = Failure::from(error);
            assert_eq!(failure.code.map(|code| code.to_string()).as_deref(), Some(*code));
            let text = anstream::adapter::strip_str(&failure_text(&failure)).to_string();
            insta::assert_snapshot!(*code, format!("{text}exit {}", failure.exit as u8));
        }
    });
}
