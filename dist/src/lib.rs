//! Man pages and shell completions, made from what a program tells clap about its arguments, so that
//! they agree with `--help`. Both programs write their own, so that one that was installed without a
//! package has them, too.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub use clap_complete::Shell;

use clap::{Arg, Command, ValueHint};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use std::{fs, io, path::Path};

/// Terms, each with its meaning.
pub type Entries = &'static [(&'static str, &'static str)];

/// What a program's manual says besides its arguments.
pub struct Manual {
    /// Exit codes. They are on the page of each command, the rest on the program's own page.
    pub exit_status: Entries,
    /// Variables of the environment.
    pub environment: Entries,
    /// Files that are read or made.
    pub files: Entries,
    /// Other pages, such as `vouchd(1)`.
    pub see_also: &'static [&'static str],
}

/// The completions of a program for a shell.
pub fn completions(mut command: Command, shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    match (shell, str::from_utf8(&script)) {
        (Shell::Bash, Ok(text)) => with_files(text, &command).into_bytes(),
        _ => script,
    }
}

/// What clap's script for bash offers for a word.
const OFFER: &str = r#"COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )"#;

/// What is offered in its place where a file may stand. No name is split or taken for a pattern.
const OFFER_FILES: &str = r#"
_@_options_or_files() {
    local word
    COMPREPLY=()
    if [[ ${cur} == -* ]]; then
        for word in ${opts}; do
            if [[ ${word} == "${cur}"* ]]; then COMPREPLY+=("${word}"); fi
        done
        return
    fi
    while IFS= read -r word; do COMPREPLY+=("${word}"); done < <(compgen -f -- "${cur}")
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then compopt -o filenames 2> /dev/null; fi
}
"#;

/// clap's script offers options where a file may stand, and leaves files to the shell when no option
/// fits. People expect files there.
fn with_files(script: &str, command: &Command) -> String {
    let name = command.get_name();
    let mut labels = Vec::new();
    labels_with_files(command, name, &mut labels);
    let offer_files = format!("_{name}_options_or_files");
    let mut of_files = false;
    let lines = script.lines().map(|line| {
        // The cases of one `case` begin eight spaces deep.
        let label = line
            .strip_prefix("        ")
            .and_then(|line| line.strip_suffix(')'));
        if let Some(label) = label.filter(|label| !label.starts_with(' ')) {
            of_files = labels.iter().any(|known| known == label);
        }
        let offers = of_files && line.trim() == OFFER;
        let line = if offers {
            line.replace(OFFER, &offer_files)
        } else {
            line.to_owned()
        };
        line + "\n"
    });
    let script: String = lines.collect();
    OFFER_FILES.trim_start().replace('@', name) + "\n" + &script
}

/// The labels that clap's script has for commands which take a path.
fn labels_with_files(command: &Command, label: &str, labels: &mut Vec<String>) {
    let takes_path = |argument: &Arg| {
        matches!(
            argument.get_value_hint(),
            ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath
        )
    };
    if command.get_positionals().any(takes_path) {
        labels.push(label.to_owned());
    }
    for command in command.get_subcommands() {
        let name = command.get_name().replace('-', "__subcmd__");
        labels_with_files(command, &format!("{label}__subcmd__{name}"), labels);
    }
}

/// Writes a page for the program and one for each of its commands (`vouch.1`, `vouch-verify.1`)
/// to a folder, which is made where it is missing. Pages that are there are replaced.
pub fn write_man(command: Command, manual: &Manual, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let program = Program {
        name: command.get_name().to_owned(),
        version: command.get_version().unwrap_or_default().to_owned(),
        manual,
    };
    program.write(&command, folder)
}

/// The program whose pages are written.
struct Program<'a> {
    name: String,
    version: String,
    manual: &'a Manual,
}

