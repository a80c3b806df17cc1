//! `gatewright init`.

use std::{
    env, fs, io,
    path::{self, Path, PathBuf},
};

use clap::{Args, ValueEnum};
use gw_model::{
    code::Code,
    id::{WorkspaceId, is_name},
};
use serde::Serialize;

use super::Context;
use crate::{
    compose,
    exit::{Exit, Failure},
    ui::Form,
};

/// Writes a workspace that works. Never overwrites a file.
///
/// With --demo a small shop to play with, in a folder of that name; with --from a workspace round
/// an OpenAPI document that you have; with --id only the id that marks what this workspace owns.
/// Without any of them, the id for a folder that has declarations already.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Writes the demo workspace into a new folder of its name.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["from", "id"])]
    demo: Option<Demo>,
    /// Writes a workspace with this OpenAPI document as its first API.
    #[arg(long, value_name = "FILE", conflicts_with = "id")]
    from: Option<PathBuf>,
    /// What kind of gateway the first environment has. Not available yet: others than `builtin`.
    #[arg(long, value_name = "KIND", requires = "from", default_value = "builtin")]
    target: Kind,
    /// Writes only `.gatewright/id`, the random id of this workspace. Commit it.
    #[arg(long)]
    id: bool,
    /// Also makes Git run `gatewright check` before each commit.
    #[arg(long)]
    hook: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Demo {
    Shop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Builtin,
    Apim,
    Tyk,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    wrote: Vec<String>,
}

const SHOP: [(&str, &str); 3] = [
    ("gatewright.yaml", include_str!("../../demo/shop/gatewright.yaml")),
    ("openapi.yaml", include_str!("../../demo/shop/openapi.yaml")),
    // The API whose backend is a demo too.
    (compose::DEMO, "orders\n"),
];

const GITIGNORE: &str = "# Secrets stay on the machine that needs them.\n/.secrets/\n";

/// Looks at what is about to be committed, whatever else lies in the folder. `FOLDER` is where the
/// workspace lies in the repository, `PROGRAM` what wrote the hook: it need not lie where shells look.
const HOOK: &str = "\
#!/bin/sh
# What does not pass is not committed.
set -e
staged=$(mktemp -d)
trap 'rm -rf \"$staged\"' EXIT
git checkout-index --all --prefix=\"$staged/\"
gatewright=$(command -v gatewright) || gatewright=PROGRAM
\"$gatewright\" check --workspace \"$staged\"FOLDER
";

