//! A plan for people and for programs. Callers come first, objects second, permission last.

mod json;
pub mod markdown;
mod text;

pub use self::{
    json::{callers, json},
    markdown::markdown,
    text::{first_line, for_callers, text},
};

#[cfg(test)]
mod tests;
