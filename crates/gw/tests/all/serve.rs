//! A server as a team meets it: `gatewright serve` in a process of its own, the emulated Bitbucket with
//! git over http and webhooks, an issuer of people's tokens, and the command line as its client.

mod adopt;
mod asked;
mod canaries;
mod doctor;
mod explain;
mod health;
mod login;
mod merges;
mod need;
mod pipe;
mod refusals;
mod rights;
mod secrets;
mod silent;
mod stage;
mod story;
mod traced;
mod trial;
mod words;
