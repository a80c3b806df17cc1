//! Every command of `docs/quickstart.md` and of `README.md` is run, and what it prints is compared.
//!
//! In `docs/quickstart.md`, a block ```` ```console ```` is the second terminal, one with the word
//! `first` after it is the terminal in which `gatewright dev` stays. `$ ` begins a command, the lines
//! below it are what it prints. `...` stands for any lines, `^C` for what the keyboard does. In a block
//! ```` ```page ```` stands what is read and clicked on the page of the emulated Bitbucket.

use std::{collections::BTreeMap, fs, path::Path};

use gw_emulators::bitbucket::{SERVER_EVENTS, SERVER_SCOPES};
use gw_testkit::wire::free_port;
use tempfile::TempDir;

use crate::{
    page::Page,
    terminal::{Terminal, normal},
};

/// A fenced block with what stands after the backticks.
#[derive(Debug)]
struct Block {
    info: String,
    lines: Vec<String>,
}

/// A command and what it prints.
#[derive(Debug)]
struct Example {
    command: String,
    output: Vec<String>,
}

/// Ports of the documentation, and the free ones that stand for them here.
#[derive(Debug)]
struct Ports(BTreeMap<&'static str, String>);

impl Ports {
    fn choose() -> Self {
        let chosen = ["8080", "7071", "7072"].map(|port| (port, free_port().to_string()));
        Self(chosen.into())
    }

    fn as_run(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    fn as_written(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (there, here)| text.replace(here, there))
    }

    /// Learns which port stands for that of a line such as `server  http://localhost:7070`, where it was
    /// the program that chose.
    fn learn(&mut self, written: &str, terminal: &Terminal) {
        for (name, port) in [("bitbucket", "7073"), ("server", "7070")] {
            if written.split_whitespace().next() == Some(name) {
                let seen = terminal.wait_for(name, |line| line.starts_with(name));
                let line = seen.last().expect("it was waited for");
                let after = line.split_once("localhost:").expect("it has a port").1;
                let here = after.chars().take_while(char::is_ascii_digit).collect();
                self.0.insert(port, here);
            }
        }
    }

    fn is_learned_from(&self, line: &str) -> bool {
        ["bitbucket", "server"].iter().any(|name| line.split_whitespace().next() == Some(name))
    }

    /// Puts the free ports into the declarations that were just written.
    fn put_into(&self, folder: &Path) {
        let file = folder.join("shop/gatewright.yaml");
        if let Ok(text) = fs::read_to_string(&file)
            && text.contains("7071")
        {
            fs::write(&file, self.as_run(&text)).expect("the declarations can be written");
        }
    }
}

/// Shows S1.6: holds
/// Shows S1.32: part (only on this machine: deploying elsewhere and connecting an identity provider there come later)
#[test]
fn the_first_ten_minutes_go_as_written() {
    let folder = folder_with_binary();
    let mut ports = Ports::choose();
    let mut first = Terminal::open(folder.path());
    let mut second = Terminal::open(folder.path());
    let mut seen = 0;
    for block in blocks(&document("docs/quickstart.md")) {
        match block.info.as_str() {
            "console" => {
                for example in examples(&block.lines) {
                    let (output, code) = second.run(&ports.as_run(&example.command));
                    compare(&example, &output, &ports);
                    assert_eq!(code, 0, "$ {}", example.command);
                    ports.put_into(folder.path());
                    seen += 1;
                }
            }
            "console first" => {
                if block.lines.first().is_some_and(|line| line == "^C") {
                    first.interrupt();
                }
                for example in examples(&block.lines) {
                    first.start(&ports.as_run(&example.command));
                    for line in &example.output {
                        ports.learn(line, &first);
                    }
                    let known = |line: &&String| !ports.is_learned_from(line);
                    let rest: Vec<String> = example.output.iter().filter(known).cloned().collect();
                    wait_for_all(&first, &rest, &ports);
                    ports.put_into(folder.path());
                    seen += 1;
                }
            }
            "page" => {
                let page = Page::of(&ports.as_run("http://localhost:7073/acme/shop-apis"));
                block.lines.iter().for_each(|line| page.follow(line));
                seen += 1;
            }
            "text first" => wait_for_all(&first, &block.lines, &ports),
            _ => {}
        }
    }
    assert!(seen >= 10, "only {seen} commands were found");
}

/// The commands of the README that are not `make`.
#[test]
fn the_commands_of_the_readme_work() {
    let folder = folder_with_binary();
    let ports = Ports::choose();
    let mut terminal = Terminal::open(folder.path());
    let readme = document("README.md");
    let indented = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let (make, own): (Vec<_>, Vec<_>) = indented.partition(|line| line.starts_with("make "));
    let targets: Vec<_> =
        make.iter().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect();
    assert_eq!(targets, ["up", "test"]);
    let (last, own) = own.split_last().expect("the README has commands");
    for command in own {
        let (output, code) = terminal.run(&ports.as_run(command));
        assert_eq!(code, 0, "{command}\n{}", output.join("\n"));
        ports.put_into(folder.path());
    }
    terminal.start(last);
    terminal.wait_for("verified", |line| line.contains("verified"));
}

/// A folder in which `./bin/gatewright` is what this run built.
/// What a server is given in tests and by `dev` is what an administrator is told to give it.
#[test]
fn scopes_and_events_of_bitbucket_are_documented() {
    let written = document("docs/server.md");
    let told: Vec<&str> = written.split('`').skip(1).step_by(2).collect();
    let scopes = told.iter().filter(|word| word.ends_with(":bitbucket")).copied();
    let is_event = |word: &&str| word.starts_with("repo:") || word.starts_with("pullrequest:");
    let events = told.iter().copied().filter(is_event);
    assert_eq!(scopes.collect::<Vec<_>>(), SERVER_SCOPES);
    assert_eq!(events.collect::<Vec<_>>(), SERVER_EVENTS);
}

fn folder_with_binary() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder can be made");
    for name in ["bin", "home"] {
        fs::create_dir(folder.path().join(name)).expect("a folder can be made");
    }
    std::os::unix::fs::symlink(
        env!("CARGO_BIN_EXE_gatewright"),
        folder.path().join("bin/gatewright"),
    )
    .expect("a link can be made");
    folder
}

