//! The man pages and completions of both programs, as `man` and `bash` take them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Both programs: the second is built beside the first.
fn programs() -> [PathBuf; 2] {
    let vouchd = PathBuf::from(env!("CARGO_BIN_EXE_vouchd"));
    let vouch = vouchd.with_file_name("vouch");
    assert!(vouch.exists(), "run `cargo build --workspace` first");
    [vouchd, vouch]
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    assert_eq!(said, "", "{command:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The commands that `--help` lists.
fn commands(program: &Path) -> BTreeSet<String> {
    let help = output(Command::new(program).arg("--help"));
    let (_, list) = help.split_once("\nCommands:\n").expect("it has commands");
    let (list, _) = list.split_once("\n\n").expect("the list ends");
    let first = |line: &str| {
        line.strip_prefix("  ")?
            .split(' ')
            .next()
            .map(str::to_owned)
    };
    let names = list
        .lines()
        .filter_map(first)
        .filter(|name| !name.is_empty());
    names.filter(|name| name != "help").collect()
}

#[test]
fn each_command_has_a_page_that_man_reads_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    for program in programs() {
        output(Command::new(&program).arg("man").arg(folder.path()));
        let name = program.file_name().unwrap().to_str().unwrap();
        let whole = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        for section in ["EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"] {
            assert!(whole.contains(section), "{name}: {section}");
        }
        let commands = commands(&program);
        assert!(commands.len() > 3, "{commands:?}");
        for command in commands {
            let page = folder.path().join(format!("{name}-{command}.1"));
            let text = fs::read_to_string(&page).expect("a page");
            assert!(text.contains("SEE ALSO"), "{}", page.display());
            if name == "vouch" {
                let (_, examples) = text.split_once("EXAMPLES").expect("it has examples");
                assert!(examples.contains(&format!("vouch {command}")), "{command}");
            }
        }
    }
    for page in fs::read_dir(folder.path()).unwrap() {
        let page = page.unwrap().path();
        // What `man` warns of stands on its standard error.
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(&page);
        let shown = output(man.env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8"));
        assert!(shown.contains("SYNOPSIS"), "{}", page.display());
    }
}

/// What bash offers behind these words.
fn offered(program: &Path, words: &[&str]) -> BTreeSet<String> {
    let name = program.file_name().unwrap().to_str().unwrap();
    let script = format!(
        "source <(\"$PROGRAM\" completions bash)
         COMP_WORDS=({name} \"$@\") COMP_CWORD=$#
         _{name} {name} \"${{!#}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script, "bash"]).args(words);
    let said = output(bash.env("PROGRAM", program));
    said.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes() {
    let [vouchd, vouch] = programs();
    for program in [&vouchd, &vouch] {
        let offered = offered(program, &[""]);
        let known = commands(program);
        assert!(known.is_subset(&offered), "{known:?}: {offered:?}");
    }
    let check = |program: &Path, words: &[&str], expected: &[&str]| {
        let expected: BTreeSet<_> = expected.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(offered(program, words), expected, "{words:?}");
    };
    check(&vouch, &["ver"], &["verify"]);
    check(&vouch, &["pull", "--over"], &["--overwrite"]);
    check(&vouch, &["completions", "z"], &["zsh"]);
    check(&vouchd, &["serve", "--soc"], &["--socket"]);
    // Files, where one may stand: whatever their names are made of.
    let folder = tempfile::tempdir().unwrap();
    for name in ["a b.wasm", "a*.wasm", "c.wasm"] {
        fs::write(folder.path().join(name), "").unwrap();
    }
    let begun = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for before in [&["verify"][..], &["verify", "-q", "x.wasm"], &["push"]] {
        let words = before.to_vec();
        let a = begun("a");
        let expected = [begun("a b.wasm"), begun("a*.wasm")];
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        check(&vouch, &[&words[..], &[&a]].concat(), &expected);
    }
    let all = begun("");
    assert_eq!(offered(&vouchd, &["config", "check", &all]).len(), 3);
    // None where there is no file to name.
    check(&vouch, &["logout", &all], &[""]);
}

#[test]
fn each_shell_has_its_completions() {
    for program in programs() {
        let commands = commands(&program);
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let script = output(Command::new(&program).args(["completions", shell]));
            for command in &commands {
                assert!(script.contains(command.as_str()), "{shell}: {command}");
            }
        }
    }
}

/// What the documents link to in this repository is there, and so are the headings.
#[test]
fn links_of_the_documents_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // As GitHub makes them of headings.
    let anchors = |text: &str| -> BTreeSet<String> {
        let headings = text.lines().filter(|line| line.starts_with('#'));
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        headings
            .map(|line| line.trim_start_matches('#').trim().to_lowercase())
            .map(|line| {
                line.chars()
                    .filter(kept)
                    .collect::<String>()
                    .replace(' ', "-")
            })
            .collect()
    };
    for document in ["README.md", "protocol/README.md", "CHANGELOG.md"] {
        let path = root.join(document);
        let text = fs::read_to_string(&path).unwrap();
        let targets = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() {
                path.clone()
            } else {
                path.with_file_name(file)
            };
            assert!(linked.exists(), "{document}: {target}");
            if !heading.is_empty() {
                let known = anchors(&fs::read_to_string(&linked).unwrap());
                assert!(known.contains(heading), "{document}: {target}");
            }
        }
    }
}

#[test]
fn tables_are_whole() {
    let check = |text: &str, expected: bool| {
        let lines: Vec<_> = std::iter::once("").chain(text.lines()).collect();
        let is_row = |line: &&str| line.starts_with('|');
        let begins = |three: &&[&str]| !is_row(&three[0]) && is_row(&three[1]);
        let mut tables = lines.windows(3).filter(begins);
        let torn = tables.find(|three| !three[2].starts_with("|--"));
        assert_eq!(torn.is_none(), expected, "{torn:?}");
    };
    check("| a |\n|---|\n| b |\n\n", true);
    check("| a |\n|---|\n| b |\n\n| c |\n\n", false);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["README.md", "protocol/README.md", "clients/README.md"] {
        check(&fs::read_to_string(root.join(document)).unwrap(), true);
    }
}
