//! The HTTP surface over a real server, its store and ledger, and the emulated Bitbucket.

#[cfg(test)]
mod all {
    mod document;
    mod flow;
    mod house;
    mod limits;
    mod pages;
    mod webhooks;
}
