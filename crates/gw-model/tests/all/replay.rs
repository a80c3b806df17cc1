//! What fuzzing runs, over every input that is kept.

use gw_testkit::corpus::replay;

#[path = "../../../../fuzz/harness/document.rs"]
mod document;
#[path = "../../../../fuzz/harness/openapi.rs"]
mod openapi;

#[test]
fn documents_replay() {
    replay("document", document::run);
}

#[test]
fn openapi_documents_replay() {
    replay("openapi", openapi::run);
}
