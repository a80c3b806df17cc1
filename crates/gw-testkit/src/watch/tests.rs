use std::{hint::black_box, os::unix::process::ExitStatusExt};

use super::*;
use crate::absent::not_run;

/// What the tests below watch: ten times the work, ten times the instructions.
#[test]
fn something_to_watch() {
    for rounds in [1_000, 10_000] {
        black_box(do_work_for_the_watcher(black_box(rounds)));
    }
    assert!(fs::metadata("/nowhere/but/seen").is_err());
}

#[inline(never)]
fn do_work_for_the_watcher(rounds: u64) -> u64 {
    let held = black_box(vec![1_u8; 10_000]);
    (0..rounds).fold(0, |sum, round| black_box(sum ^ round)) + u64::from(held[0])
}

fn watcher(program: Program) -> Option<Watcher> {
    Watcher::find(program).map_err(|said| not_run(&said)).ok()
}

const TEST: &str = "watch::tests::something_to_watch";

#[test]
fn system_calls_are_seen_with_their_thread() {
    let Some(watcher) = watcher(Program::Strace) else { return };
    let calls = watcher.system_calls(TEST, "%file");
    let seen = calls.iter().find(|call| call.path() == Some("/nowhere/but/seen")).unwrap();
    assert!(["statx", "stat", "newfstatat"].contains(&seen.name()), "{}", seen.name());
    assert_eq!(seen.thread, "watch::tests::s");
}

#[test]
fn instructions_and_memory_are_those_of_the_function() {
    let Some(watcher) = watcher(Program::Valgrind) else { return };
    let function = "gw_testkit::watch::tests::do_work_for_the_watcher";
    let instructions = watcher.instructions(TEST, function);
    let [few, many] = instructions.as_slice() else { unreachable!("two calls: {instructions:?}") };
    assert!(few * 3 < *many && *many < few * 12, "{instructions:?}");
    assert_eq!(watcher.heap(TEST, &[function]), [20_000]);
}

#[test]
fn a_program_is_killed_before_a_call_is_done() {
    if watcher(Program::Strace).is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let places = ["first", "second", "third"].map(|name| folder.path().join(name));
    let there = || places.each_ref().map(|place| place.exists());
    let run = |kill: Kill<'_>| {
        let mut program = Command::new("strace");
        program.args(kill.arguments()).arg("mkdir").args(&places).output().unwrap().status
    };
    let about = &places[1..];
    let kill = Kill { call: "mkdir", nth: 2, counted: Counted::About(about) };
    assert_eq!(run(kill).signal(), Some(9));
    assert_eq!(there(), [true, true, false]);
    let kill = Kill { counted: Counted::OfFirstThread, nth: 3, ..kill };
    assert_eq!(run(kill).signal(), Some(9));
    assert_eq!(there(), [true, true, false]);
    let ended = run(Kill { nth: 4, ..kill });
    assert_eq!((ended.signal(), there()), (None, [true; 3]));
}
