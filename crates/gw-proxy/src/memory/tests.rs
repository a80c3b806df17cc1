use super::*;

fn remembered(home: &Home) -> Result<Option<LastServed>, String> {
    let (memory, _thread) = Memory::begin(home).expect("a thread");
    memory.last()
}

fn served(number: u64) -> LastServed {
    LastServed { number, listen: Some(([127, 0, 0, 1], 8080).into()) }
}

#[test]
fn what_was_served_last_is_remembered_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::open(folder.path()).expect("a home");
    assert_eq!(remembered(&home), Ok(None));
    assert!(!served_before(folder.path()));
    let (mut memory, thread) = Memory::begin(&home).expect("a thread");
    for number in 1..=100 {
        memory.keep(served(number));
        assert_eq!(memory.last(), Ok(Some(served(number))));
    }
    drop(memory);
    thread.join().expect("it ends");
    assert_eq!(remembered(&home), Ok(Some(served(100))));
    assert!(served_before(folder.path()));
    // As it was written before addresses were.
    fs::write(home.last_served(), "7").expect("written");
    assert_eq!(remembered(&home), Ok(Some(LastServed { number: 7, listen: None })));
}

#[test]
fn what_cannot_be_read_or_written_is_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let home = Home::open(folder.path()).expect("a home");
    fs::write(home.last_served(), "many").expect("written");
    let unreadable = remembered(&home);
    assert!(unreadable.is_err_and(|why| why.contains("holds no number")));

    // A folder stands where the file would be written first.
    fs::remove_file(home.last_served()).expect("removed");
    fs::create_dir(folder.path().join("last-served.new")).expect("made");
    let (mut memory, thread) = Memory::begin(&home).expect("a thread");
    memory.keep(served(1));
    let fault = Arc::clone(&memory.fault);
    drop(memory);
    thread.join().expect("it ends");
    assert!(fault.lock().as_ref().is_some_and(|why| why.contains("cannot be written")));
}
