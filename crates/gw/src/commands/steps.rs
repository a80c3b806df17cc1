//! Tells the steps of a change while they are done.

use std::{fmt, pin::Pin};

use gw_control::apply::{Listener, Moment, News};
use gw_model::terminal::Visible;
use serde::Serialize;

use super::Context;
use crate::{
    compose::{Scene, SystemClock},
    ui::{Form, Mark, Ui},
};

/// Prints each step when it ends: a line for people, an event for machines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps<'a> {
    ui: &'a Ui,
}

#[derive(Serialize)]
struct Event<'a> {
    schema: &'static str,
    t: String,
    change: u64,
    target: &'a str,
    step: &'a str,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
}

impl<'a> Steps<'a> {
    /// From here on the environment may be changed.
    pub(crate) fn begin(context: Context<'a>, scene: &Scene) -> Self {
        context.course.begin(scene);
        Self { ui: context.ui }
    }
}

impl Listener for Steps<'_> {
    fn hear<'a>(&'a self, news: &'a News<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        match self.ui.form {
            Form::Json => self.tell_event(news),
            Form::Text => self.tell_line(news),
        }
        Box::pin(std::future::ready(()))
    }
}

impl Steps<'_> {
    fn tell_line(&self, news: &News<'_>) {
        let step = news.step.as_str();
        match news.moment {
            Moment::Done { words, ms } => {
                let mark = Ui::mark(Mark::Good);
                self.ui.say(&row(&mark, step, words, &Seconds(ms).to_string()));
            }
            Moment::Failed { words } => {
                self.ui.say(&row(&Ui::mark(Mark::Bad), step, words, ""));
            }
            Moment::Intended | Moment::Acted => {}
        }
    }

    fn tell_event(&self, news: &News<'_>) {
        use gw_model::clock::Clock;
        use time::format_description::well_known::Rfc3339;

        let (state, detail, ms) = match news.moment {
            Moment::Intended => ("begun", None, None),
            Moment::Acted => return,
            Moment::Done { words, ms } => ("done", Some(words), Some(ms)),
            Moment::Failed { words } => ("failed", Some(words), None),
        };
        self.ui.json(&Event {
            schema: "gatewright.io/event/v1",
            t: SystemClock.now().format(&Rfc3339).unwrap_or_default(),
            change: news.number,
            target: news.target.as_str(),
            step: news.step.as_str(),
            state,
            detail,
            ms,
        });
    }
}

/// The column of the words.
const WIDTH: usize = 70;

/// A row of the table of steps. Long words go on below, so that the times stay in their column.
pub(crate) fn row(mark: &str, step: &str, words: &str, took: &str) -> String {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace().map(|word| Visible(word).to_string()) {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(&word);
            } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
                line.push_str(&format!(" {word}"));
            } else {
                lines.push(word);
            }
        }
    }
    let mut lines = lines.into_iter();
    let first = lines.next().unwrap_or_default();
    let mut text = format!("  {mark} {step:<10} {first:<WIDTH$} {took}").trim_end().to_owned();
    for line in lines {
        text.push_str(&format!("\n{:15}{line}", ""));
    }
    text
}

/// `0.2 s`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} s", self.0 / 1000, self.0 % 1000 / 100)
    }
}

#[cfg(test)]
mod tests;
