//! What access tokens are asked for, and of whom.

use crate::name::Repository;
use reqwest::Url;

/// What a request does to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// Reads.
    Pull,
    /// Reads and writes.
    Push,
}

/// What an access token is asked for: a repository, and for a mount another that is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// The repository that the request is about.
    pub(crate) repository: Repository,
    pub(crate) action: Action,
    from: Option<Repository>,
}

impl Scope {
    pub(crate) fn new(repository: &Repository, action: Action) -> Self {
        Self {
            repository: repository.clone(),
            action,
            from: None,
        }
    }

    /// The same, and the right to read another repository: OCI distribution specification,
    /// "Mounting a blob from another repository".
    pub(crate) fn mounting(&self, from: &Repository) -> Self {
        Self {
            from: Some(from.clone()),
            ..self.clone()
        }
    }

    /// Whether it is wanted again and again; a mount happens once.
    pub(crate) fn lasts(&self) -> bool {
        self.from.is_none()
    }

    /// The scope whose access tokens are good for this one too: who may push may pull.
    pub(super) fn wider(&self) -> Option<Self> {
        (self.action == Action::Pull && self.lasts()).then(|| Self {
            action: Action::Push,
            ..self.clone()
        })
    }

    /// As the distribution project's "Token Scope Documentation" writes them.
    pub(crate) fn written(&self) -> Vec<String> {
        let actions = match self.action {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        };
        let from = self.from.as_ref();
        std::iter::once(format!("repository:{}:{actions}", self.repository))
            .chain(from.map(|from| format!("repository:{from}:pull")))
            .collect()
    }
}

/// What a realm is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TokenRequest {
    pub(crate) realm: Url,
    pub(crate) service: Option<String>,
    /// Nothing, where only the login is checked.
    pub(crate) scope: Option<Scope>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_as_the_specification_says() {
        let check = |scope: &Scope, expected: &[&str]| assert_eq!(scope.written(), expected);
        let echo = "acme/echo".parse().unwrap();
        let pull = Scope::new(&echo, Action::Pull);
        check(&pull, &["repository:acme/echo:pull"]);
        let push = Scope::new(&echo, Action::Push);
        check(&push, &["repository:acme/echo:pull,push"]);
        check(
            &push.mounting(&"acme/old".parse().unwrap()),
            &["repository:acme/echo:pull,push", "repository:acme/old:pull"],
        );
    }

    #[test]
    fn who_may_push_may_pull() {
        let echo = "acme/echo".parse().unwrap();
        let (pull, push) = (
            Scope::new(&echo, Action::Pull),
            Scope::new(&echo, Action::Push),
        );
        assert_eq!(pull.wider(), Some(push.clone()));
        assert_eq!(push.wider(), None);
        assert_eq!(pull.mounting(&echo).wider(), None);
    }
}
