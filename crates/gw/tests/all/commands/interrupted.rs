//! An apply that is interrupted half way leaves a journal by which it goes on.

use std::{
    fs, io,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::Stdio,
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use super::machine::{Machine, signal};

/// No step takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Hands one connection on to the socket behind.
fn relay(here: UnixStream, behind: &Path) -> io::Result<()> {
    let there = UnixStream::connect(behind)?;
    let (mut from_here, mut to_there) = (here.try_clone()?, there.try_clone()?);
    let (mut from_there, mut to_here) = (there, here);
    thread::spawn(move || io::copy(&mut from_here, &mut to_there));
    thread::spawn(move || io::copy(&mut from_there, &mut to_here));
    Ok(())
}

/// The socket of the gateway answers until the switch was made, and then keeps everybody waiting: so
/// the interruption comes between the switch and its proof.
#[test]
fn an_apply_that_is_interrupted_ends_with_130_and_goes_on_when_run_again() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("100/1m", "60/1m");
    let folder = machine.state().join("targets/dev/default");
    let (socket, behind) = (folder.join("gateway.sock"), folder.join("behind.sock"));
    fs::rename(&socket, &behind).expect("the gateway has a socket");
    let listener = UnixListener::bind(&socket).expect("its place is free");
    let (hold, held) = channel();
    let current = folder.join("current");
    let before = fs::read_to_string(&current).expect("something is in force");
    let relaying = behind.clone();
    thread::spawn(move || {
        for here in listener.incoming() {
            let here = here.expect("a connection");
            if fs::read_to_string(&current).is_ok_and(|now| now == before) {
                relay(here, &relaying).expect("the gateway runs");
            } else if hold.send(here).is_err() {
                return;
            }
        }
    });
    let apply = machine
        .program("shop", &["apply"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    let waiting = held.recv_timeout(PATIENCE).expect("it asks after the switch");
    signal("INT", &apply);
    let ended = apply.wait_with_output().expect("it ends");
    assert_eq!(ended.status.code(), Some(130));
    let told = String::from_utf8(ended.stderr).expect("it is text");
    let left = "interrupted; change 2 had begun, and goes on with `gatewright apply`\n";
    assert!(told.ends_with(left), "{told}");
    drop(waiting);

    fs::rename(&behind, &socket).expect("it goes back");
    let (told, _) = machine.tells(&["status"]);
    assert!(told.contains("change 2 stopped half way"), "{told}");
    let served = "in force change 2, switched to and not verified; before it change 1";
    assert!(told.contains(served), "{told}");
    assert!(told.contains("2 rules · not verified"), "{told}");
    assert!(!told.contains("the folder says something else"), "{told}");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 0);
    assert!(machine.says(&["status"]).contains("change 2, verified"));
    assert_eq!(gateway.call("GET", "/orders").status, 401);
}
