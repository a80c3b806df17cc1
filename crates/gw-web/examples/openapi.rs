//! Writes the document for programs: `cargo xtask openapi` keeps it in the repository.
#![expect(clippy::print_stdout, reason = "its output is the document")]

fn main() {
    print!("{}", gw_web::openapi::text());
}