impl Init {
    pub(crate) fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let workspace = context.globals.workspace.as_path();
        let folder = match self.demo {
            Some(Demo::Shop) if workspace.join("gatewright.yaml").exists() => {
                return Err(Failure::wrong(
                    "this folder is a workspace, and would hold another one",
                )
                .note("nothing was written")
                .help("go to another folder, or name one with `-w DIR`"));
            }
            Some(Demo::Shop) => workspace.join("shop"),
            None => workspace.to_owned(),
        };
        let hook = self.hook.then(|| Hook::of(&folder)).transpose()?;
        let mut files = self.files(context)?;
        if compose::has_id(&folder) {
            if files.is_empty() && hook.is_none() {
                context.ui.say("nothing to do: .gatewright/id exists");
                if context.ui.form == Form::Json {
                    let wrote = vec![];
                    context.ui.json(&Document { schema: "gatewright.io/init/v1", wrote });
                }
                return Ok(Exit::Done);
            }
        } else {
            files.push((".gatewright/id".to_owned(), format!("{}\n", new_id()?).into_bytes()));
        }
        if !folder.join(".gitignore").exists() {
            files.push((".gitignore".to_owned(), GITIGNORE.as_bytes().to_vec()));
        }
        let mut wrote = write_all(&folder, &files)?;
        if let Some(hook) = hook {
            wrote.push(hook.write()?);
        }
        match context.ui.form {
            Form::Json => {
                context.ui.json(&Document { schema: "gatewright.io/init/v1", wrote });
            }
            Form::Text => self.tell(context, &wrote),
        }
        Ok(Exit::Done)
    }

    /// The files of the workspace, apart from its id.
    fn files(&self, context: Context<'_>) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        if self.demo.is_some() {
            let owned = |(path, text): (&str, &str)| (path.to_owned(), text.as_bytes().to_vec());
            return Ok(SHOP.map(owned).into());
        }
        match &self.from {
            Some(_) if self.target != Kind::Builtin => {
                Err(Failure::wrong("only workspaces for the built-in gateway can be written yet")
                    .coded(Code::TargetKindUnavailable)
                    .help("leave out `--target`"))
            }
            Some(document) => from_openapi(context, document),
            None => Ok(vec![]),
        }
    }

    fn tell(&self, context: Context<'_>, wrote: &[String]) {
        context.ui.line(&format!("wrote {}", wrote.join(", ")));
        if self.demo.is_some() {
            let folder = context.globals.workspace.join("shop");
            let folder = folder.strip_prefix(".").unwrap_or(&folder).display();
            context.ui.say(&format!("next: cd {folder} && gatewright dev"));
        } else if self.from.is_some() {
            let api = wrote.iter().find(|path| path.ends_with("api.yaml"));
            let api = api.map(String::as_str).unwrap_or_default();
            let there = match context.globals.workspace.as_path() {
                here if here == Path::new(".") => String::new(),
                elsewhere => format!(" -w {}", elsewhere.display()),
            };
            context.ui.say(&format!(
                "nobody may call anything yet: name your issuer under identities: in \
                 gatewright.yaml, then add rules under access: in {api}\nnext: gatewright check{there}"
            ));
        }
    }
}

/// The hook that Git runs before each commit.
struct Hook {
    path: PathBuf,
    /// The same as it is told.
    name: String,
    text: String,
}

impl Hook {
    /// That of the repository that a folder lies in; neither has to be written yet.
    fn of(folder: &Path) -> Result<Self, Failure> {
        let whole = folder.canonicalize().or_else(|_| path::absolute(folder));
        let whole = whole.unwrap_or_else(|_| folder.to_owned());
        let Some(root) = whole.ancestors().find(|above| above.join(".git").exists()) else {
            return Err(Failure::wrong(format!("`{}` is in no Git repository", whole.display()))
                .note("nothing was written")
                .help("run `git init` first, where the repository is to begin"));
        };
        let path = git_folder(&root.join(".git")).join("hooks/pre-commit");
        let name = path.strip_prefix(&whole).unwrap_or(&path).display().to_string();
        if path.exists() {
            return Err(Failure::wrong(format!("`{name}` exists"))
                .note("nothing was written")
                .help("add the line `gatewright check` to it"));
        }
        let inside = whole.strip_prefix(root).unwrap_or(Path::new("")).display().to_string();
        let below = match inside.as_str() {
            "" => String::new(),
            inside => quoted(&format!("/{inside}")),
        };
        let program = env::current_exe().map(|path| path.display().to_string());
        let program = quoted(&program.unwrap_or_else(|_| "gatewright".to_owned()));
        let text = HOOK.replace("FOLDER", &below).replace("PROGRAM", &program);
        Ok(Self { path, name, text })
    }

    fn write(self) -> Result<String, Failure> {
        write(&self.path, self.text.as_bytes())?;
        make_executable(&self.path)?;
        Ok(self.name)
    }
}

/// As a shell reads it as one word.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Where the hooks of a repository lie: a worktree has a file that says where its own part is, which
/// in turn says where the common one is.
fn git_folder(git: &Path) -> PathBuf {
    let beside = |file: &Path, said: &str| file.parent().map(|folder| folder.join(said.trim()));
    let text = fs::read_to_string(git).unwrap_or_default();
    let own = text.strip_prefix("gitdir:").and_then(|said| beside(git, said));
    let own = own.unwrap_or_else(|| git.to_owned());
    let common = fs::read_to_string(own.join("commondir")).ok();
    common.map_or(own.clone(), |said| own.join(said.trim()))
}

