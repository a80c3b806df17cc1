//! Parts of the world that run on this machine, for `gatewright dev`.
