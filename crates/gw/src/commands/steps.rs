//! Tells the steps of a change while they are done.

use std::{fmt, pin::Pin};

use gw_control::apply::{Listener, Moment, News};
use serde::Serialize;

use crate::{
    compose::SystemClock,
    ui::{Form, Mark, Ui},
};

/// Prints each step when it ends: a line for people, an event for machines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps<'a> {
    pub(crate) ui: &'a Ui,
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
        let step = news.step;
        match news.moment {
            Moment::Done { words, ms } => {
                let mark = Ui::mark(Mark::Good);
                self.ui.say(&format!("  {mark} {step:<10} {words:<70} {}", Seconds(ms)));
            }
            Moment::Failed { words } => {
                self.ui.say(&format!("  {} {step:<10} {words}", Ui::mark(Mark::Bad)));
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
            step: news.step,
            state,
            detail,
            ms,
        });
    }
}

/// `0.2 s`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seconds(pub(crate) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} s", self.0 / 1000, self.0 % 1000 / 100)
    }
}
