//! The control plane against counterparts that run on this machine.

#[cfg(test)]
mod all {
    mod bitbucket;
    mod login;
    mod server;
}
