//! The page of the emulated Bitbucket, as somebody uses it: what is read, and what is clicked. A form is
//! sent as a browser sends it, from what stands in the page.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use gw_testkit::wire::{Reply, request};
use url::form_urlencoded::Serializer;

/// Nothing that a page is to say takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Page {
    address: SocketAddr,
    /// The path of the repository.
    repository: String,
}

impl Page {
    /// By the address of a repository.
    pub(crate) fn of(url: &str) -> Self {
        let (host, repository) = url.trim_start_matches("http://").split_once('/').expect("a path");
        let (_, port) = host.split_once(':').expect("a port");
        let port: u16 = port.parse().expect("a number");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { address, repository: format!("/{repository}") }
    }

    /// Does what a line of the documentation says:
    /// `open BRANCH "TITLE" as NAME`, `read WORDS`, `approve as NAME`, `merge as NAME`, and
    /// `merge as NAME: WORDS` where it is refused with these words.
    pub(crate) fn follow(&self, line: &str) {
        let (verb, rest) = line.split_once(' ').expect("a verb");
        match verb {
            "open" => {
                let (branch, rest) = rest.split_once(" \"").expect("a title");
                let (title, person) = rest.split_once("\" as ").expect("a person");
                self.open(branch, title, person);
            }
            "read" => drop(self.read(rest)),
            _ => {
                let person = rest.trim_start_matches("as ");
                match person.split_once(": ") {
                    Some((person, words)) => self.refused(verb, person, words),
                    None => self.click(verb, person),
                }
            }
        }
    }

    fn open(&self, branch: &str, title: &str, person: &str) {
        let fields = [("branch", branch), ("text", title)];
        self.done(&self.send(&self.repository, "open", person, &fields));
    }

    pub(crate) fn click(&self, action: &str, person: &str) {
        self.done(&self.send(&self.newest(), action, person, &[]));
    }

    fn refused(&self, action: &str, person: &str, words: &str) {
        let reply = self.send(&self.newest(), action, person, &[]);
        assert!((400..500).contains(&reply.status), "{action}: {}", reply.status);
        assert!(reply.text().contains(words), "{action}: {}", reply.text());
    }

    fn done(&self, reply: &Reply) {
        assert_eq!(reply.status, 303, "{}", reply.text());
    }

    /// The newest pull request, once its page says this. It is looked at anew each time that somebody
    /// wrote something.
    pub(crate) fn read(&self, words: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut known: u64 = 0;
        loop {
            // Whatever was written before is in the page; what comes later is waited for.
            known = self.get(&format!("/_page/written/{known}")).parse().expect("a number");
            let text = plain(&self.get(&self.newest()));
            if text.contains(words) {
                return text;
            }
            assert!(Instant::now() < until, "never `{words}`: {text}");
        }
    }

    /// The path of the newest pull request.
    fn newest(&self) -> String {
        let page = self.get(&self.repository);
        let link = format!("href=\"{}/pull-requests/", self.repository);
        let (_, rest) = page.split_once(&link).expect("there is a pull request");
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        format!("{}/pull-requests/{number}", self.repository)
    }

    fn get(&self, path: &str) -> String {
        let reply = request(self.address, "GET", path, &[], b"");
        let reply = reply.expect("the page answers");
        assert_eq!(reply.status, 200, "{path}");
        reply.text()
    }

    /// Sends the form that has the button, with what is chosen in it and these fields filled in.
    fn send(&self, path: &str, action: &str, person: &str, fields: &[(&str, &str)]) -> Reply {
        let page = self.get(path);
        let button = format!("name=\"action\" value=\"{action}\"");
        let mut forms = page.split("<form ").skip(1);
        let form = forms.find(|form| form.split("</form>").next().unwrap().contains(&button));
        let form = form.unwrap_or_else(|| panic!("no button `{action}` in {page}"));
        let hidden = |name: &str| {
            let (_, rest) = form.split_once(&format!("name=\"{name}\" value=\"")).expect(name);
            rest.split('"').next().expect("an end").to_owned()
        };
        let person = form.split("<option value=\"").find_map(|option| {
            let (value, rest) = option.split_once('"')?;
            (rest.split(['>', '<']).nth(1) == Some(person)).then(|| value.to_owned())
        });
        let mut body = Serializer::new(String::new());
        body.append_pair("repository", &hidden("repository"))
            .append_pair("pull", &hidden("pull"))
            .append_pair("person", &person.expect("the person can be chosen"))
            .append_pair("action", action)
            .extend_pairs(fields);
        let origin = format!("http://{}", self.address);
        let form = "application/x-www-form-urlencoded";
        let headers = [("origin", origin.as_str()), ("content-type", form)];
        let sent =
            request(self.address, "POST", "/_page/click", &headers, body.finish().as_bytes());
        sent.expect("the page answers")
    }
}

/// What of a page is read.
fn plain(page: &str) -> String {
    let (_, body) = page.split_once("<main>").expect("a page has a main part");
    let mut text = String::new();
    let mut inside = false;
    for sign in body.chars() {
        match sign {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' => inside = false,
            sign if !inside => text.push(sign),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