fn new_id() -> Result<WorkspaceId, Failure> {
    compose::random().map(WorkspaceId::from_random).ok_or_else(compose::no_random)
}

/// A workspace of the usual layout round one OpenAPI document, whose bytes stay as they are.
fn from_openapi(context: Context<'_>, document: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let bytes = fs::read(document).map_err(|error| {
        Failure::wrong(format!("cannot read `{}`: {error}", document.display()))
    })?;
    compose::openapi_or_refuse(context, document, &bytes)?;
    let extension = match document.extension().and_then(|extension| extension.to_str()) {
        Some("json") => "json",
        _ => "yaml",
    };
    let name = name_of(document);
    let openapi = format!("apis/{name}/openapi.{extension}");
    let api = format!(
        "apiVersion: gatewright.io/v1alpha1\nkind: Api\nmetadata: {{ name: {name} }}\nspec:\n  \
         openapi: {{ file: {openapi} }}\n  \
         # The service behind the gateway.\n  upstream: {{ url: \"http://localhost:3000\" }}\n  \
         # Who may call. What no rule grants is refused, for example:\n  \
         #   - methods: [GET]\n  #     identities: [staff]\n  access: []\n"
    );
    Ok(vec![
        ("gatewright.yaml".to_owned(), workspace_document(&name).into_bytes()),
        ("environments/dev.yaml".to_owned(), ENVIRONMENT.as_bytes().to_vec()),
        (format!("apis/{name}/api.yaml"), api.into_bytes()),
        (openapi, bytes),
    ])
}

fn workspace_document(name: &str) -> String {
    format!(
        "apiVersion: gatewright.io/v1alpha1\nkind: Workspace\nmetadata: {{ name: {name} }}\nspec:\n  \
         source: {{ local: {{}} }}\n  \
         # How callers prove who they are, for example:\n  \
         #   staff:\n  #     oidc: {{ issuer: \"https://login.example.com\", audiences: [\"api://{name}\"] }}\n  \
         identities: {{}}\n"
    )
}

const ENVIRONMENT: &str = "\
apiVersion: gatewright.io/v1alpha1
kind: Environment
metadata: { name: dev }
spec:
  targets:
    default: { builtin: { listen: 127.0.0.1:8080 } }
  # The user of this machine may change it.
  changes:
    - { actions: [view, plan, apply, rollback], identities: [local], deletes: true }
";

/// The name of the API: that of the file, or of its folder where the file is just `openapi`.
fn name_of(document: &Path) -> String {
    let stem = |path: &Path| {
        let text = path.file_stem()?.to_str()?.to_lowercase();
        let kept = |sign: char| if sign.is_ascii_alphanumeric() { sign } else { '-' };
        let name: String = text.chars().map(kept).take(63).collect();
        let name = name.trim_matches('-').to_owned();
        is_name(&name).then_some(name)
    };
    let plain = |name: &String| !matches!(name.as_str(), "openapi" | "swagger" | "api");
    let folder = || {
        let full = fs::canonicalize(document).ok()?;
        stem(full.parent()?)
    };
    stem(document).filter(plain).or_else(folder).unwrap_or_else(|| "first".to_owned())
}

/// Writes all or nothing: no file is touched where one of them exists.
fn write_all(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<Vec<String>, Failure> {
    if let Some((path, _)) = files.iter().find(|(path, _)| folder.join(path).exists()) {
        return Err(Failure::wrong(format!("`{}` exists", folder.join(path).display()))
            .note("nothing was written")
            .help("choose an empty folder with `-w DIR`, or `init --id` for a folder that has declarations"));
    }
    for (path, bytes) in files {
        write(&folder.join(path), bytes)?;
    }
    Ok(files.iter().map(|(path, _)| path.clone()).collect())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)
    };
    written().map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
    })
}

fn make_executable(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot make `{}` executable: {error}", path.display()))
    })
}
