//! The section `[trust]`. What is wrong with it does not keep the service from starting: it is read
//! apart from the others, and until it is mended nothing is accepted.

use super::{
    paths,
    problem::Problem,
    reading::{Reading, place},
    whole::Config,
};
use crate::{
    error::{Result, error},
    name::PlainHosts,
    trust::{Policy, Section},
};
use std::{fs::Metadata, os::unix::fs::MetadataExt, path::Path};
use toml::{Spanned, de::DeValue};

impl Config {
    /// Whose signatures the owner accepts, or why that cannot be told.
    pub fn policy(&self) -> Result<Policy> {
        let Some(problem) = self.distrust.first() else {
            return Ok(self.policy.clone());
        };
        let error = error!(PolicyUnusable: "the trust policy cannot be used: {problem}");
        let all =
            "`vouchd config check` shows all that is wrong, and `vouchd config show` what holds.";
        Err(error.help(match &problem.help {
            Some(help) => format!("{help}\n{all}"),
            None => all.to_owned(),
        }))
    }

    /// Takes the section out of a file's table.
    pub(super) fn read_trust(
        &mut self,
        mut reading: Reading<'_>,
        written: Option<Spanned<DeValue<'_>>>,
        plain: &PlainHosts,
        home: Option<&Path>,
        about: Option<&Metadata>,
    ) {
        let Some(written) = written else { return };
        let span = written.span();
        let DeValue::Table(table) = written.into_inner() else {
            reading.note(Some(span), "`trust` is not a section: write [trust]", None);
            self.distrust = reading.problems();
            return;
        };
        let mut table = Spanned::new(span.clone(), table);
        if let Some(rule) = table
            .get_ref()
            .get("rule")
            .filter(|rule| rule.get_ref().is_table())
        {
            reading.note(
                Some(rule.span()),
                "rules are a list",
                Some("Write [[trust.rule]] for each.".into()),
            );
            table.get_mut().remove("rule");
        }
        reading.drop_unknown(table.get_mut(), &["trust"]);
        let mut section: Section = reading.deserialize(&mut table, "trust");
        let folder = reading.path.parent().unwrap_or(Path::new("/"));
        for (keys, path) in section.files_mut() {
            match paths::resolve(path, folder, home) {
                Ok(absolute) => *path = absolute,
                Err(why) => {
                    let what = format!("the path of `{}` {why}", keys[2]);
                    reading.note(place(table.get_ref(), &keys), what, None);
                }
            }
        }
        self.trust = section.clone();
        reading.list(&mut self.lines, table.get_ref(), plain, "trust", 0);
        match Policy::new(section, plain) {
            Ok(policy) => self.policy = policy,
            Err(problems) => {
                for problem in problems {
                    let keys: Vec<&str> = problem.keys.iter().map(String::as_str).collect();
                    let at = place(table.get_ref(), &keys);
                    reading.note(at.or(Some(span.clone())), problem.what, problem.help);
                }
            }
        }
        self.distrust = reading.problems();
        let path = self.path.as_deref().unwrap_or(Path::new("the config"));
        self.distrust
            .extend(about.and_then(|about| open_to_others(path, about)));
    }
}

/// Whoever can write the file decides whose signatures count.
fn open_to_others(path: &Path, about: &Metadata) -> Option<Problem> {
    let own = rustix::process::geteuid().as_raw();
    let shown = path.display();
    let (what, help) = if about.uid() != own && about.uid() != 0 {
        let what = format!(
            "it belongs to user {}, who decides whose signatures count",
            about.uid()
        );
        (what, format!("Make it yours: `chown $USER {shown}`"))
    } else if about.mode() & 0o002 != 0 {
        let what = "anybody can write it, and so decide whose signatures count".to_owned();
        (
            what,
            format!("Remove others' write access: `chmod go-w {shown}`"),
        )
    } else if about.mode() & 0o020 != 0 && about.gid() != rustix::process::getegid().as_raw() {
        let what = format!(
            "the group {} can write it, and so decide whose signatures count",
            about.gid()
        );
        (
            what,
            format!("Remove others' write access: `chmod go-w {shown}`"),
        )
    } else {
        return None;
    };
    Some(Problem {
        path: Some(path.to_owned()),
        line: None,
        column: None,
        what,
        help: Some(help),
    })
}

#[cfg(test)]
mod tests;
