//! `vouch check` and the recipes of the README, as they are written there, against a registry.

use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};
use vouch_testing::{
    daemon::Daemon,
    folder::Folder,
    forge::{Signer, component},
    process::program,
    publisher::Publisher,
    registry::Registry,
};

/// A service, a registry with one artifact that is signed and one that is not, and a folder.
struct Place {
    daemon: Daemon,
    registry: Registry,
    folder: Folder,
}

impl Place {
    fn new() -> Self {
        let (daemon, registry) = (Daemon::start(), Registry::open());
        let publisher = Publisher::new(&registry.name(), "acme/echo");
        publisher.artifact("signed", &Signer::default().wasm(&component()));
        publisher.artifact("unsigned", &component());
        let folder = Folder::new();
        Self {
            daemon,
            registry,
            folder,
        }
    }

    /// A manifest that names these tags.
    fn name(&self, file: &str, tags: &[&str]) {
        let mut text =
            "apiVersion: core.oam.dev/v1beta1\nkind: Application\nspec:\n  components:\n"
                .to_owned();
        for tag in tags {
            let image = format!("{}/acme/echo:{tag}", self.registry.name());
            text += &format!("    - properties: {{image: \"{image}\"}}\n");
        }
        fs::create_dir_all(self.folder.path("deploy")).unwrap();
        self.folder.write(file, text.as_bytes());
    }

    /// A command in the folder, with `vouch` on its path: its exit code, and what it said.
    fn run(&self, program: &str, arguments: &[&str]) -> (i32, String) {
        let output = self.command(program).args(arguments).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), said)
    }

    fn command(&self, name: &str) -> Command {
        let vouch = program("vouch");
        let folder = vouch.parent().unwrap().display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(name);
        command
            .env("PATH", format!("{folder}:{path}"))
            .env("VOUCHD_SOCKET", self.daemon.socket())
            .current_dir(self.folder.root());
        command
    }

    fn vouch(&self, arguments: &[&str], code: i32, says: &[&str]) -> String {
        let (ended, said) = self.run("vouch", arguments);
        assert_eq!(ended, code, "{arguments:?}: {said}");
        for word in says {
            assert!(said.contains(word), "{word}: {said}");
        }
        said
    }
}

#[test]
fn what_manifests_name_is_judged() {
    let place = Place::new();
    place.name("good.yaml", &["signed"]);
    place.vouch(
        &["check", "--offline", "good.yaml"],
        2,
        &["1 could not be judged"],
    );
    place.vouch(&["check", "good.yaml"], 0, &["1 accepted in 1 document"]);
    place.vouch(&["check", "--offline", "good.yaml"], 0, &["1 accepted"]);
    place.name("deploy/bad.yaml", &["signed", "unsigned"]);
    let says = [
        "deploy/bad.yaml:6:28: refused: ",
        "2 accepted, 1 refused in 2 documents",
    ];
    place.vouch(&["check", "."], 1, &says);
    place.name("deploy/absent.yaml", &["absent"]);
    let says = ["absent.yaml:5:28: unknown: "];
    place.vouch(&["check", "-q", "deploy/absent.yaml"], 2, &says);
    // A refusal is not hidden behind what nobody could look at.
    place.vouch(&["check", "-q", "deploy"], 1, &says);

    let github = place.vouch(&["check", "--format", "github", "deploy/bad.yaml"], 1, &[]);
    let start = "::error file=deploy/bad.yaml,line=6,col=28,title=vouch%3A unsigned::";
    assert!(
        github.starts_with(start) && github.lines().count() == 1,
        "{github}"
    );
    let sarif = place.vouch(&["check", "--format", "sarif", "deploy/bad.yaml"], 1, &[]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "unsigned");
    let json = place.vouch(&["check", "--json", "good.yaml"], 0, &[]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["result"]["references"][0]["state"], "judged");
}

/// The fenced blocks of a language below a heading of the README.
fn recipes(language: &str) -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (_, part) = readme
        .split_once("## What deployment manifests name\n")
        .unwrap();
    let (part, _) = part.split_once("\n## ").unwrap();
    let blocks = part.split("```").skip(1).step_by(2);
    let blocks = blocks.filter_map(|block| block.strip_prefix(&format!("{language}\n")));
    blocks.map(str::to_owned).collect()
}

/// The text behind a key, in the only line that has it.
fn value<'t>(text: &'t str, key: &str) -> &'t str {
    let mut lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix(key));
    let value = lines.next().unwrap_or_else(|| panic!("{key} in {text}"));
    value.strip_prefix(':').unwrap().trim()
}

#[test]
fn the_recipes_refuse_what_is_refused() {
    let place = Place::new();
    let [step, hook] = recipes("yaml").try_into().unwrap();
    let [_, before_push] = recipes("sh").try_into().unwrap();

    // The hook that others refer to is the one that the README has.
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = fs::read_to_string(root.join(".pre-commit-hooks.yaml")).unwrap();
    for key in ["- id", "name", "entry", "language", "files"] {
        assert_eq!(value(&ours, key), value(&hook, key));
    }

    let git = |arguments: &[&str]| place.run("git", arguments);
    let (code, said) = git(&["init", "-q", "-b", "main", "."]);
    assert_eq!(code, 0, "{said}");
    git(&["init", "-q", "--bare", "other.git"]);
    for (name, is) in [("user.name", "Ann"), ("user.email", "ann@example.org")] {
        git(&["config", name, is]);
    }
    let hook_file = place
        .folder
        .write(".git/hooks/pre-push", before_push.as_bytes());
    fs::set_permissions(&hook_file, fs::Permissions::from_mode(0o755)).unwrap();

    for (tag, ends) in [("signed", 0), ("unsigned", 1)] {
        place.name("deploy.yaml", &[tag]);
        let (code, said) = place.run("sh", &["-c", value(&step, "run")]);
        assert_eq!(code, ends, "{said}");
        let entry = format!("{} deploy.yaml", value(&hook, "entry"));
        let (code, said) = place.run("sh", &["-c", &entry]);
        assert_eq!(code, ends, "{said}");
        git(&["add", "deploy.yaml"]);
        git(&["commit", "-q", "-m", tag]);
        let (code, said) = git(&["push", "-q", "./other.git", "main"]);
        assert_eq!(code == 0, ends == 0, "{said}");
    }
    let (_, pushed) = git(&["-C", "other.git", "log", "--format=%s", "main"]);
    assert_eq!(pushed, "signed\n");
}