impl Program<'_> {
    fn write(&self, command: &Command, folder: &Path) -> io::Result<()> {
        for command in command.get_subcommands() {
            self.write(command, folder)?;
        }
        let whole = command.get_name() == self.name;
        let man = Man::new(command.clone())
            .source(format!("{} {}", self.name, self.version))
            .manual("vouchd");
        let mut page = Vec::new();
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        if command
            .get_arguments()
            .any(|argument| !argument.is_hide_set())
        {
            man.render_options_section(&mut page)?;
        }
        if command.has_subcommands() {
            man.render_subcommands_section(&mut page)?;
        }
        let mut more = Roff::new();
        if !whole && let Some(help) = command.get_after_help() {
            examples_in(&mut more, &help.to_string());
        }
        list(&mut more, "EXIT STATUS", self.manual.exit_status);
        if whole {
            list(&mut more, "ENVIRONMENT", self.manual.environment);
            list(&mut more, "FILES", self.manual.files);
        }
        let own = format!("{}(1)", self.name);
        let mut others = self.manual.see_also.to_vec();
        if !whole {
            others.insert(0, &own);
        }
        more.control("SH", ["SEE ALSO"]);
        more.text([roman(others.join(", "))]);
        more.to_writer(&mut page)?;
        fs::write(folder.join(man.get_filename()), page)
    }
}

/// The lines below `Example:` or `Examples:`, if the help ends with any.
fn examples_in(page: &mut Roff, help: &str) {
    if !help.starts_with("Example") {
        return;
    }
    page.control("SH", ["EXAMPLES"]);
    page.control("nf", []);
    for line in help.lines().skip(1) {
        page.text([roman(line.trim())]);
    }
    page.control("fi", []);
}

fn list(page: &mut Roff, title: &str, entries: Entries) {
    page.control("SH", [title]);
    for (term, meaning) in entries {
        page.control("TP", []);
        page.text([bold(*term)]);
        page.text([roman(*meaning)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANUAL: Manual = Manual {
        exit_status: &[("0", "Well.")],
        environment: &[("TREE", "Where it grows.")],
        files: &[("/etc/tree", "Its roots.")],
        see_also: &["wood(7)"],
    };

    fn tree() -> Command {
        Command::new("tree")
            .version("1.2")
            .about("Grow")
            .arg(Arg::new("tall").long("tall").global(true).help("How tall"))
            .arg(Arg::new("secret").long("secret").hide(true))
            .subcommand(
                Command::new("leaf")
                    .about("Fall")
                    .after_help("Examples:\n  tree leaf -3\n  tree leaf .")
                    .arg(Arg::new("to").value_hint(ValueHint::AnyPath)),
            )
    }

    #[test]
    fn each_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("man/man1");
        write_man(tree(), &MANUAL, &inner).unwrap();
        let mut names: Vec<_> = fs::read_dir(&inner)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["tree-leaf.1", "tree.1"]);
        let read = |name: &str| fs::read_to_string(inner.join(name)).unwrap();
        let check = |page: &str, has: &[&str], lacks: &[&str]| {
            for text in has {
                assert!(page.contains(text), "{text} is not in {page}");
            }
            for text in lacks {
                assert!(!page.contains(text), "{text} is in {page}");
            }
        };
        check(
            &read("tree.1"),
            &[
                "tree 1.2",
                "Grow",
                "tall",
                "leaf",
                "EXIT STATUS",
                "ENVIRONMENT",
                "TREE",
                "FILES",
                "/etc/tree",
                "wood(7)",
            ],
            &["secret", "EXAMPLES"],
        );
        check(
            &read("tree-leaf.1"),
            &[
                "Fall",
                "tall",
                "EXAMPLES",
                "tree leaf \\-3\ntree leaf .",
                "EXIT STATUS",
                "tree(1), wood(7)",
            ],
            &["ENVIRONMENT", "FILES"],
        );
    }

    #[test]
    fn each_shell_completes_commands_and_options() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::Elvish,
            Shell::PowerShell,
        ] {
            let script = String::from_utf8(completions(tree(), shell)).unwrap();
            assert!(script.contains("leaf"), "{shell}");
            assert!(script.contains("tall"), "{shell}");
        }
    }
}