fn document(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(path).expect("the document exists")
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if let Some(info) = line.strip_prefix("```") {
            open = !open;
            if open {
                blocks.push(Block { info: info.to_owned(), lines: vec![] });
            }
        } else if open && let Some(block) = blocks.last_mut() {
            block.lines.push(line.to_owned());
        }
    }
    blocks
}

fn examples(lines: &[String]) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in lines {
        if let Some(command) = line.strip_prefix("$ ") {
            examples.push(Example { command: command.to_owned(), output: vec![] });
        } else if let Some(example) = examples.last_mut() {
            example.output.push(line.clone());
        }
    }
    examples
}

/// Compares line by line; a line `...` in the document stands for any lines.
fn compare(example: &Example, output: &[String], ports: &Ports) {
    let written: Vec<String> = example.output.iter().map(|line| normal(line)).collect();
    let printed: Vec<String> = output.iter().map(|line| normal(&ports.as_written(line))).collect();
    assert!(
        matches(&written, &printed),
        "$ {}\n-- written:\n{}\n-- printed:\n{}\n",
        example.command,
        written.join("\n"),
        output.iter().map(|line| ports.as_written(line)).collect::<Vec<_>>().join("\n")
    );
}

fn matches(written: &[String], printed: &[String]) -> bool {
    match written {
        [] => printed.is_empty(),
        [any, rest @ ..] if any == "..." => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        [line, rest @ ..] => printed.first() == Some(line) && matches(rest, &printed[1..]),
    }
}

/// Waits for the lines in this order; others may stand between.
fn wait_for_all(terminal: &Terminal, lines: &[String], ports: &Ports) {
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        let wanted = normal(line);
        terminal.wait_for(line, |line| normal(&ports.as_written(line)) == wanted);
    }
}
