use super::*;

fn remembered(folder: &Path) -> Result<Option<u64>, String> {
    let (memory, _thread) = Memory::begin(folder).expect("a thread");
    memory.highest()
}

#[test]
fn the_last_number_is_remembered_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(remembered(folder.path()), Ok(None));
    let (mut memory, thread) = Memory::begin(folder.path()).expect("a thread");
    for number in 1..=100 {
        memory.keep(number);
        assert_eq!(memory.highest(), Ok(Some(number)));
    }
    drop(memory);
    thread.join().expect("it ends");
    assert_eq!(remembered(folder.path()), Ok(Some(100)));
}

#[test]
fn what_cannot_be_read_or_written_is_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(LAST_SERVED), "many").expect("written");
    let unreadable = remembered(folder.path());
    assert!(unreadable.is_err_and(|why| why.contains("holds no number")));

    // A folder stands where the file would be written first.
    fs::remove_file(folder.path().join(LAST_SERVED)).expect("removed");
    fs::create_dir(folder.path().join("last-served.new")).expect("made");
    let (mut memory, thread) = Memory::begin(folder.path()).expect("a thread");
    memory.keep(1);
    let fault = Arc::clone(&memory.fault);
    drop(memory);
    thread.join().expect("it ends");
    assert!(fault.lock().as_ref().is_some_and(|why| why.contains("cannot be written")));
}
